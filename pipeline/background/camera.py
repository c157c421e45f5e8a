"""Whether the camera moved: how far the background's features travel between frames.

Not in the paper, whose cameras stand still.
"""

import cv2
import numpy as np

from pipeline.timeline.sampling import spread_evenly

PAIRS = 20
WORK_WIDTH_PX = 480
WINDOW_PX = 21  # side of what is looked for around a feature
LEAST_FEATURES = 8
LEAST_KEPT = 0.3  # share of the features that are found again
SMOOTHING_PX = 1.5  # takes noise away before features are looked for
LEAST_SLOPE = 0.5  # grey levels a pixel (root mean square of a window, in its flatter direction); noise of 4 levels stays below
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
    features = _features(still, still_free)
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
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), SMOOTHING_PX)
    small = cv2.resize(hidden.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return grey, cv2.dilate(small, np.ones((WINDOW_PX, WINDOW_PX), np.uint8)) == 0


def _features(grey: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Points (n 1 2) float32 of the background whose windows stand out from noise in both directions."""
    textured = cv2.cornerMinEigenVal(grey.astype(np.float32), WINDOW_PX) > 4 * LEAST_SLOPE**2  # as OpenCV scales it
    mask = (free & textured).astype(np.uint8) * 255
    found = cv2.goodFeaturesToTrack(grey, 200, 0.001, WINDOW_PX // 2, mask=mask, blockSize=WINDOW_PX)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def _shift(still: np.ndarray, still_free: np.ndarray, features: np.ndarray, grey: np.ndarray, free: np.ndarray) -> float | None:
    """How far (small px) the image moved: the median way of features that track there and back; None with too few of them.

    By phase correlation where many could be seen and most are lost: the camera turned far, or the light changed.
    """
    x, y = features[:, 0].round().astype(int).T
    features = features[free[y, x]]
    if len(features) < LEAST_FEATURES:
        return None
    there, ok, _ = cv2.calcOpticalFlowPyrLK(still, grey, features, None, winSize=(WINDOW_PX, WINDOW_PX), maxLevel=4)  # type: ignore[call-overload]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, still, there, None, winSize=(WINDOW_PX, WINDOW_PX), maxLevel=4)  # type: ignore[call-overload]
    x, y = there[:, 0].round().astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < grey.shape[1]) & (y < grey.shape[0])
    kept = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.linalg.norm(back - features, axis=2)[:, 0] < 0.5) & inside
    kept[kept] &= free[y[kept], x[kept]]
    if kept.sum() < max(LEAST_FEATURES, LEAST_KEPT * len(features)):
        return _correlated(still, grey, free & still_free)
    return float(np.linalg.norm(np.median((there - features)[kept, 0], axis=0)))


def _correlated(still: np.ndarray, grey: np.ndarray, free: np.ndarray) -> float:
    both = [np.where(free, image.astype(np.float32) - image[free].mean(), 0).astype(np.float32) for image in (still, grey)]
    (dx, dy), _ = cv2.phaseCorrelate(both[0], both[1], cv2.createHanningWindow(still.shape[::-1], cv2.CV_32F))
    return float(np.hypot(dx, dy))
