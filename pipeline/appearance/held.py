"""Joints that a pose lacks, left where they were. Not in the paper; read by systems that are given no pose with gaps."""

import numpy as np


def hold_missing(points: np.ndarray, scores: np.ndarray, frames: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Copies of points (t j 2) and scores (t j) in which a missing joint is where it was in the frame before.

    frames (t) are the rows' ascending indices in their clip: nothing is held across a gap, nor before a joint's first sight.
    Missing = NaN, or a score under the threshold, so that it would not be drawn. A joint that stays missing stays held.
    """
    points, scores = points.copy(), scores.copy()
    for row in np.flatnonzero(np.diff(frames) == 1) + 1:
        gone = ~(np.isfinite(points[row]).all(-1) & (scores[row] >= threshold))
        points[row, gone], scores[row, gone] = points[row - 1, gone], scores[row - 1, gone]
    return points, scores
