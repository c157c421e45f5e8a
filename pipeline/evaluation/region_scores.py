"""Face, hands and feet on held-out frames at the source's resolution, stage by stage (Eq. 8).

Not in the paper, which scores whole images.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.residuals import Residuals
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import psnr
from pipeline.evaluation.perceptual import Distance
from pipeline.evaluation.settings import EvaluationParams, finite_mean
from pipeline.geometry import box_to_crop, compose_affine, invert_affine
from pipeline.regions import RegionParams, cut_from_crop, cut_region, drop_unusable, feather, region_boxes
from pipeline.split import SplitParams, split_frames

BLOCK = 8


def score_regions(
    frames: Frames,
    plate: Frames,
    generated: Foregrounds,
    enhanced: Residuals,
    refined: Residuals,
    track: Track,
    params: EvaluationParams,
    split_params: SplitParams,
    region_params: RegionParams,
    distances: Mapping[str, Distance],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores `<region>.<generated|enhanced|refined>.<psnr|st_lpips>` over held-out frames, and how they were computed.

    A stage without residuals, a region without boxes and an unlisted metric have no key. InputError when the artifacts
    differ in length.
    """
    if not len(frames) == len(generated) == len(enhanced) == len(refined) == len(track.points):
        found = f"{len(frames)} frames, {len(generated)} foregrounds, {len(enhanced)} and {len(refined)} residuals"
        raise InputError(f"The artifacts of one target must have as many frames, found {found}. Run: dvc repro")
    split = split_frames(track.present, split_params)
    boxes = _boxes(track, enhanced, refined, split.border, region_params)
    scores, counts = {}, {}
    for region, box in boxes.items():
        held_out = [int(t) for t in split.held_out if np.isfinite(box[t]).all()]
        stages = _stages(region, enhanced, refined)
        columns: dict[str, dict[str, list[float]]] = {stage: {} for stage in stages}
        for start in range(0, len(held_out), BLOCK):
            block = held_out[start : start + BLOCK]
            true = np.stack([cut_region(frames[t], box[t], region_params.region_px) for t in block])
            for stage, residuals in stages.items():
                pred = np.stack([_patch(generated, plate, residuals, region, box[t], t, region_params.region_px) for t in block])
                _append(columns[stage], true, pred, params, distances)
        values = {stage: _means(column) for stage, column in columns.items()}
        counts[region] = len(held_out)
        if held_out:
            scores[region] = {stage: means for stage, means in values.items() if means}
    return scores, _settings(counts, region_params)


def _boxes(
    track: Track, enhanced: Residuals, refined: Residuals, border: int, params: RegionParams
) -> dict[str, np.ndarray]:
    """Boxes (t 4) per region: those the residuals were made in, else those they would have been made in."""
    fresh = region_boxes(track.points, track.skeleton, params, border)
    fresh, _ = drop_unusable(fresh, track.size_hw, params.min_side_px)
    return {name: refined.boxes.get(name, enhanced.boxes.get(name, box)) for name, box in fresh.items()}


def _stages(region: str, enhanced: Residuals, refined: Residuals) -> dict[str, Residuals | None]:
    stages: dict[str, Residuals | None] = {"generated": None}
    if enhanced.regions:
        stages["enhanced"] = enhanced
    if region in refined.regions:
        stages["refined"] = refined
    return stages


def _patch(
    generated: Foregrounds, plate: Frames, residuals: Residuals | None, region: str, box: np.ndarray, t: int, region_px: int
) -> np.ndarray:
    """What the result shows in a box (4) of frame t: foreground, upsampled and polished, by its matte over the plate (Eq. 9)."""
    rgb = cut_from_crop(generated.rgb[t].astype(np.float32), generated.crop[t], box, region_px)
    matte = cut_from_crop(generated.matte[t].astype(np.float32), generated.crop[t], box, region_px, border="zero")
    m = np.clip(matte, 0, 255)[..., None] / 255
    if residuals is not None and region in residuals.regions:
        rgb = rgb + _seen(residuals, region, box, t, region_px)
    behind = cut_region(plate[t if len(plate) > 1 else 0], box, region_px).astype(np.float32)
    return np.rint(m * np.clip(rgb, 0, 255) + (1 - m) * behind).astype(np.uint8)


def _seen(residuals: Residuals, region: str, box: np.ndarray, t: int, region_px: int) -> np.ndarray:
    """The feathered residual (p p 3) float32 of frame t seen through a box (4); zeros where it was skipped."""
    own = residuals.boxes[region][t]
    if not np.isfinite(own).all():
        return np.zeros((region_px, region_px, 3), np.float32)
    faded = residuals.residual(region, t).astype(np.float32) * feather(residuals.region_px)[..., None]
    if residuals.region_px == region_px and np.array_equal(own, box):
        return faded
    matrix = compose_affine(box_to_crop(box, region_px), invert_affine(box_to_crop(own, residuals.region_px)))
    return cv2.warpAffine(faded, matrix, (region_px, region_px), flags=cv2.INTER_LINEAR)


def _append(
    column: dict[str, list[float]], true: np.ndarray, pred: np.ndarray, params: EvaluationParams, distances: Mapping[str, Distance]
) -> None:
    if "psnr" in params.metrics:
        column.setdefault("psnr", []).extend(psnr(a, b) for a, b in zip(true, pred, strict=True))
    if "st_lpips" in distances:
        column.setdefault("st_lpips", []).extend(float(value) for value in distances["st_lpips"](true, pred))


def _means(column: dict[str, list[float]]) -> dict[str, float]:
    means = {name: finite_mean(values) for name, values in column.items()}
    return {name: value for name, value in means.items() if np.isfinite(value)}


def _settings(counts: dict[str, int], params: RegionParams) -> dict[str, Any]:
    return {
        "region_px": params.region_px,
        "frames": counts,
        "pixels": "uint8 patches cut from the full frame; foreground upsampled, residual feathered and added, Eq. 9 over the plate",
    }
