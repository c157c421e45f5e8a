"""Self reconstruction on held-out frames, beside three baselines on the same pixels (§4.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.errors import InputError
from pipeline.evaluation.baselines import NEAREST_POSE, WARPED, nearest_pose, warped
from pipeline.evaluation.external import External
from pipeline.evaluation.fidelity import person_pixels, psnr, ssim
from pipeline.evaluation.inception import Gallery, Inception
from pipeline.evaluation.perceptual import Distance
from pipeline.evaluation.settings import (
    RECONSTRUCTION,
    EvaluationParams,
    external_faces,
    fidelity_settings,
    finite_mean,
    listed,
    not_computed,
    temporal_settings,
    window_of,
)
from pipeline.evaluation.temporal import Flow, consistency, flicker, flow_and_mask, warping_error, window_borders
from pipeline.picture.geometry import apply_affine
from pipeline.picture.mixing import composite
from pipeline.progress import Progress
from pipeline.timeline.split import Split, SplitParams, split_frames

METHODS = ("reconstruction", "warped_pose", "nearest_pose", "plate")
Predict = Callable[[list[int]], dict[str, np.ndarray]]  # frames, in growing order → what each method shows (n h w 3) uint8
BLOCK = 8
SAME_CROP_PX = 0.5
SINGLE = ("psnr", "psnr_person", "ssim")
PIXELS = "full frames composited by Eq. 9, before video coding, seen in uint8 through the crop of the true frames"


@dataclass
class Measured:
    """What a pass over the held-out frames found.

    rows: one per frame, `frame` and `<method>_<metric>`; pairs: one per pair of consecutive frames, the warping error
    of each method and of the reference; border: which pairs cross the border of a window; gallery: the frames of each
    method and of the reference, as FID and IS see them.
    """

    gallery: Gallery

    rows: list[dict[str, float]] = field(default_factory=list)
    pairs: list[dict[str, float]] = field(default_factory=list)
    border: list[bool] = field(default_factory=list)


def evaluate_reconstruction(
    fused: Frames,
    generated: Foregrounds,
    crops: Crops,
    track: Track,
    params: EvaluationParams,
    split_params: SplitParams,
    distances: Mapping[str, Distance],
    flow: Flow,
    inception: Inception | None = None,
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Score the self pair's fused crops on the held-out frames: nested scores, and a row of scores per frame.

    A metric that is unlisted, or that no frame allows, has no key; `settings` says how the others were computed.
    InputError when the artifacts differ in length, size or crop.
    """
    _check(fused, generated, crops, track)
    window = window_of(generated)
    split = split_frames(track.present, split_params)
    measured = Measured(Gallery(inception))
    _measure(measured, partial(_predictions, fused, _Copies(crops, track, split)), crops, track, split, window, params, distances, flow)
    scores: dict[str, Any] = {method: _summary(measured, method, params) for method in METHODS}
    scores["reference"] = _reference_summary(measured, params)
    scores = {name: values for name, values in scores.items() if values}
    settings = _settings(measured, crops, split, window, params, split_params)
    if len(split.held_out):
        settings |= {"pixels": PIXELS, "nearest_pose": NEAREST_POSE, "warped_pose": WARPED}
    return {**scores, "settings": settings}, measured.rows


def evaluate_external_reconstruction(
    external: External,
    generated: Foregrounds,
    crops: Crops,
    track: Track,
    params: EvaluationParams,
    split_params: SplitParams,
    distances: Mapping[str, Distance],
    flow: Flow,
    inception: Inception | None = None,
) -> dict[str, Any]:
    """Score another system's video of the self pair on the same held-out frames: nested scores with `external.<name>`.

    InputError when a held-out frame has no counterpart in the video.
    """
    window, split = window_of(generated), split_frames(track.present, split_params)
    images = external.required([int(t) for t in split.held_out])

    def predict(frames: list[int]) -> dict[str, np.ndarray]:
        return {external.name: np.stack([next(images) for _ in frames])}

    measured = Measured(Gallery(inception))
    _measure(measured, predict, crops, track, split, window, params, distances, flow)
    values = _summary(measured, external.name, params)
    settings = _settings(measured, crops, split, window, params, split_params)
    settings["not_computed"] |= external_faces(params, RECONSTRUCTION)
    return {**({"external": {external.name: values}} if values else {}), "settings": {**settings, "external": external.settings()}}


