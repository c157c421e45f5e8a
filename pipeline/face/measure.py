"""The mesh of the subject's face in each frame of a clip, and its expression. Not in the paper, whose faces are five joints."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.meshes import Meshes, write_meshes
from pipeline.body.regions import RegionParams, drop_unusable, region_boxes
from pipeline.body.skeleton import Skeleton
from pipeline.networks.face_mesh import CHIN, EXPRESSIONS, FOREHEAD, POINTS, Face, FaceMesh, square_about
from pipeline.networks.mediapipe import Roi
from pipeline.params import Section
from pipeline.progress import Progress

SURE = 0.9  # a look that is this sure is not repeated from elsewhere
ASTRAY = np.pi / 3  # eyes' line and face lie no farther than this from how the head leans: in profile the eyes' line says nothing of it
BELOW = (("right_mouth", "left_mouth"), ("neck",))  # joints under the eyes, the nearest first


class FaceMeshParams(Section):
    """Section `face_mesh` of params.yaml."""

    network: Literal["face_mesh", "none"]
    threads: int = Field(ge=1, le=256)
    min_presence: float = Field(gt=0, lt=1)
    min_side_px: float = Field(ge=12, le=512)


@dataclass(frozen=True)
class MeasureInputs:
    """A clip's frames, its subject's keypoints, and the folder of the asset face_mesh, empty for network: none."""

    frames: Frames
    track: Track
    weights: Path


def measure_faces(inputs: MeasureInputs, params: FaceMeshParams, regions: RegionParams, out: Path) -> int:
    """Publish the meshes of a clip's selected subject; returns the number of frames with a face.

    Frames without the face's joints, with a face under min_side_px, and those where the network is not sure (a face turned away
    or hidden) or sees it lie otherwise than the head does have none, which is said. A skeleton without a face, and network: none, give
    a table of nothing.
    """
    frames, track = inputs.frames, inputs.track
    require_same_length(track, frames)
    face = track.skeleton.face
    if params.network == "none" or face is None:
        write_meshes(out, no_meshes(len(frames), frames.size_hw, "no face is measured here"))
        return 0
    boxes, skipped = drop_unusable(region_boxes(track.points, track.skeleton, regions), track.size_hw, params.min_side_px)
    images = (image for _, block in frames.blocks() for image in block)
    rows, looked, seen = MeshRows(len(frames)), np.isfinite(boxes[face.name]).all(axis=1), 0
    network = FaceMesh(inputs.weights, params.threads)
    with Progress(len(frames), "measure_faces") as progress:
        for n, (_, found, presence) in enumerate(follow_face(network, images, track, boxes[face.name], params.min_presence)):
            rows.put(n, found, presence)
            seen += found is not None
            progress.advance()
    reasons = [*skipped[face.name], *unsure(int(looked.sum()) - seen, len(frames))]
    for reason in reasons:
        print(f"measure_faces: {reason}.")
    write_meshes(out, rows.meshes(frames.size_hw, tuple(reasons)))
    return seen


def unsure(frames: int, of: int) -> list[str]:
    """Why so many frames of a clip have no face where one was looked for; nothing to say for none."""
    return [f"{frames} of {of} frames: the face is turned away or hidden"] if frames else []


def first_looks(points: np.ndarray, track: Track, box: np.ndarray, before: np.ndarray | None) -> list[Roi]:
    """Where to look for a face in box (4): with its eyes level, where it was a frame before (mesh (478 3) or None), and upright.

    points (j 2): the frame's joints, full px, NaN = missing.
    """
    right, left = _eyes(points, track.skeleton)
    tilt, lean = float(np.arctan2(left[1] - right[1], left[0] - right[0])), head_lean(points, track.skeleton)
    tilt = lean if astray(tilt, lean) else tilt
    x, y = (box[:2] + box[2:]) / 2 - 0.5
    upright = Roi((float(x), float(y)), float(box[2] - box[0]))
    level = [] if not np.isfinite(tilt) else [Roi(upright.centre_xy, upright.size_px, tilt)]
    return [*level, *([] if before is None else [square_about(before)]), upright]


def head_lean(points: np.ndarray, skeleton: Skeleton) -> float:
    """How far a head leans to the right of the picture, in radians, by the eyes over mouth or neck; points (j 2) px, NaN = not seen."""
    middle = np.mean(_eyes(points, skeleton), axis=0)
    for names in BELOW:
        if set(names) <= set(skeleton.joints):
            up = middle - points[[skeleton.index(name) for name in names]].mean(axis=0)
            if np.isfinite(up).all():
                return float(np.arctan2(up[0], -up[1]))
    return float("nan")


def astray(turn: float, lean: float) -> bool:
    """Whether a turn, in radians, is not that of a head that leans so; False where the lean is not known (NaN)."""
    return bool(abs(np.angle(np.exp(1j * (turn - lean)))) > ASTRAY)


def _eyes(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The right and the left eye (2 2)."""
    return points[[skeleton.index(name) for name in ("right_eye", "left_eye")]]


def _turn_of(mesh: np.ndarray) -> float:
    up = mesh[FOREHEAD] - mesh[CHIN]
    return float(np.arctan2(up[0], -up[1]))


def look_at_face(network: FaceMesh, image: np.ndarray, squares: list[Roi]) -> Face:
    """The surest face of image (h w 3) uint8 through the squares, tried in turn until one is sure enough."""
    best = network(image, squares[0])
    for square in squares[1:]:
        if best.presence >= SURE:
            break
        other = network(image, square)
        best = other if other.presence > best.presence else best
    return best


def follow_face(
    network: FaceMesh, images: Iterable[np.ndarray], track: Track, boxes: np.ndarray, min_presence: float
) -> Iterator[tuple[np.ndarray, Face | None, float]]:
    """Each image (h w 3) uint8 of a clip with the face in its box (t 4), None where none is sure enough, and how sure the network was.

    track: the joints, which tell how the face lies; a frame without a box has a presence of 0.
    """
    before: np.ndarray | None = None
    for n, image in enumerate(images):
        found, points = None, track.points[n].astype(np.float64)
        if np.isfinite(boxes[n]).all():
            found = look_at_face(network, image, first_looks(points, track, boxes[n], before))
        face = found if found is not None and found.presence >= min_presence else None
        if face is not None and astray(_turn_of(face.points), head_lean(points, track.skeleton)):
            face = None
        before = None if face is None else face.points
        yield image, face, 0.0 if found is None else found.presence


class MeshRows:
    """Meshes of t frames that are found one by one."""

    def __init__(self, t: int) -> None:
        self._points = np.full((t, POINTS, 3), np.nan, np.float32)
        self._expression = np.full((t, len(EXPRESSIONS)), np.nan, np.float32)
        self._presence = np.zeros(t, np.float32)

    def put(self, n: int, face: Face | None, presence: float) -> None:
        """The n-th frame's face, None where it has none."""
        self._presence[n] = presence
        if face is not None:
            self._points[n], self._expression[n] = face.points, face.expression

    def meshes(self, size_hw: tuple[int, int], skipped: tuple[str, ...]) -> Meshes:
        """All of them, and why frames have none."""
        return Meshes(self._points, self._expression, self._presence, size_hw, skipped)


def no_meshes(t: int, size_hw: tuple[int, int], why: str) -> Meshes:
    """The table of a clip of t frames whose faces nobody measured."""
    nothing = np.empty((t, 0, 3), np.float32), np.empty((t, 0), np.float32), np.zeros(t, np.float32)
    return Meshes(*nothing, size_hw, (why,))
