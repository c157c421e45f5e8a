"""Whether the camera moved: how far the background's features travel between frames.

Not in the paper, whose cameras stand still.
"""

import cv2
import numpy as np

from pipeline.sampling import spread_evenly

PAIRS = 20
WORK_WIDTH_PX = 480
LEAST_FEATURES = 8
STILL_SHARE = 0.0015
STILL_PX = 1.0


def camera_motion(samples: np.ndarray, hidden: np.ndarray) -> dict[str, float | int | bool]:
    """Return {moving, median_shift_px, max_shift_px, pairs} of samples (n h w 3) uint8 against their middle one.

    Shifts in full px, by features (Lucas-Kanade) outside hidden (n h w) bool, or by phase correlation where too few
    survive. `moving` when the largest shift exceeds 1 px and 0.15 % of the diagonal. Under two samples: not moving, 0 pairs.
    """
    chosen = spread_evenly(np.arange(len(samples)), PAIRS + 1)
    middle = len(samples) // 2
    scale = min(1.0, WORK_WIDTH_PX / max(samples.shape[1:3]))
    still, still_hidden = _small(samples[middle], hidden[middle], scale)
    features = _features(still, still_hidden)
    shifts = [_shift(still, features, *_small(samples[i], hidden[i], scale), still_hidden) / scale for i in chosen if i != middle]
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
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return grey, cv2.resize(hidden.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def _features(grey: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    found = cv2.goodFeaturesToTrack(grey, 200, 0.01, 6, mask=(~hidden).astype(np.uint8) * 255)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def _shift(still: np.ndarray, features: np.ndarray, grey: np.ndarray, hidden: np.ndarray, still_hidden: np.ndarray) -> float:
    """How far (small px) the image moved: the median length over features that track there and back."""
    if len(features) >= LEAST_FEATURES:
        there, ok, _ = cv2.calcOpticalFlowPyrLK(still, grey, features, None, winSize=(21, 21), maxLevel=4)  # type: ignore[call-overload]
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, still, there, None, winSize=(21, 21), maxLevel=4)  # type: ignore[call-overload]
        x, y = there[:, 0].round().astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < grey.shape[1]) & (y < grey.shape[0])
        kept = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.linalg.norm(back - features, axis=2)[:, 0] < 0.5) & inside
        kept[kept] &= ~hidden[y[kept], x[kept]]
        if kept.sum() >= max(LEAST_FEATURES, 0.3 * len(features)):
            return float(np.linalg.norm(np.median((there - features)[kept, 0], axis=0)))
    return _correlated(still, grey, hidden | still_hidden)


def _correlated(still: np.ndarray, grey: np.ndarray, hidden: np.ndarray) -> float:
    both = [image.astype(np.float32) - image[~hidden].mean() if (~hidden).any() else image * 0.0 for image in (still, grey)]
    both = [np.where(hidden, 0, image).astype(np.float32) for image in both]
    if min(image.std() for image in both) < 1e-3:
        return 0.0
    (dx, dy), _ = cv2.phaseCorrelate(both[0], both[1], cv2.createHanningWindow(still.shape[::-1], cv2.CV_32F))
    return float(np.hypot(dx, dy))
