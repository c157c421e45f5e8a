"""Crop boxes: which square of the full frame the networks see, as one full → crop affine row per frame.

A crop row is a (2, 3) float64 matrix that scales and shifts, never rotates: `x_crop = s * x + shift`.
"""

from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from pipeline.errors import InputError
from pipeline.geometry import box_to_crop, crop_to_box

CropMode = Literal["fixed", "follow"]

FOLLOW_SIGMA_FRAMES = 8.0
FOLLOW_BODY_PERCENTILE = 95.0
# Keypoints end at wrists, toes and eyes; this share of the crop's side is kept free for what lies beyond them.
RIM_SHARE = 0.04
SHIFT_REACH_FRAMES = 12


def training_crop(
    points: np.ndarray, present: np.ndarray, mode: CropMode, margin: float, size_px: int, timed: bool = True
) -> np.ndarray:
    """Crop rows (t 2 3) float64, full → crop, of a track: points (t j 2) with NaN where a joint is missing.

    `fixed`: the square box of the whole track times `margin`, the same row for all t. `follow`: the smoothed centre at
    one constant scale (95th percentile of the body's larger side times `margin`); without time (timed false) neighbouring
    frames say nothing of each other, and each has its own centre. Absent frames take the nearest
    present row. Raises InputError when no frame holds the subject. Not in the paper: it resizes whole frames (§4.1.2).
    """
    seen = _seen(points, present)
    boxes = body_boxes(points)
    if mode == "fixed":
        low, high = boxes[seen, :2].min(axis=0), boxes[seen, 2:].max(axis=0)
        side = _side((high - low).max() * margin)
        centres = np.broadcast_to((low + high) / 2, (len(points), 2))
        return _rows(centres, size_px / side, size_px)
    body_px = np.percentile((boxes[seen, 2:] - boxes[seen, :2]).max(axis=1), FOLLOW_BODY_PERCENTILE)
    return _following(boxes, seen, size_px / _side(body_px * margin), size_px, FOLLOW_SIGMA_FRAMES if timed else 0.0)


def driven_crop(points: np.ndarray, present: np.ndarray, crop: np.ndarray, size_px: int, timed: bool = True) -> np.ndarray:
    """Crop rows (t' 2 3) for a motion seen through a target whose training crop is (t 2 3): same scale, least shift.

    Where the body box lies inside the training crop its row is returned bit for bit; where it does not, the row moves by
    the least translation that keeps the box inside, smoothed in time. Behind a `follow` crop the motion is followed.
    Without time (timed false) nothing is smoothed over neighbouring frames.
    """
    sigma = FOLLOW_SIGMA_FRAMES if timed else 0.0
    side = size_px / crop[0, 0, 0]
    try:
        seen = _seen(points, present)
    except InputError:
        return np.broadcast_to(crop[0], (len(points), 2, 3)).copy()
    boxes = body_boxes(points)
    moving = bool((crop != crop[0]).any())
    if moving and len(points) != len(crop):
        return _following(boxes, seen, crop[0, 0, 0], size_px, sigma)
    rows = crop.copy() if moving else np.broadcast_to(crop[0], (len(points), 2, 3)).copy()
    shift = _least_shift(boxes[seen], _centres(rows[seen], size_px), side, smooth=timed)
    if (shift == 0).all():
        return rows
    if moving:
        return _following(boxes, seen, crop[0, 0, 0], size_px, sigma)
    nearest = _nearest_seen(seen)
    shifted = shift[nearest]
    rows[:, :, 2] -= shifted * rows[:, 0, 0][:, None]
    return rows


def body_boxes(points: np.ndarray) -> np.ndarray:
    """Half-open boxes xyxy (t 4) float64 of the finite joints of points (t j 2); NaN rows where no joint is finite.

    A joint is the centre of a pixel one wide, hence box = (min, max + 1) and never empty.
    """
    boxes = np.full((len(points), 4), np.nan)
    usable = np.isfinite(points[..., 0])
    some = usable.any(axis=1)
    values = points[some].astype(np.float64)
    hidden = ~usable[some][..., None]
    boxes[some, :2] = np.where(hidden, np.inf, values).min(axis=1)
    boxes[some, 2:] = np.where(hidden, -np.inf, values).max(axis=1) + 1
    return boxes


