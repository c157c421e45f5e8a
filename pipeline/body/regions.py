"""Regions: square boxes about face, hands and feet in full pixels, and the patches seen through them.

Everything local happens at the source's resolution: a patch is cut from the full frame, or from a crop through the
composed map, so that nothing is resampled twice. Not in the paper: it clips the five parts from the generated image (§3.2).
"""

import warnings

import cv2
import numpy as np
from pydantic import Field

from pipeline.body.skeleton import Region, Skeleton
from pipeline.params import Section
from pipeline.picture.geometry import box_to_crop, compose_affine, invert_affine, sample_crop

REACH = {"hand": 0.37, "foot": 0.16}  # centre beyond wrist or ankle, in forearms or shins: half a hand, an ankle's height
TIGHTEST = 0.55  # a box drawn tight about hand or foot points keeps this share of the side guessed from the limb
TIGHT_MARGIN = {"hand": 1.35, "foot": 1.35}
UPPER = 0.9  # a length is the 90th percentile over time, since foreshortening only shortens
FEATHER = 0.2  # share of the patch's side over which a residual fades out


class RegionParams(Section):
    """Section `regions` of params.yaml: sides in units of the body, see its comments."""

    region_px: int = Field(ge=16, le=512, multiple_of=8)
    face_side: float = Field(gt=0, le=5)
    hand_side: float = Field(gt=0, le=5)
    foot_side: float = Field(gt=0, le=5)
    smooth_frames: int = Field(ge=1, le=999)
    min_side_px: float = Field(ge=1, le=512)


def region_boxes(
    points: np.ndarray, skeleton: Skeleton, params: RegionParams, border: int | None = None
) -> dict[str, np.ndarray]:
    """Square half-open boxes xyxy (t 4) float64 per region of the skeleton, NaN where it cannot be computed.

    points (t j 2) full px, NaN where missing. A side is one length of the clip (a part of the body, see params.yaml)
    times the body's scale, which moves slowly; the centre follows the joints. COCO-18 is enough; hand and foot points
    move the centre and tighten the side. `border` is the first held-out frame: no frame before it depends on one from it.
    """
    points = np.asarray(points, np.float64)
    border = len(points) if border is None else int(min(border, len(points)))
    scale = body_scale(points, skeleton, params.smooth_frames, border)
    sides = {region.name: _clip_side(points[:border], scale[:border], skeleton, region, params) for region in skeleton.regions}
    boxes = {}
    for region in skeleton.regions:
        alike = [sides[other.name] for other in skeleton.regions if other.kind == region.kind]
        side = scale * _largest(np.array(alike))  # left and right are the same size; the better seen one decides
        centre = _centres(points, skeleton, region)
        boxes[region.name] = np.concatenate([centre + 0.5 - side[:, None] / 2, centre + 0.5 + side[:, None] / 2], axis=1)
    return boxes


def drop_unusable(
    boxes: dict[str, np.ndarray], size_hw: tuple[int, int], min_side_px: float
) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Boxes with NaN where a region is too small or outside the frame, and per region why and in how many frames."""
    kept, reasons = {}, {}
    for name, box in boxes.items():
        seen = np.isfinite(box).all(axis=1)
        small = seen & (box[:, 2] - box[:, 0] < min_side_px)
        outside = seen & ((box[:, 0] >= size_hw[1]) | (box[:, 1] >= size_hw[0]) | (box[:, 2] <= 0) | (box[:, 3] <= 0))
        kept[name] = np.where((seen & ~small & ~outside)[:, None], box, np.nan)
        counts = {
            "its joints are missing": ~seen,
            f"its side is under {min_side_px:g} px": small,
            "it lies outside the frame": outside & ~small,
        }
        reasons[name] = [f"{int(rows.sum())} of {len(box)} frames: {why}" for why, rows in counts.items() if rows.any()]
    return kept, reasons


def body_scale(points: np.ndarray, skeleton: Skeleton, smooth_frames: int, border: int | None = None) -> np.ndarray:
    """Scale of the body (t) relative to its largest in the clip, smoothed over `smooth_frames`; NaN when absent throughout.

    Taken from the long limbs, whose upper 80 % quantile of length over own 90th percentile shrugs off foreshortening.
    """
    points = np.asarray(points, np.float64)
    border = len(points) if border is None else int(min(border, len(points)))
    limbs = np.array(skeleton.limb_indices(drawn_only=True)).reshape(-1, 2)
    lengths = np.linalg.norm(points[:, limbs[:, 1]] - points[:, limbs[:, 0]], axis=2)
    reference = _quantile(lengths[:border], UPPER, axis=0)
    with np.errstate(invalid="ignore"):
        long = (reference >= 0.3 * np.nanmax(reference)) if np.isfinite(reference).any() else np.zeros(len(limbs), bool)
    if not long.any():
        return np.full(len(points), np.nan)
    ratio = _quantile(lengths[:, long] / reference[long], 0.8, axis=1)
    return np.concatenate([_smooth(part, smooth_frames) for part in (ratio[:border], ratio[border:])])


def cut_region(image: np.ndarray, box: np.ndarray, region_px: int, border: str = "replicate") -> np.ndarray:
    """Patch (p p[ c]) of a full frame or matte (h w[ c]) uint8 seen through a square box (4)."""
    patch_hw = region_px, region_px
    return sample_crop(image, box_to_crop(box, patch_hw), patch_hw, border)


def cut_from_crop(
    crop_image: np.ndarray, crop_matrix: np.ndarray, box: np.ndarray, region_px: int, border: str = "replicate"
) -> np.ndarray:
    """Patch (p p[ c]) uint8 of a crop (h w[ c]) of any size seen through a box (4) in full px; crop_matrix (2, 3) is full → crop.

    One resampling: cubic where the patch is finer than the crop (as in fusion), area-averaged where it is coarser.
    """
    patch_hw = region_px, region_px
    matrix = compose_affine(box_to_crop(box, patch_hw), invert_affine(crop_matrix))
    if matrix[0, 0] <= 1:
        return sample_crop(crop_image, matrix, patch_hw, border)
    mode = cv2.BORDER_REPLICATE if border == "replicate" else cv2.BORDER_CONSTANT
    return cv2.warpAffine(crop_image, matrix, patch_hw, flags=cv2.INTER_CUBIC, borderMode=mode)


def feather(region_px: int) -> np.ndarray:
    """Weight (p p) float32 of a residual: 1 inside, falling smoothly to 0 at the patch's border pixels."""
    edge = np.minimum(np.arange(region_px), np.arange(region_px)[::-1]) / max(1.0, FEATHER * region_px)
    ramp = np.clip(edge, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp[:, None] * ramp[None, :]).astype(np.float32)


