"""Where the retargeted body stands in the target's frame: height of the feet, size with distance, way across the picture.

Heights follow EDN's normalisation (scale and offset interpolated between far and near ankle positions); the way across
is not in EDN, which keeps the source's own x.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.motion.body import Body, Centre, lowest
from pipeline.motion.series import fill, percentile, smooth_mean
from pipeline.timeline.medians import running_median

LEVEL_SECONDS = 1.0  # over which the feet are drawn to their height in the target's picture
TRAVEL = 0.25  # heights; a shorter way across says nothing about how far steps carry


@dataclass(frozen=True)
class Level:
    """Wanted height in the picture: y = target_y + slope × (driver's y - driver_y), of the ankles, hips or body centre.

    y (n) is that height per frame; size (n) the target's apparent size there over the driver's.
    """

    anchor: str
    slope: float
    driver_y: float
    target_y: float
    y: np.ndarray
    size: np.ndarray


def find_level(driver: Body, target: Body, scale: float, middle: Centre) -> Level:
    """Fit heights between the bodies; `scale` is target over driver at the middle distance, `middle` from shared_centre().

    A driver that changes its distance is carried to the target's far-near range, or to a part of it that is as long as
    its own; a driver on level ground is set on the target's middle line and jumps by `scale`. Without ankles in either,
    the hips' or the body centre's median heights are matched.
    """
    d, t = driver.ground, target.ground
    if d is None or t is None:
        own, others = (middle.of(body.points)[:, 1] for body in (driver, target))
        driver_y, target_y = np.nanmedian(own[driver.measured]), np.nanmedian(others[target.measured])
        y = target_y + scale * (own - driver_y)
        return Level(middle.name, scale, float(driver_y), float(target_y), y, np.ones(len(own)))
    if d.level:
        y = t.median + scale * (driver.ankle_y - d.median)
        size = t.size_at(np.full(len(y), t.median))
        return Level("ankles", scale, d.median, t.median, y, size)
    slope = min(t.near - t.far, scale * (d.near - d.far)) / (d.near - d.far)
    d_middle, t_middle = (d.near + d.far) / 2, (t.near + t.far) / 2
    y = t_middle + slope * (driver.ankle_y - d_middle)
    return Level("ankles", slope, d_middle, t_middle, y, t.size_at(y) / driver.size)


def place(points: np.ndarray, driver: Body, target: Body, level: Level, scale: float, middle: Centre, seconds: np.ndarray) -> np.ndarray:
    """Move poses (n j 2) as wholes to their level and to the middle of the target's range, without moving single steps."""
    params, skeleton = driver.params, driver.skeleton
    if level.anchor == "ankles":
        heights = fill(running_median(lowest(points, skeleton.indices("ankles")), params.smoothing_frames))
    else:
        heights = middle.of(points)[:, 1]
    y = smooth_mean(level.y - heights, frames_of(LEVEL_SECONDS, seconds))

    own = middle.of(driver.points)[:, 0]
    got = middle.of(points)[:, 0]
    x = smooth_mean(_slope(own, got, scale, TRAVEL * driver.height) * own - got, frames_of(params.drift_seconds, seconds))
    there = middle.of(target.points)[:, 0]
    x = x + _middle(there[target.measured]) - _middle((got + x)[driver.measured])
    return points + np.stack([x, y], axis=-1)[:, None]


def allowed_range(target_points: np.ndarray, size_hw: tuple[int, int], keep_within: str, room: float) -> np.ndarray | None:
    """Box (2 2), lowest and highest x y that joints may take; None = anywhere.

    `target`: the square about the target's whole track (t j 2), its side × room; `frame`: the target's full frame. The
    target's own reach is always allowed.
    """
    if keep_within == "free":
        return None
    low, high = _reach(target_points)
    ends = np.array([[0.0, 0.0], [size_hw[1] - 1.0, size_hw[0] - 1.0]])
    if keep_within == "target":
        middle, half = (low + high) / 2, (high - low).max() * room / 2
        ends = np.stack([np.maximum(ends[0], middle - half), np.minimum(ends[1], middle + half)])
    return np.stack([np.minimum(ends[0], low), np.maximum(ends[1], high)])


def keep_inside(points: np.ndarray, allowed: np.ndarray, axis: int, seconds: np.ndarray) -> tuple[np.ndarray, float]:
    """Shift poses (n j 2) along an axis into the allowed range, or shorten their way: (points, share of the way kept)."""
    low, high = _reach(points)[:, axis]
    floor, ceiling = allowed[:, axis]
    if low >= floor - 1e-3 and high <= ceiling + 1e-3:
        return points, 1.0
    moved = points.copy()
    if high - low <= ceiling - floor:
        moved[..., axis] += floor - low if low < floor else ceiling - high
        return moved, 1.0
    path = slow_path(np.nanmean(points[..., axis], axis=1), frames_of(LEVEL_SECONDS, seconds))
    rest = points.copy()
    rest[..., axis] -= path[:, None]
    left, right = _reach(rest)[:, axis]
    way = float(path.max() - path.min())
    kept = float(np.clip(((ceiling - right) - (floor - left)) / max(way, 1e-9), 0.0, 1.0))
    middle = ((ceiling - right) + (floor - left)) / 2
    moved[..., axis] = rest[..., axis] + (middle + kept * (path - (path.max() + path.min()) / 2))[:, None]
    return moved, kept


def frames_of(duration: float, seconds: np.ndarray) -> int:
    """How many frames a duration in seconds takes, at the median rate of the timestamps (n)."""
    return max(1, round(duration / float(np.median(np.diff(seconds))))) if len(seconds) > 1 else 1


def _reach(points: np.ndarray) -> np.ndarray:
    """Lowest and highest x y (2 2) of poses, leaving out the outermost hundredth of the frames on each side."""
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    ends = [[percentile(low[:, i], 1), percentile(high[:, i], 99)] for i in (0, 1)]
    return np.array(ends).T


def slow_path(values: np.ndarray, frames: int) -> np.ndarray:
    """The way (n) without single steps: a straight line plus what a running mean keeps beside it."""
    index = np.arange(len(values))
    line = np.polyval(np.polyfit(index, values, 1), index) if len(values) > 1 else values
    return line + smooth_mean(values - line, frames)


def _slope(own: np.ndarray, got: np.ndarray, scale: float, least: float) -> float:
    """How far the result travels for the driver's way, by least squares; `scale` when the driver hardly travels."""
    both = np.isfinite(own) & np.isfinite(got)
    if both.sum() < 2 or np.ptp(own[both]) < least:
        return scale
    a = own[both] - own[both].mean()
    return float((a * (got[both] - got[both].mean())).sum() / (a * a).sum())


def _middle(values: np.ndarray) -> float:
    return (percentile(values, 5) + percentile(values, 95)) / 2
