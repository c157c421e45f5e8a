"""Crop boxes: which box of the full frame the networks see, as one full → crop affine row per frame.

A crop row is a (2, 3) float64 matrix that scales and shifts, never rotates: `x_crop = s * x + shift`. All rows of a track
have one scale, and the crop has the track's shape. Not in the paper: it resizes whole frames (§4.1.2).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.picture.geometry import box_to_crop, crop_to_box

CropMode = Literal["auto", "fixed", "follow"]

STEP_PX = 32  # of a crop's sides at working size, and the least of them: networks halve them, feature networks need as many
# A body that fills less of the track's longer side than this is followed.
LEAST_FILLED = 0.5
FOLLOW_SIGMA_FRAMES = 8.0
FOLLOW_BODY_PERCENTILE = 95.0
# Keypoints end at wrists, toes and eyes; this share of the crop's longer side is kept free for what lies beyond them.
RIM_SHARE = 0.04
SHIFT_REACH_FRAMES = 12
SHORTEST_PX = 2.0  # a track's longer side, full px
LEAST_CUT_PX = 0.5  # working px of a body beyond its crop that nobody misses


@dataclass(frozen=True)
class Framing:
    """Crop rows (t 2 3) float64, full → crop of crop_hw; which mode made them; the median body's longer side in crop px."""

    rows: np.ndarray
    crop_hw: tuple[int, int]
    mode: Literal["fixed", "follow"]
    body_px: float


def training_crop(
    points: np.ndarray,
    present: np.ndarray,
    size_hw: tuple[int, int],
    mode: CropMode,
    margin: float,
    size_px: int,
    timed: bool = True,
    whole_px: float = 0.0,
) -> Framing:
    """How a track is seen: points (t j 2) in full px of frames of size_hw, NaN where a joint is missing.

    `fixed`: the box of the whole track, the same row for all t. `follow`: the smoothed centre of a box that holds the body (95th
    percentile of its height and width); without time (timed false) neighbouring frames say nothing of each other, and each
    has its own centre. `auto`: fixed where the median body's longer side is at least half of the track's, else follow. The
    crop has the shape that crop_shape() makes of that box, and lies inside the frame as _inside() says. What of a body lies
    outside the frame does not count; whole_px is how large the body would be with it, since the margin, for hair and
    hands, is a share of a whole body. Absent frames take the nearest present row. InputError when no frame holds the subject.
    """
    boxes = body_boxes(points, size_hw)
    seen = _seen(boxes, present)
    # How large the body is, and how far it gets about.
    low, high = boxes[seen, :2].min(axis=0), boxes[seen, 2:].max(axis=0)
    bodies_wh = boxes[seen, 2:] - boxes[seen, :2]
    body = float(np.median(bodies_wh.max(axis=1)))
    if mode == "auto":
        mode = "fixed" if body >= LEAST_FILLED * (high - low).max() else "follow"
    extent_wh = high - low if mode == "fixed" else np.percentile(bodies_wh, FOLLOW_BODY_PERCENTILE, axis=0)
    # The crop's shape, then its place: once, or frame by frame.
    crop_hw, scale = crop_shape(extent_wh, margin, size_px, size_hw, whole_px)
    if mode == "fixed":
        centre = _inside(((low + high) / 2)[None], scale, crop_hw, size_hw)
        rows = _rows(np.broadcast_to(centre, (len(points), 2)), scale, crop_hw)
    else:
        rows = _following(boxes, seen, scale, crop_hw, size_hw, FOLLOW_SIGMA_FRAMES if timed else 0.0)
    return Framing(rows, crop_hw, mode, body * scale)


