"""Whether the camera moved: how far the background's features travel between frames.

Not in the paper, whose cameras stand still.
"""

import cv2
import numpy as np

from pipeline.picture.features import WINDOW_PX, find_features, follow, lies_on, small_grey
from pipeline.timeline.sampling import spread_evenly

PAIRS = 20
WORK_WIDTH_PX = 480
LEAST_FEATURES = 8
LEAST_KEPT = 0.3  # share of the features that are found again
MOST_FEATURES = 200
LEVELS = 4  # of the pyramid in which they are followed
BACK_PX = 0.5  # a feature followed there and back ends no farther from where it began
STILL_SHARE = 0.0015
STILL_PX = 1.0


def camera_motion(samples: np.ndarray, hidden: np.ndarray) -> dict[str, float | int | bool]:
    """Return {moving, median_shift_px, max_shift_px, pairs} of samples (n h w 3) uint8 against their middle one.

    Shifts in full px, by features (Lucas-Kanade) outside hidden (n h w) bool; pairs: how many samples show enough of them.
    `moving` when the largest shift exceeds 1 px and 0.15 % of the diagonal. Where the background has too few features,
    nothing is known to move, and nothing is said to.
    """
    chosen = spread_evenly(np.arange(len(samples)), PAIRS + 1)
    middle = len(samples) // 2
    scale = min(1.0, WORK_WIDTH_PX / max(samples.shape[1:3]))
    still, still_free = _small(samples[middle], hidden[middle], scale)
    features = find_features(still, still_free, MOST_FEATURES, WINDOW_PX)
    found = (_shift(still, still_free, features, *_small(samples[i], hidden[i], scale)) for i in chosen if i != middle)
    shifts = [shift / scale for shift in found if shift is not None]
    if not shifts:
        return {"moving": False, "median_shift_px": 0.0, "max_shift_px": 0.0, "pairs": 0}
    largest = float(max(shifts))
    limit = max(STILL_PX, STILL_SHARE * float(np.hypot(*samples.shape[1:3])))
    return {
        "moving": largest > limit,
        "median_shift_px": round(float(np.median(shifts)), 2),
        "max_shift_px": round(largest, 2),
        "pairs": len(shifts),
    }


def _small(image: np.ndarray, hidden: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The image, grey and small, and where a feature's window shows nothing hidden, which moves by itself (h w) bool."""
    grey = small_grey(image, scale)
    small = cv2.resize(hidden.astype(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return grey, cv2.dilate(small, np.ones((WINDOW_PX, WINDOW_PX), np.uint8)) == 0


def _shift(still: np.ndarray, still_free: np.ndarray, features: np.ndarray, grey: np.ndarray, free: np.ndarray) -> float | None:
    """How far (small px) the image moved: the median way of features that track there and back; None with too few of them.

    By phase correlation where many could be seen and most are lost: the camera turned far, or the light changed.
    """
    features = features[lies_on(features, free)]
    if len(features) < LEAST_FEATURES:
        return None
    there, kept = follow(still, grey, features, LEVELS, BACK_PX)
    kept &= lies_on(there, free)
    if kept.sum() < max(LEAST_FEATURES, LEAST_KEPT * len(features)):
        return _correlated(still, grey, free & still_free)
    return float(np.linalg.norm(np.median((there - features)[kept], axis=0)))


def _correlated(still: np.ndarray, grey: np.ndarray, free: np.ndarray) -> float:
    both = [np.where(free, image.astype(np.float32) - image[free].mean(), 0).astype(np.float32) for image in (still, grey)]
    (dx, dy), _ = cv2.phaseCorrelate(both[0], both[1], cv2.createHanningWindow(still.shape[::-1], cv2.CV_32F))
    return float(np.hypot(dx, dy))
