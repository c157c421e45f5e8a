"""Faces of a result beside those that they should be like: landmarks, expression, and whose face it is. Not in the paper.

Faces that are too small or turned too far are left out, counted by reason: what a network says of them is no measure of a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.identities import COMPARED, IDENTITY, Described, Identities
from pipeline.artifacts.meshes import Meshes
from pipeline.evaluation.settings import EvaluationParams, FaceScoreParams
from pipeline.networks.face_mesh import CHIN, EXPRESSIONS, EYE_CORNERS, FOREHEAD

LEAST_OWN = 5  # faces of the target that tell who it is: a lone one may be none
EXPRESSED = [i for i, name in enumerate(EXPRESSIONS) if name != "_neutral"]
SENTENCES = {
    "face_landmarks": "mean distance of the mesh's points, laid over each other by a similarity in the picture (least squares), over the "
    "distance between the outer corners of the eyes, depth included; mean over frames",
    "face_expression": f"mean absolute difference of {len(EXPRESSED)} scores of the expression, 0..1 each; mean over frames",
    "face_expression_still": "the same for a face that keeps the result's median expression: not lower means not followed",
    IDENTITY: "median over the result's frames of the median distance to the target's own frames; 128 numbers of dlib's face recognition "
    "network, under 0.6 mostly one person",
    "face_identity_own": "the same of the second half in time of the target's own frames, to the first half",
}


@dataclass
class FaceScores:
    """values: metric → score, None where no frame allows one; by_frame likewise, by frame; why: what has no score → sentence."""

    values: dict[str, float | None] = field(default_factory=dict)
    by_frame: dict[str, dict[int, float]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def said(self) -> str:
        """One line on the frames left out; empty when there are none."""
        left_out = self.settings.get("left_out")
        if not left_out:
            return ""
        frames, compared = self.settings["frames"], self.settings["compared"]
        return f"faces compared in {compared} of {frames} frames; left out: {_listed(left_out)}"


def landmark_distances(points: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How far points (t p 3) lie from the true ones once laid over them by a similarity, in distances between the eyes (t).

    Place, size and roll count no more, nor in whose pixels they are; turn of the head, expression and the face's shape do.
    NaN in, NaN out.
    """
    q, c = (seen[..., 0] + 1j * seen[..., 1] for seen in (np.asarray(true, np.float64), np.asarray(points, np.float64)))
    q, c = q - q.mean(axis=1, keepdims=True), c - c.mean(axis=1, keepdims=True)
    turn = (c.conj() * q).sum(axis=1) / (np.abs(c) ** 2).sum(axis=1)
    return np.abs(q - turn[:, None] * c).mean(axis=1) / eyes_px(true)