def matching_crop(
    points: np.ndarray, present: np.ndarray, size_hw: tuple[int, int], crop_hw: tuple[int, int], scale: float, timed: bool = True
) -> Framing:
    """How another clip's track is seen through a crop of a given shape and scale: as training_crop(), fixed where all of it fits.

    Else its smoothed centre is followed. InputError when no frame holds the subject.
    """
    boxes = body_boxes(points, size_hw)
    seen = _seen(boxes, present)
    low, high = boxes[seen, :2].min(axis=0), boxes[seen, 2:].max(axis=0)
    body_px = float(np.median((boxes[seen, 2:] - boxes[seen, :2]).max(axis=1))) * scale
    if ((high - low) * scale <= np.array(crop_hw[::-1]) - 2 * RIM_SHARE * max(crop_hw)).all():
        centre = _inside(((low + high) / 2)[None], scale, crop_hw, size_hw)
        return Framing(_rows(np.broadcast_to(centre, (len(points), 2)), scale, crop_hw), crop_hw, "fixed", body_px)
    rows = _following(boxes, seen, scale, crop_hw, size_hw, FOLLOW_SIGMA_FRAMES if timed else 0.0)
    return Framing(rows, crop_hw, "follow", body_px)


def crop_shape(
    extent_wh: np.ndarray, margin: float, size_px: int, size_hw: tuple[int, int] | None = None, whole_px: float = 0.0
) -> tuple[tuple[int, int], float]:
    """Working size (h, w) of a crop that shows an extent (w, h) in full px, and its scale, the same on both axes.

    The extent is widened by (margin - 1) × its longer side (whole_px if that is more) on both axes alike, so that a standing
    person has room for the arms. The longer side becomes size_px, a multiple of STEP_PX; the shorter one is rounded up to a
    multiple of STEP_PX, STEP_PX at least, and shows that much more. What would reach beyond a frame of size_hw takes another
    shape inside it, where one holds the extent.
    """
    extent = np.maximum(np.asarray(extent_wh, np.float64), 0.0)
    longer = max(float(extent.max()), SHORTEST_PX)
    wide = (margin - 1) * max(longer, whole_px)
    scale = size_px / (longer + wide)
    short = (float(extent.min()) + wide) * scale
    short_px = min(size_px, STEP_PX * max(1, int(np.ceil(short / STEP_PX - 1e-9))))
    crop_hw = (size_px, short_px) if extent[1] >= extent[0] else (short_px, size_px)
    if size_hw is None or (np.array(crop_hw) <= np.array(size_hw) * scale * (1 + 1e-9)).all():
        return crop_hw, scale
    return _shape_inside(extent, extent + wide, size_px, size_hw) or (crop_hw, scale)


def _shape_inside(extent: np.ndarray, wanted: np.ndarray, size_px: int, size_hw: tuple[int, int]) -> tuple[tuple[int, int], float] | None:
    """The shape and scale that lose least of the wanted (w, h), and then show least, among those inside the frame that hold the extent.

    None where no shape does both.
    """
    frame = np.array(size_hw[::-1], np.float64)
    wanted = np.minimum(wanted, frame)
    found = []
    for short_px in range(STEP_PX, size_px + 1, STEP_PX):
        for sides in {(size_px, short_px), (short_px, size_px)}:
            shape = np.array(sides, np.float64) / size_px
            shown = min(max(wanted / shape), min(frame / shape)) * shape
            if (shown >= np.minimum(extent, frame) - 1e-9).all():
                lost = float((np.maximum(wanted - shown, 0) / wanted).sum())
                found.append((round(lost, 6), float(shown.max()), sides[::-1]))
    if not found:
        return None
    _, longer, crop_hw = min(found)
    return crop_hw, size_px / longer


def driven_crop(
    points: np.ndarray,
    present: np.ndarray,
    crop: np.ndarray,
    crop_hw: tuple[int, int],
    size_hw: tuple[int, int],
    timed: bool = True,
) -> np.ndarray:
    """Crop rows (t' 2 3) for a motion seen through a target whose training crop is (t 2 3): same scale, least shift.

    Where the body box lies inside the training crop its row is returned bit for bit; where it does not, the row moves by
    the least translation that keeps the box inside, smoothed in time. Behind a `follow` crop the motion is followed.
    The crop stays inside the frame, since what of a body lies outside it (size_hw) is never shown. Without time (timed
    false) nothing is smoothed over neighbouring frames.
    """
    sigma = FOLLOW_SIGMA_FRAMES if timed else 0.0
    scale = float(crop[0, 0, 0])
    boxes = body_boxes(points, size_hw)
    try:
        seen = _seen(boxes, present)
    except InputError:
        return np.broadcast_to(crop[0], (len(points), 2, 3)).copy()
    # Behind a crop that follows, another motion is followed anew.
    moving = bool((crop != crop[0]).any())
    if moving and len(points) != len(crop):
        return _following(boxes, seen, scale, crop_hw, size_hw, sigma)
    rows = crop.copy() if moving else np.broadcast_to(crop[0], (len(points), 2, 3)).copy()
    # Else the training crop stays where it is, unless the body leaves it.
    shift = _least_shift(boxes[seen], _centres(rows[seen], crop_hw), scale, crop_hw, size_hw, smooth=timed)
    if (shift == 0).all():
        return rows
    if moving:
        return _following(boxes, seen, scale, crop_hw, size_hw, sigma)
    nearest = _nearest_seen(seen)
    shifted = shift[nearest]
    rows[:, :, 2] -= shifted * rows[:, 0, 0][:, None]
    return rows


