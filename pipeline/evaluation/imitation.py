"""Imitation of a driver: no true frame exists, so steadiness is compared with the driver's, and the pose is detected again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_motion, require_same_length, require_same_size
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.identities import Identities
from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.artifacts.meshes import Meshes
from pipeline.errors import InputError
from pipeline.evaluation.external import External
from pipeline.evaluation.faces import compare_faces, compare_identities
from pipeline.evaluation.inception import Gallery, Inception
from pipeline.evaluation.settings import (
    IMITATION,
    EvaluationParams,
    external_faces,
    finite_mean,
    listed,
    not_computed,
    temporal_settings,
    window_of,
)
from pipeline.evaluation.temporal import Flow, consistency, flicker, flow_and_mask, warping_error, window_borders
from pipeline.picture.framing import training_crop
from pipeline.picture.geometry import apply_affine, sample_crop
from pipeline.progress import Progress

SEEN = tuple(ORIGINS.index(name) for name in ("measured", "refined", "smoothed", "imported"))
BLOCK = 8


@dataclass(frozen=True)
class PairFaces:
    """Meshes of the driver, of the target's own clip and of the result, and who the faces of these two are."""

    driver: Meshes
    target: Meshes
    result: Meshes
    identities: Identities


@dataclass(frozen=True)
class PairInputs:
    """What is read of a pair: what was generated, the driver, the motion; the target's true crops, which FID compares with.

    fused: the result, None where another system's is scored; redetected: the poses seen in it, None where nobody looked; faces likewise.
    """

    generated: Foregrounds
    driver_frames: Frames
    driver: Track
    motion: Track
    crops: Crops | None = None
    fused: Frames | None = None
    redetected: Track | None = None
    faces: PairFaces | None = None


def evaluate_imitation(inputs: PairInputs, params: EvaluationParams, flow: Flow, inception: Inception | None = None) -> dict[str, Any]:
    """Score a pair: nested scores with `imitation` and `settings`.

    A motion retargeted by the method `none` shares the driver's pixels and so allows TCM. Without `redetected` the pose
    has no keys. FID is that to all of the target's true crops with the subject. InputError when the artifacts differ in length.
    """
    assert inputs.fused is not None
    _check(inputs)
    images = (image for _, block in inputs.fused.blocks(BLOCK) for image in block)
    scores, settings = _steadiness(images, inputs, params, flow, _true_gallery(inputs.crops, inception))
    if inputs.redetected is None:
        settings["not_computed"].setdefault("pose", "the poses of the result were not detected again: set redetect for this pair")
    elif "pose" in params.metrics:
        scores |= pose_scores(inputs.motion, inputs.generated.crop, inputs.redetected)
    values = {**scores, **_face_scores(inputs, params, settings)}
    return {**({"imitation": values} if values else {}), "settings": settings}


def _face_scores(inputs: PairInputs, params: EvaluationParams, settings: dict[str, Any]) -> dict[str, float | None]:
    """Scores of the result's faces; how they came about, and why some have none, goes into the settings."""
    faces = inputs.faces
    if faces is None:
        return {}
    frames = np.flatnonzero(inputs.motion.present)
    require_same_length(inputs.motion, faces.driver, faces.result)
    compared = compare_faces(faces.driver, faces.result, ("driver", "result"), frames, params)
    identity = compare_identities(faces.identities, faces.result, faces.target, params)
    if said := compared.said():
        print(f"evaluate: {said}.")
    if found := compared.settings | identity.settings:
        settings["faces"] = found
    settings["not_computed"] |= compared.why | identity.why
    return compared.values | identity.values


def evaluate_external_imitation(
    external: External, inputs: PairInputs, params: EvaluationParams, flow: Flow, inception: Inception | None = None
) -> dict[str, Any]:
    """Score another system's video of a pair by the same protocol: nested scores with `external.<name>` and `settings`.

    Frames without a counterpart are left out and counted, since no true frame is compared. InputError when no frame has one.
    """
    _check(inputs)
    missing, present = 0, inputs.motion.present

    def images() -> Iterator[np.ndarray | None]:
        nonlocal missing
        for t, image in enumerate(external.frames(range(len(inputs.generated)))):
            missing += image is None and bool(present[t])
            yield image

    scores, settings = _steadiness(images(), inputs, params, flow, _true_gallery(inputs.crops, inception))
    if missing == present.sum() > 0:
        where = f"external.{external.name}.first_frame"
        raise InputError(f"{external.video} must show the driver's motion, found nothing within half a frame of its frames: see {where}")
    settings["not_computed"].setdefault("pose", "the poses of another system's result are not detected again")
    settings["not_computed"] |= external_faces(params, IMITATION)
    settings["external"] = {**external.settings(), "frames_without_counterpart": missing}
    return {**({"external": {external.name: scores}} if scores else {}), "settings": settings}