def expression_distances(expression: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean absolute difference (t) of the scores (t e) of two expressions, their neutral one left out; NaN in, NaN out."""
    return np.abs(np.asarray(expression, np.float64) - true)[:, EXPRESSED].mean(axis=1)


def eyes_px(points: np.ndarray) -> np.ndarray:
    """Distance (t) between the outer corners of the eyes of meshes (t p 3), depth included, so that a turn of the head does not count."""
    right, left = EYE_CORNERS
    return np.linalg.norm(np.asarray(points[:, left], np.float64) - points[:, right], axis=1)


def turn_deg(points: np.ndarray) -> np.ndarray:
    """Angle (t) between where the faces of meshes (t p 3) look and the camera, to any side, 0..180 degrees."""
    right, left = EYE_CORNERS
    across, down = (np.asarray(points[:, b], np.float64) - points[:, a] for a, b in ((right, left), (FOREHEAD, CHIN)))
    normal = np.cross(across, down)  # away from the camera, as depth grows
    return np.degrees(np.arccos(np.clip(normal[:, 2] / np.linalg.norm(normal, axis=1), -1, 1)))


def usable(meshes: Mapping[str, Meshes], frames: np.ndarray, params: FaceScoreParams) -> tuple[np.ndarray, dict[str, int]]:
    """Those of frames (n) in which all of the meshes, by whose they are, can be compared; and reason → frames left out, each once."""
    kept, left_out = frames, dict[str, int]()
    tests = {
        "no face found": lambda m, at: m.seen[at],
        f"under {params.min_eyes_px:g} px between the eyes": lambda m, at: eyes_px(m.points[at]) >= params.min_eyes_px,
        f"turned beyond {params.max_turn_deg:g} degrees": lambda m, at: turn_deg(m.points[at]) <= params.max_turn_deg,
    }
    for reason, passes in tests.items():
        for whose, mesh in meshes.items():
            good = np.asarray(passes(mesh, kept), bool)
            if not good.all():
                left_out[f"{reason} ({whose})"] = int((~good).sum())
            kept = kept[good]
    return kept, left_out


def compare_faces(true: Meshes, found: Meshes, whose: tuple[str, str], frames: np.ndarray, params: EvaluationParams) -> FaceScores:
    """Score the faces found in a result against the true ones, or the driver's, in frames (n); whose: what the two are called.

    A metric that nobody asked for has no key, nor has one of faces that nobody measured; with no frame left it is None. `why` tells.
    InputError when the meshes differ in length.
    """
    asked = [name for name in COMPARED if name in params.metrics]
    scores = FaceScores()
    if not asked or not len(frames):
        return scores
    require_same_length(true, found)
    meshes = dict(zip(whose, (true, found), strict=True))
    unmeasured = [f"no faces of the {name} were measured: {'; '.join(one.skipped)}" for name, one in meshes.items() if not one.points.size]
    if unmeasured:
        scores.why = dict.fromkeys(asked, unmeasured[0])
        return scores
    kept, left_out = usable(meshes, frames, params.faces)
    scores.settings = {"frames": len(frames), "compared": len(kept), "left_out": left_out}
    if not len(kept):
        scores.values = dict.fromkeys(asked)
        scores.why = dict.fromkeys(asked, f"no frame has a face that can be compared; of {len(frames)} frames {_listed(left_out)}")
        return scores
    expression, others = found.expression[kept], true.expression[kept]
    columns = {
        "face_landmarks": landmark_distances(found.points[kept], true.points[kept]),
        "face_expression": expression_distances(expression, others),
        "face_expression_still": expression_distances(np.median(expression, axis=0, keepdims=True), others),
    }
    for name, column in columns.items():
        if name in asked or name.removesuffix("_still") in asked:
            scores.values[name] = float(column.mean())
            scores.by_frame[name] = dict(zip(kept.tolist(), column.tolist(), strict=True))
            scores.settings[name] = SENTENCES[name]
    return scores


def compare_identities(identities: Identities, result: Meshes, target: Meshes, params: EvaluationParams) -> FaceScores:
    """Score whose face the result shows: face_identity, beside it what the target's own frames have among themselves.

    No key when nobody asked for it; None, and `why`, when the result has no face to compare or the target fewer than LEAST_OWN.
    """
    scores = FaceScores()
    if IDENTITY not in params.metrics:
        return scores
    if not result.points.size or not target.points.size:
        scores.why = {IDENTITY: f"no faces were measured: {'; '.join(result.skipped if not result.points.size else target.skipped)}"}
        return scores
    made, own = _usable_ones(identities.result, result, params), _usable_ones(identities.target, target, params)
    scores.settings = {"described": {"result": len(made), "target": len(own)}, IDENTITY: SENTENCES[IDENTITY]}
    enough = len(own) >= LEAST_OWN
    scores.values[IDENTITY] = identity_distance(made, own) if enough and len(made) else None
    if not enough:
        scores.why[IDENTITY] = f"{len(own)} of the target's own faces can be compared, at least {LEAST_OWN} tell who it is"
    elif not len(made):
        scores.why[IDENTITY] = "no frame of the result has a face that can be compared"
    if enough:
        scores.values["face_identity_own"] = identity_distance(own[len(own) // 2 :], own[: len(own) // 2])
        scores.settings["face_identity_own"] = SENTENCES["face_identity_own"]
    return scores


def identity_distance(faces: np.ndarray, others: np.ndarray) -> float:
    """Median over faces (n d) of their median distance to the others (m d)."""
    distances = np.linalg.norm(np.asarray(faces, np.float64)[:, None] - others[None], axis=2)
    return float(np.median(np.median(distances, axis=1)))


def _usable_ones(described: Described, meshes: Meshes, params: EvaluationParams) -> np.ndarray:
    """Descriptors (n d) of the faces that can be compared, in the order of time."""
    frames, _ = usable({"face": meshes}, described.frames, params.faces)
    return described.descriptors[np.isin(described.frames, frames)]


def _listed(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items())