def driven_shape(points: np.ndarray, crop: np.ndarray, crop_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[int, int]:
    """Size (h, w) of the crop in which a motion is made: the training crop's, or where the body is wider or higher than that as much
    more, in steps of STEP_PX, as holds it.

    A body that once in a while is larger than a crop which follows it is cut off there, as in training.
    """
    boxes, scale = body_boxes(points, size_hw), float(crop[0, 0, 0])
    bodies_wh = (boxes[:, 2:] - boxes[:, :2])[np.isfinite(boxes[:, 0])]
    if not len(bodies_wh):
        return crop_hw
    followed = bool((crop != crop[0]).any())
    height, width = (np.percentile(bodies_wh, FOLLOW_BODY_PERCENTILE, axis=0) if followed else bodies_wh.max(axis=0))[::-1] * scale
    rim = 2 * RIM_SHARE * max(crop_hw)

    def side(body: float, own: int) -> int:
        return own if body <= own + LEAST_CUT_PX else STEP_PX * int(np.ceil((body + rim) / STEP_PX))

    return side(float(height), crop_hw[0]), side(float(width), crop_hw[1])


def body_boxes(points: np.ndarray, size_hw: tuple[int, int] | None = None) -> np.ndarray:
    """Half-open boxes xyxy (t 4) float64 of the finite joints of points (t j 2), cut off at the frame where size_hw is given.

    A joint is the centre of a pixel one wide, hence box = (min, max + 1) and never empty. NaN rows where no joint is finite
    and where the whole body lies outside the frame.
    """
    boxes = np.full((len(points), 4), np.nan)
    usable = np.isfinite(points[..., 0])
    some = usable.any(axis=1)
    values = points[some].astype(np.float64)
    hidden = ~usable[some][..., None]
    least, ends = (-np.inf, np.inf) if size_hw is None else (0.0, np.array(size_hw[::-1], np.float64))
    boxes[some, :2] = np.where(hidden, np.inf, values).min(axis=1).clip(least, ends)
    boxes[some, 2:] = (np.where(hidden, -np.inf, values).max(axis=1) + 1).clip(least, ends)
    boxes[~(boxes[:, 2:] > boxes[:, :2]).all(axis=1)] = np.nan
    return boxes


def _following(
    boxes: np.ndarray, seen: np.ndarray, scale: float, crop_hw: tuple[int, int], size_hw: tuple[int, int], sigma: float
) -> np.ndarray:
    frames = np.flatnonzero(seen)
    centres = (boxes[seen, :2] + boxes[seen, 2:]) / 2
    every = np.arange(len(boxes))
    path = np.stack([np.interp(every, frames, centres[:, axis]) for axis in (0, 1)], axis=1)
    if sigma:
        from scipy.ndimage import gaussian_filter1d  # here: it takes a third of a second, and fixed crops need none of it

        path = gaussian_filter1d(path, sigma, axis=0, mode="nearest")
    smooth = path[seen]
    smooth = _inside(smooth, scale, crop_hw, size_hw)
    smooth = smooth + _least_shift(boxes[seen], smooth, scale, crop_hw, size_hw, smooth=False)
    return _rows(smooth[_nearest_seen(seen)], scale, crop_hw)


def _inside(centres: np.ndarray, scale: float, crop_hw: tuple[int, int], size_hw: tuple[int, int]) -> np.ndarray:
    """Centres (n 2) moved so that the crop lies inside the frame; on an axis where it is larger, it is centred on the frame."""
    low, high = _reach(scale, crop_hw, size_hw)
    return np.clip(centres, low, high)


def _reach(scale: float, crop_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest centre (x, y) of a crop inside the frame; both the frame's where the crop is larger."""
    half, frame = np.array(crop_hw[::-1]) / scale / 2, np.array(size_hw[::-1], np.float64)
    return np.minimum(half, frame / 2), np.maximum(frame - half, frame / 2)


def _least_shift(
    boxes: np.ndarray, centres: np.ndarray, scale: float, crop_hw: tuple[int, int], size_hw: tuple[int, int], smooth: bool
) -> np.ndarray:
    """Shift (n 2) in full px that brings each box inside the crop at its centre; a box too large holds the crop.

    At the frame's edge the crop goes no further: there is nothing to see beyond, and no rim to keep.
    """
    half = np.array(crop_hw[::-1]) / scale / 2 - RIM_SHARE * max(crop_hw) / scale
    ends = np.stack([boxes[:, 2:] - (centres + half), boxes[:, :2] - (centres - half)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    lowest, highest = _reach(scale, crop_hw, size_hw)
    least, largest = np.minimum(lowest - centres, 0), np.maximum(highest - centres, 0)
    # A box that touches the rim within a thousandth of a pixel is inside: rows are rebuilt from rounded numbers.
    need = np.clip(np.clip(0.0, low, high), least, largest)
    need[np.abs(need) < 1e-3] = 0.0
    if not smooth or not need.any():
        return need
    eased = _envelope(np.maximum(need, 0)) - _envelope(np.maximum(-need, 0))
    return np.clip(np.clip(eased, low, high), least, largest)


def _envelope(need: np.ndarray) -> np.ndarray:
    """A smooth curve nowhere below `need` (n 2) >= 0: the maximum over a window, then a mean over the same window."""
    from scipy.ndimage import maximum_filter1d

    window = 2 * SHIFT_REACH_FRAMES + 1
    top = maximum_filter1d(need, window, axis=0, mode="nearest")
    kernel = np.hanning(window + 2)[1:-1]
    padded = np.pad(top, ((SHIFT_REACH_FRAMES, SHIFT_REACH_FRAMES), (0, 0)), mode="edge")
    eased = np.stack([np.convolve(padded[:, axis], kernel / kernel.sum(), "valid") for axis in (0, 1)], axis=1)
    return np.where(top > 0, np.maximum(eased, need), eased)


def _rows(centres: np.ndarray, scale: float, crop_hw: tuple[int, int]) -> np.ndarray:
    """Rows (t 2 3) of one scale, bit for bit, that show the crop's box around each of centres (t 2), in pixel edges."""
    half = np.array(crop_hw[::-1]) / scale / 2
    boxes = np.concatenate([centres - half, centres + half], axis=1)
    rows = np.stack([box_to_crop(box, crop_hw) for box in boxes])
    rows[:, 0, 0] = rows[:, 1, 1] = scale
    return rows


def _centres(rows: np.ndarray, crop_hw: tuple[int, int]) -> np.ndarray:
    boxes = np.stack([crop_to_box(row, crop_hw) for row in rows])
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _seen(boxes: np.ndarray, present: np.ndarray) -> np.ndarray:
    seen = np.asarray(present, bool) & np.isfinite(boxes[:, 0])
    if not seen.any():
        raise InputError(f"a crop needs at least one frame with the subject inside it, found none in {len(boxes)} frames")
    return seen


def _nearest_seen(seen: np.ndarray) -> np.ndarray:
    """For every frame the rank, among the seen frames, of the nearest one (the earlier when two are as near)."""
    frames, time = np.flatnonzero(seen), np.arange(len(seen))
    after = np.searchsorted(frames, time).clip(0, len(frames) - 1)
    before = (after - 1).clip(0)
    return np.where(np.abs(time - frames[before]) <= np.abs(frames[after] - time), before, after)