def fade(residual: np.ndarray) -> np.ndarray:
    """Weight (p p) float32 of a residual's patch: its feather; 1 throughout for (p p 4), which was placed and fades by itself."""
    return feather(len(residual)) if residual.shape[2] == 3 else np.ones(residual.shape[:2], np.float32)


def _clip_side(points: np.ndarray, scale: np.ndarray, skeleton: Skeleton, region: Region, params: RegionParams) -> float:
    """The region's side at scale 1, NaN when the joints it is measured by are never seen."""
    if region.limb is None:
        head = points[:, [skeleton.index(j) for j in region.joints]]
        gaps = np.linalg.norm(head[:, :, None] - head[:, None], axis=-1).reshape(len(head), -1)
        gaps = np.where(np.isfinite(gaps).any(axis=1), _largest(gaps, axis=1), np.nan)
        return float(_quantile(np.where(gaps > 0, gaps, np.nan) / scale, UPPER)) * params.face_side
    base, tip = (skeleton.index(j) for j in region.limb)
    limb = _quantile(np.linalg.norm(points[:, tip] - points[:, base], axis=1) / scale, UPPER)
    side = float(limb) * (params.hand_side if region.kind == "hand" else params.foot_side)
    ends = _end_points(points, skeleton, region)
    reach = np.abs(np.concatenate([ends, points[:, [tip]]], axis=1) - _centres(points, skeleton, region)[:, None])
    tight = np.where(_enough(ends), _largest(reach.reshape(len(reach), -1), axis=1), np.nan)
    tight_side = 2 * TIGHT_MARGIN[region.kind] * float(_quantile(tight / scale, UPPER))
    return side if not np.isfinite(tight_side) else float(np.clip(tight_side, TIGHTEST * side, side))


def _centres(points: np.ndarray, skeleton: Skeleton, region: Region) -> np.ndarray:
    """Centre (t 2) of a region: the mean of the head's joints; or beyond the limb's tip, or amid the hand or foot points."""
    if region.limb is None:
        head = points[:, [skeleton.index(j) for j in region.joints]]
        usable = np.isfinite(head).all(axis=2, keepdims=True)
        count = usable.sum(axis=1)
        return np.where(count >= 2, np.where(usable, head, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
    base, tip = (points[:, skeleton.index(j)] for j in region.limb)
    beyond = tip + REACH[region.kind] * (tip - base)
    ends = _end_points(points, skeleton, region)
    if region.kind == "foot":
        ends = np.concatenate([ends, tip[:, None]], axis=1)
    amid = (_largest(ends, axis=1) - _largest(-ends, axis=1)) / 2
    return np.where(_enough(_end_points(points, skeleton, region))[:, None], amid, beyond)


def _end_points(points: np.ndarray, skeleton: Skeleton, region: Region) -> np.ndarray:
    assert region.limb is not None
    return points[:, [skeleton.index(j) for j in region.joints if j != region.limb[1]]]


def _enough(ends: np.ndarray) -> np.ndarray:
    return np.isfinite(ends).all(axis=2).sum(axis=1) >= 2


def _smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving mean over what is finite; a gap takes the nearest value."""
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return values
    filled = np.interp(np.arange(len(values)), finite, values[finite])
    total, count = (np.convolve(part, np.ones(window))[window // 2 :][: len(values)] for part in (filled, np.ones(len(values))))
    return total / count


def _quantile(values: np.ndarray, q: float, axis: int | None = None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all missing gives NaN, which is the answer
        return np.asarray(np.nanquantile(values, q, axis=axis)) if values.size else np.asarray(np.nan)


def _largest(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmax(values, axis=axis) if values.size else np.full(np.delete(values.shape, axis or 0), np.nan)