def _check(fused: Frames, generated: Foregrounds, crops: Crops, track: Track) -> None:
    require_same_length(track, crops, generated, fused)
    if fused.size_hw != crops.crop_hw:
        raise InputError(f"Fused crops must be {crops.crop_hw} (h, w) like the crops, found {fused.size_hw}. Run: dvc repro fuse")
    corners = np.array([[0.0, 0.0], crops.size_hw[::-1]])
    seen, made = (np.stack([apply_affine(m, corners) for m in rows]) for rows in (crops.crop, generated.crop))
    shift = float(np.abs(seen - made)[track.present].max(initial=0))
    if shift > SAME_CROP_PX:
        raise InputError(
            f"The self pair must be seen through the target's own crop, found it shifted by {shift:.2f} px: widen crop.margin"
        )


def _measure(
    measured: Measured,
    predict: Predict,
    crops: Crops,
    track: Track,
    split: Split,
    window: int,
    params: EvaluationParams,
    distances: Mapping[str, Distance],
    flow: Flow,
) -> None:
    borders = window_borders(track.present, window)
    paired = crops.clock.has_time and any(name in params.metrics for name in ("tcm", "e_warp", "flicker"))
    before: tuple[int, np.ndarray, dict[str, np.ndarray]] | None = None
    with Progress(len(split.held_out), "evaluate") as progress:
        for start in range(0, len(split.held_out), BLOCK):
            frames = [int(t) for t in split.held_out[start : start + BLOCK]]
            true = np.stack([crops.frames[t] for t in frames])
            pred = predict(frames)
            person = [person_pixels(crops.mattes[t], params.dilate_px) for t in frames]
            measured.rows += _frame_rows(frames, true, pred, person, params, distances)
            for name, images in {"reference": true, **pred}.items():
                measured.gallery.add(name, images)
            for i, t in enumerate(frames):
                now = {method: images[i] for method, images in pred.items()}
                if before is not None and before[0] == t - 1 and paired:
                    measured.pairs.append(_pair(before[1], true[i], before[2], now, params, flow))
                    measured.border.append(bool(borders[t]))
                before = (t, true[i], now)
            progress.advance(len(frames))


class _Copies:
    """Training frames of nearest pose at crop size, as they are and warped; the bare plate where none can be compared."""

    def __init__(self, crops: Crops, track: Track, split: Split) -> None:
        self.crops, self.skeleton, self.training = crops, track.skeleton, split.training
        self.points = np.stack([apply_affine(m, p) for m, p in zip(crops.crop, track.points, strict=True)])

    def nearest(self, t: int) -> np.ndarray:
        n = self._nearest(t, None)
        plate = self.crops.plate_at(t)
        return plate if n is None else composite(self.crops.frames[n], self.crops.mattes[n], plate)

    def warped(self, t: int) -> np.ndarray:
        n = self._nearest(t, self.skeleton.index(self.skeleton.root))
        plate = self.crops.plate_at(t)
        if n is None:
            return plate
        box = (0, 0, plate.shape[1], plate.shape[0])
        return composite(*warped(self.crops.frames[n], self.crops.mattes[n], self.points[t], self.points[n], self.skeleton, box), plate)

    def _nearest(self, t: int, root: int | None) -> int | None:
        """The training frame whose pose is nearest to that of frame t, its root moved onto the other's if one is named."""
        found = nearest_pose(self.points[t], self.points[self.training], root, self.skeleton.hands())
        return None if found < 0 else int(self.training[found])


