"""Smoothing in time without delay: each point moves to the parabola through its neighbours in time."""

import numpy as np

REACH_SIGMAS = 3.0
MIN_NEIGHBOURS = 4  # a parabola through three points goes through all of them
MATERIAL_HEIGHTS = 0.002  # a point moved less than this share of the person's height is still the measured one
JOINTS_AT_ONCE = 4  # a body with fingers has 64, and each point's equations take 300 B


def smooth_points(points: np.ndarray, score: np.ndarray, seconds: np.ndarray, sigma_s: float) -> np.ndarray:
    """Return points (t j 2) smoothed by local quadratic regression, weighted by score (t j) and a Gaussian of sigma_s seconds.

    Symmetric in time, exact on motion of constant acceleration at any frame rate; NaN stays NaN, and no point is invented.
    A point with fewer than four weighty neighbours stays as it is. Not in the paper.
    """
    t = len(points)
    if t < 2 or sigma_s == 0:
        return points.copy()
    reach = int(np.ceil(REACH_SIGMAS * sigma_s / np.median(np.diff(seconds))))
    smooth = np.array(points, np.float64)
    for first in range(0, points.shape[1], JOINTS_AT_ONCE):
        some = slice(first, first + JOINTS_AT_ONCE)
        smooth[:, some] = _smoothed(points[:, some], score[:, some], seconds, sigma_s, min(reach, t - 1))
    return smooth


def _smoothed(points: np.ndarray, score: np.ndarray, seconds: np.ndarray, sigma_s: float, reach: int) -> np.ndarray:
    """The same of all joints at once, by neighbours at most `reach` frames away."""
    t = len(points)
    some = np.isfinite(points[..., 0])
    # Weighted moments of the neighbours of every frame at once, one offset in time after the other.
    values, weights = np.where(some[..., None], points, 0.0), np.where(some, np.maximum(score, 1e-3), 0.0)
    moments, sums = np.zeros((5, *score.shape)), np.zeros((3, *points.shape))
    count = np.zeros(score.shape, np.int64)
    for offset in range(-reach, reach + 1):
        here, there = _overlap(t, offset)
        away = ((seconds[there] - seconds[here]) / sigma_s)[:, None]
        weight = weights[there] * np.exp(-0.5 * away**2)
        count[here] += some[there] & (np.abs(away) <= REACH_SIGMAS)
        for power in range(5):
            moments[power, here] += weight * away**power
        for power in range(3):
            sums[power, here] += (weight * away**power)[..., None] * values[there]
    # The parabola's value at the frame itself.
    fitted, solvable = _solve_at_zero(moments, sums)
    keep = some & solvable & (count >= MIN_NEIGHBOURS)
    return np.where(keep[..., None], fitted, points)


def _overlap(t: int, offset: int) -> tuple[slice, slice]:
    """Return the frames that have a frame at this offset, and those frames."""
    return slice(max(0, -offset), min(t, t - offset)), slice(max(0, offset), min(t, t + offset))


def _solve_at_zero(moments: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the value at 0 of the weighted parabola (t j 2) and where it is well determined (t j)."""
    index = np.add.outer(np.arange(3), np.arange(3))
    matrix = np.moveaxis(moments[index], (0, 1), (-2, -1))
    scale = np.maximum(moments[0], 1e-12)[..., None, None]
    solvable = np.linalg.cond(np.where(np.isfinite(matrix), matrix / scale, 0)) < 1e6
    safe = np.where(solvable[..., None, None], matrix / scale, np.eye(3))
    right = np.moveaxis(sums, 0, -2) / scale
    return np.linalg.solve(safe, right)[..., 0, :], solvable