def _steadiness(
    images: Iterable[np.ndarray | None], inputs: PairInputs, params: EvaluationParams, flow: Flow, gallery: Gallery
) -> tuple[dict[str, float], dict[str, Any]]:
    """Scores of a result, one image (h w 3) a frame, beside the driver's; and how they were computed."""
    foregrounds, motion = inputs.generated, inputs.motion
    window, method = window_of(foregrounds), str(motion.attributes.get("retargeting", {}).get("method", "unknown"))
    images = _collected(images, motion.present, gallery)
    pairs, border = _pairs(images, inputs, window, method, params, flow)
    for _ in images:  # what no pair asked for still belongs to FID and to the count of what is missing
        pass
    errors = {name: [pair.get(name, np.nan) for pair in pairs] for name in ("result", "driver", "result_shared", "driver_shared")}
    agreement, left_out = consistency(errors["result"], errors["driver"], params.static_below)
    values = {
        "motion_consistency": agreement,
        "e_warp": finite_mean(errors["result"]),
        "flicker": flicker(errors["result"], border),
        "tcm": consistency(errors["result_shared"], errors["driver_shared"], params.static_below)[0],
        **gallery.scores("result", "true"),
    }
    settings = {
        "frames": int(motion.present.sum()),
        "pairs": len(pairs),
        "pairs_left_out": {"motion_consistency": left_out},
        "crop_hw": list(foregrounds.crop_hw),
        "window": window,
        **temporal_settings(params),
        "motion_consistency": "mean of exp(-|E / E(driver) - 1|), each video under its own flow and mask, the driver seen "
        f"through the {_mode(foregrounds)} crop about its track, margin {params.driver_margin:g}",
        "pose": "median distance in crop px between the motion's joints and those detected again in the result, over all "
        "joints seen in both, sides exchanged in frames where the limbs lie nearer so; detected: share of the motion's "
        "frames with a joint seen again",
        **gallery.settings("result", "true", "true frames of the target, which has other poses there"),
        "not_computed": _missing(params, method),
    }
    return listed(values, params), settings


def _true_gallery(crops: Crops | None, inception: Inception | None) -> Gallery:
    """All of the target's true crops with the subject."""
    gallery = Gallery(inception)
    if crops is not None and inception is not None:
        for t in np.flatnonzero(crops.present):
            gallery.add("true", crops.frames[int(t)][None])
    return gallery


def _collected(images: Iterable[np.ndarray | None], present: np.ndarray, gallery: Gallery) -> Iterator[np.ndarray | None]:
    """Pass images on, and add those with the subject to the gallery."""
    for t, image in enumerate(images):
        if image is not None and present[t]:
            gallery.add("result", image[None])
        yield image


def pose_scores(motion: Track, crop: np.ndarray, redetected: Track) -> dict[str, float]:
    """pose_error_px and pose_detected of a result: motion in full px, crop (t 2 3) full → crop, redetected in crop px.

    Joints are matched by name; only joints that were seen count, none that was interpolated. A detector that takes a
    front for a back calls left what is right: where the limbs lie nearer with all sides exchanged, they are compared so,
    and pose_sides_exchanged is the share of such frames. No error key when nothing was seen again.
    """
    shared = [joint for joint in motion.joints if joint in redetected.joints]
    a, b = ([track.skeleton.index(joint) for joint in shared] for track in (motion, redetected))
    wanted = np.stack([apply_affine(m, p) for m, p in zip(crop, motion.points[:, a], strict=True)])
    seen: np.ndarray = np.isin(redetected.origin, SEEN) & np.isfinite(redetected.points).all(axis=-1)
    opposites = redetected.skeleton.opposites()
    other = [opposites[joint] for joint in b]
    straight, exchanged = (_distances(wanted, redetected.points[:, i], seen[:, i]) for i in (b, other))
    turned = _mean(exchanged) < _mean(straight)
    error = np.where(turned[:, None], exchanged, straight)
    found = np.isfinite(error)
    scores = {}
    if found.any():
        scores["pose_error_px"] = float(np.median(error[found]))
        scores["pose_sides_exchanged"] = float(turned[found.any(axis=1)].mean())
    if motion.present.any():
        scores["pose_detected"] = float(np.any(seen[motion.present], axis=1).mean())
    return scores