def _following(boxes: np.ndarray, seen: np.ndarray, scale: float, size_px: int, sigma: float) -> np.ndarray:
    frames = np.flatnonzero(seen)
    centres = (boxes[seen, :2] + boxes[seen, 2:]) / 2
    every = np.arange(len(boxes))
    path = np.stack([np.interp(every, frames, centres[:, axis]) for axis in (0, 1)], axis=1)
    smooth = (gaussian_filter1d(path, sigma, axis=0, mode="nearest") if sigma else path)[seen]
    smooth = smooth + _least_shift(boxes[seen], smooth, size_px / scale, smooth=False)
    return _rows(smooth[_nearest_seen(seen)], scale, size_px)


def _least_shift(boxes: np.ndarray, centres: np.ndarray, side: float, smooth: bool) -> np.ndarray:
    """Shift (n 2) in full px that brings each box inside the square at its centre; a box too large holds the square."""
    half = side / 2 - RIM_SHARE * side
    ends = np.stack([boxes[:, 2:] - (centres + half), boxes[:, :2] - (centres - half)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    # A box that touches the rim within a thousandth of a pixel is inside: rows are rebuilt from rounded numbers.
    need = np.clip(0.0, low, high)
    need[np.abs(need) < 1e-3] = 0.0
    if not smooth or not need.any():
        return need
    eased = _envelope(np.maximum(need, 0)) - _envelope(np.maximum(-need, 0))
    return np.clip(eased, low, high)


def _envelope(need: np.ndarray) -> np.ndarray:
    """A smooth curve nowhere below `need` (n 2) >= 0: the maximum over a window, then a mean over the same window."""
    window = 2 * SHIFT_REACH_FRAMES + 1
    top = maximum_filter1d(need, window, axis=0, mode="nearest")
    kernel = np.hanning(window + 2)[1:-1]
    padded = np.pad(top, ((SHIFT_REACH_FRAMES, SHIFT_REACH_FRAMES), (0, 0)), mode="edge")
    eased = np.stack([np.convolve(padded[:, axis], kernel / kernel.sum(), "valid") for axis in (0, 1)], axis=1)
    return np.where(top > 0, np.maximum(eased, need), eased)


def _rows(centres: np.ndarray, scale: float, size_px: int) -> np.ndarray:
    """Rows (t 2 3) of one scale, bit for bit, that show the square around each of centres (t 2), in pixel edges."""
    side = size_px / scale
    boxes = np.concatenate([centres - side / 2, centres + side / 2], axis=1)
    rows = np.stack([box_to_crop(box, size_px) for box in boxes])
    rows[:, 0, 0] = rows[:, 1, 1] = scale
    return rows


def _centres(rows: np.ndarray, size_px: int) -> np.ndarray:
    boxes = np.stack([crop_to_box(row, size_px) for row in rows])
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _side(side: float) -> float:
    return max(float(side), 2.0)


def _seen(points: np.ndarray, present: np.ndarray) -> np.ndarray:
    seen = np.asarray(present, bool) & np.isfinite(points[..., 0]).any(axis=1)
    if not seen.any():
        raise InputError(f"a crop needs at least one frame with the subject, found none in {len(points)} frames")
    return seen


def _nearest_seen(seen: np.ndarray) -> np.ndarray:
    """For every frame the rank, among the seen frames, of the nearest one (the earlier when two are as near)."""
    frames, time = np.flatnonzero(seen), np.arange(len(seen))
    after = np.searchsorted(frames, time).clip(0, len(frames) - 1)
    before = (after - 1).clip(0)
    return np.where(np.abs(time - frames[before]) <= np.abs(frames[after] - time), before, after)