def _predictions(fused: Frames, copies: _Copies, frames: list[int]) -> dict[str, np.ndarray]:
    """What each method shows, (n h w 3) uint8."""
    return {
        "reconstruction": np.stack([fused[t] for t in frames]),
        "warped_pose": np.stack([copies.warped(t) for t in frames]),
        "nearest_pose": np.stack([copies.nearest(t) for t in frames]),
        "plate": np.stack([copies.crops.plate_at(t) for t in frames]),
    }


def _frame_rows(
    frames: list[int],
    true: np.ndarray,
    pred: dict[str, np.ndarray],
    person: list[np.ndarray],
    params: EvaluationParams,
    distances: Mapping[str, Distance],
) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = [{"frame": t} for t in frames]
    single: dict[str, Callable[[int, np.ndarray], float]] = {
        "psnr": lambda i, image: psnr(true[i], image),
        "psnr_person": lambda i, image: psnr(true[i], image, person[i]),
        "ssim": lambda i, image: ssim(true[i], image),
    }
    for method, images in pred.items():
        for name in SINGLE:
            if name in params.metrics:
                for i, row in enumerate(rows):
                    row[f"{method}_{name}"] = single[name](i, images[i])
    for name, distance in distances.items():
        for method, values in zip(pred, distance(true, *pred.values()), strict=True):
            for row, value in zip(rows, values, strict=True):
                row[f"{method}_{name}"] = float(value)
    return rows


def _pair(
    first: np.ndarray,
    second: np.ndarray,
    before: dict[str, np.ndarray],
    now: dict[str, np.ndarray],
    params: EvaluationParams,
    flow: Flow,
) -> dict[str, float]:
    """Warping errors of one pair, all under the flow and mask of the true frames."""
    motion, visible = flow_and_mask(first, second, flow, params.mask)
    errors = {method: warping_error(before[method], now[method], motion, visible) for method in now}
    return {"reference": warping_error(first, second, motion, visible), **errors}


def _summary(measured: Measured, method: str, params: EvaluationParams) -> dict[str, float]:
    columns = {name: [row.get(f"{method}_{name}", np.nan) for row in measured.rows] for name in params.metrics}
    errors = [pair[method] for pair in measured.pairs]
    reference = [pair["reference"] for pair in measured.pairs]
    values = {name: finite_mean(column) for name, column in columns.items()}
    values["e_warp"] = finite_mean(errors)
    values["flicker"] = flicker(errors, measured.border)
    values["tcm"] = consistency(errors, reference, params.static_below)[0]
    return listed(values | measured.gallery.scores(method, "reference"), params)


def _reference_summary(measured: Measured, params: EvaluationParams) -> dict[str, float]:
    errors = [pair["reference"] for pair in measured.pairs]
    values = {"e_warp": finite_mean(errors), "flicker": flicker(errors, measured.border)}
    return listed(values | {"is": measured.gallery.scores("reference", "reference").get("is", np.nan)}, params)


def _settings(
    measured: Measured, crops: Crops, split: Split, window: int, params: EvaluationParams, split_params: SplitParams
) -> dict[str, Any]:
    missing = not_computed(params, RECONSTRUCTION)
    if not len(split.held_out):
        why = "no frame is held out: set split.hold_out_fraction above 0"
        return {"frames": 0, "not_computed": {"reconstruction": why, **missing}}
    reference = [pair["reference"] for pair in measured.pairs]
    left_out = {"tcm": consistency(reference, reference, params.static_below)[1]}
    left_out["e_warp"] = sum(not np.isfinite(e) for e in reference)
    return {
        "frames": len(split.held_out),
        "frames_held_out": f"the last {split_params.hold_out_fraction:g} in time of the frames with the subject",
        "first_frame": int(split.held_out[0]),
        "last_frame": int(split.held_out[-1]),
        "crop_hw": list(crops.crop_hw),
        "pairs": len(measured.pairs),
        "pairs_left_out": left_out,
        "window": window,
        **fidelity_settings(params),
        **temporal_settings(params),
        "tcm": "mean of exp(-|E / E(reference) - 1|), all under the flow of the true frames",
        **measured.gallery.settings("reference", "reference", "true held-out frames"),
        "not_computed": missing,
    }
