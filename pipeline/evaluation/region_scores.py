"""Face, hands and feet on held-out frames at the source's resolution, stage by stage (Eq. 8).

Not in the paper, which scores whole images.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.residuals import Residuals
from pipeline.body.regions import RegionParams, cut_from_crop, cut_region, drop_unusable, fade, region_boxes
from pipeline.evaluation.fidelity import psnr
from pipeline.evaluation.perceptual import Distance
from pipeline.evaluation.settings import EvaluationParams, finite_mean
from pipeline.picture.geometry import box_to_crop, compose_affine, invert_affine, sample_crop
from pipeline.picture.mixing import composite
from pipeline.timeline.split import SplitParams, split_frames

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
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[int, float]]]:
    """Scores `<region>.<warped|enhanced|refined>.<psnr|st_lpips>` over held-out frames, how they were computed, and each by frame.

    By frame they are named `regions.<region>.<stage>.<metric>`; a frame without the region has none. A stage without
    residuals, a region without boxes and an unlisted metric have no key. InputError when the artifacts differ in length.
    """
    require_same_length(frames, track, generated, enhanced, refined)
    split, p = split_frames(track.present, split_params), region_params.region_px
    boxes = region_boxes(track.points, track.skeleton, region_params, split.border)
    boxes, _ = drop_unusable(boxes, track.size_hw, region_params.min_side_px)
    fixed = plate[0] if len(plate) == 1 else None
    scores, counts = {}, {}
    by_frame: dict[str, dict[int, float]] = {}
    for region, box in boxes.items():
        stages = _stages(region, enhanced, refined)
        columns: dict[str, dict[str, list[float]]] = {stage: {} for stage in stages}
        held_out = [int(t) for t in split.held_out if np.isfinite(box[t]).all()]
        for start in range(0, len(held_out), BLOCK):
            block = held_out[start : start + BLOCK]
            true = np.stack([cut_region(frames[t], box[t], p) for t in block])
            layers = [_layers(generated, plate[t] if fixed is None else fixed, box[t], t, p) for t in block]
            pred = {}
            for stage, residuals in stages.items():
                if residuals is not None and region not in residuals.regions:
                    columns[stage] = columns["warped"]  # this stage leaves the region as it was
                    continue
                patches = [_seen(residuals, region, box[t], t, p) for t in block]
                pred[stage] = np.stack([_polished(*layer, patch) for layer, patch in zip(layers, patches, strict=True)])
            _append(columns, true, pred, params, distances)
        counts[region] = len(held_out)
        values = {stage: _means(column) for stage, column in columns.items()}
        scores[region] = {stage: means for stage, means in values.items() if means}
        for stage, means in scores[region].items():
            by_frame |= {f"regions.{region}.{stage}.{m}": dict(zip(held_out, columns[stage][m], strict=True)) for m in means}
    return {region: stages for region, stages in scores.items() if stages}, _settings(counts, region_params), by_frame


def _stages(region: str, enhanced: Residuals, refined: Residuals) -> dict[str, Residuals | None]:
    stages: dict[str, Residuals | None] = {"warped": None}
    if enhanced.regions:
        stages["enhanced"] = enhanced
    if region in refined.regions:
        stages["refined"] = refined
    return stages


def _layers(
    generated: Foregrounds, plate: np.ndarray, box: np.ndarray, t: int, region_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Foreground (p p 3) float32, matte (p p) float32 in [0, 1], plate (p p 3) uint8, seen through a box (4) of frame t."""
    rgb = cut_from_crop(generated.rgb[t].astype(np.float32), generated.crop[t], box, region_px)
    matte = cut_from_crop(generated.matte[t].astype(np.float32), generated.crop[t], box, region_px, border="zero")
    return rgb, matte / 255, cut_region(plate, box, region_px)


def _polished(rgb: np.ndarray, matte: np.ndarray, plate: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Eq. 8 and 9 (p p 3) uint8; patch (p p 3), or (p p 4) with the matte's in 8-bit steps."""
    return composite(rgb + patch[..., :3], matte if patch.shape[2] == 3 else matte + patch[..., 3] / 255, plate)


def _seen(residuals: Residuals | None, region: str, box: np.ndarray, t: int, region_px: int) -> np.ndarray:
    """The feathered residual (p p 3 or 4) float32 of frame t seen through a box (4); zeros where there is none."""
    nothing = np.zeros((region_px, region_px, 3), np.float32)
    if residuals is None:
        return nothing
    own = residuals.boxes[region][t]
    if not np.isfinite(own).all():
        return nothing
    px = residuals.patch_px(region)
    residual = residuals.residual(region, t)
    faded = residual.astype(np.float32) * fade(residual)[..., None]
    if px == region_px and np.array_equal(own, box):
        return faded
    matrix = compose_affine(box_to_crop(box, (region_px, region_px)), invert_affine(box_to_crop(own, (px, px))))
    return sample_crop(faded, matrix, (region_px, region_px), "zero")


def _append(
    columns: dict[str, dict[str, list[float]]],
    true: np.ndarray,
    pred: dict[str, np.ndarray],
    params: EvaluationParams,
    distances: Mapping[str, Distance],
) -> None:
    """Add the scores of a block's patches (n p p 3), as each stage shows them, to the stages' columns."""
    if "psnr" in params.metrics:
        for stage, patches in pred.items():
            columns[stage].setdefault("psnr", []).extend(psnr(a, b) for a, b in zip(true, patches, strict=True))
    if "st_lpips" in distances:
        for stage, values in zip(pred, distances["st_lpips"](true, *pred.values()), strict=True):
            columns[stage].setdefault("st_lpips", []).extend(map(float, values))


def _means(column: dict[str, list[float]]) -> dict[str, float]:
    means = {name: finite_mean(values) for name, values in column.items()}
    return {name: value for name, value in means.items() if np.isfinite(value)}


def _settings(counts: dict[str, int], params: RegionParams) -> dict[str, Any]:
    return {
        "region_px": params.region_px,
        "frames": counts,
        "pixels": "uint8 patches cut from the full frame; foreground upsampled, residual feathered and added, Eq. 9 over the plate",
    }