def _distances(wanted: np.ndarray, points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Distances (t j) in px, NaN where a joint was not wanted or not seen."""
    return np.where(seen, np.linalg.norm(wanted - points.astype(np.float64), axis=-1), np.nan)


def _mean(error: np.ndarray) -> np.ndarray:
    """Mean over the finite joints (t j) of each frame, infinite where there is none."""
    count = np.isfinite(error).sum(axis=1)
    return np.where(count, np.nansum(error, axis=1) / np.maximum(count, 1), np.inf)


def _check(inputs: PairInputs) -> None:
    i = inputs
    require_same_length(i.driver_frames, i.driver, i.motion, i.generated, *(made for made in (i.fused, i.redetected) if made is not None))
    require_motion(str(i.generated.source), i.generated.attributes, i.motion)
    if i.fused is not None and i.redetected is not None:
        require_same_size(i.fused, i.redetected)


def _pairs(
    images: Iterable[np.ndarray | None], inputs: PairInputs, window: int, method: str, params: EvaluationParams, flow: Flow
) -> tuple[list[dict[str, float]], list[bool]]:
    """Warping errors per pair of frames with both people: result and driver under their own flows, both under the driver's."""
    foregrounds, driver, motion = inputs.generated, inputs.driver, inputs.motion
    both = motion.present & driver.present
    if not foregrounds.clock.has_time or not both.any() or not {"motion_consistency", "e_warp", "flicker", "tcm"} & set(params.metrics):
        return [], []
    own_px = max(foregrounds.crop_hw)
    seen_driver = training_crop(driver.points, driver.present, driver.size_hw, _mode(foregrounds), params.driver_margin, own_px)
    aligned = _shares_pixels(params, method, driver, foregrounds)
    borders = window_borders(motion.present, window)
    pairs, crossing = [], []
    # Frame by frame: what is seen now beside what was seen before.
    before: list[np.ndarray] = []
    driver_images = (image for _, block in inputs.driver_frames.blocks(BLOCK) for image in block)
    with Progress(len(foregrounds), "evaluate") as progress:
        for t, (image, full) in enumerate(zip(images, driver_images, strict=True)):
            seen = [sample_crop(full, seen_driver.rows[t], seen_driver.crop_hw)]
            if aligned:
                seen.append(sample_crop(full, foregrounds.crop[t], foregrounds.crop_hw))
            now = [] if image is None else [image, *seen]
            if before and now and both[t] and both[t - 1]:
                pairs.append(_errors(before, now, params, flow))
                crossing.append(bool(borders[t]))
            before = now
            progress.advance(1)
    return pairs, crossing


def _errors(
    before: list[np.ndarray], now: list[np.ndarray], params: EvaluationParams, flow: Flow
) -> dict[str, float]:
    """Warping errors of one pair; images: the result, the driver, and where pixels are shared the driver in the result's crop."""
    motions = [flow_and_mask(a, b, flow, params.mask) for a, b in zip(before, now, strict=True)]
    errors = {name: warping_error(before[i], now[i], *motions[i]) for i, name in enumerate(("result", "driver"))}
    if len(now) > 2:
        errors["result_shared"] = warping_error(before[0], now[0], *motions[2])
        errors["driver_shared"] = warping_error(before[2], now[2], *motions[2])
    return errors


def _mode(foregrounds: Foregrounds) -> Any:
    return "fixed" if (foregrounds.crop == foregrounds.crop[0]).all() else "follow"


def _shares_pixels(params: EvaluationParams, method: str, driver: Track, foregrounds: Foregrounds) -> bool:
    return "tcm" in params.metrics and method == "none" and driver.size_hw == foregrounds.size_hw


def _missing(params: EvaluationParams, method: str) -> dict[str, str]:
    missing = not_computed(params, IMITATION)
    if method != "none":
        missing["tcm"] = f"the motion was retargeted ({method}), so result and driver share no pixels: see motion_consistency"
    return missing
