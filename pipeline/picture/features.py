"""Features of a background: where a picture has some, and where they are in another (Lucas and Kanade 1981). Not in the paper."""

import cv2
import numpy as np

WINDOW_PX = 21  # side of what is looked for around a feature
SMOOTHING_PX = 1.5  # takes noise away before features are looked for
LEAST_SLOPE = 0.5  # grey levels a pixel, root mean square of a window in its flatter direction; noise of 4 levels stays below
QUALITY = 0.001  # of the best feature: less is none


def small_grey(image: np.ndarray, scale: float) -> np.ndarray:
    """The image (h w 3) uint8 as features are looked for: (h' w') uint8 grey, smaller by `scale`, at least 8 px a side, and smooth."""
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return cv2.GaussianBlur(grey, (0, 0), SMOOTHING_PX)


def find_features(grey: np.ndarray, free: np.ndarray, most: int, block_px: int) -> np.ndarray:
    """Points (n 2) float32 where free (h w) bool is True whose windows stand out from noise in both directions, the best first.

    most: how many at most; block_px: side of what they are told by.
    """
    textured = cv2.cornerMinEigenVal(grey.astype(np.float32), WINDOW_PX) > 4 * LEAST_SLOPE**2  # as OpenCV scales it
    mask = (free & textured).astype(np.uint8) * 255
    found = cv2.goodFeaturesToTrack(grey, most, QUALITY, WINDOW_PX // 2, mask=mask, blockSize=block_px)
    return np.zeros((0, 2), np.float32) if found is None else found[:, 0]


def follow(before: np.ndarray, after: np.ndarray, points: np.ndarray, levels: int, back_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Where points (n 2) of one picture are in another (n 2) float32, and whether the way back ends within back_px (n) bool."""
    start = points.astype(np.float32)[:, None]
    window = {"winSize": (WINDOW_PX, WINDOW_PX), "maxLevel": levels}
    there, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **window)  # type: ignore[call-overload]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **window)  # type: ignore[call-overload]
    kept = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.linalg.norm(back - start, axis=2)[:, 0] < back_px)
    return there[:, 0], kept


def lies_on(points: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Whether points (n 2) lie inside a picture where mask (h w) is True: (n) bool."""
    x, y = points.round().astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    inside[inside] &= mask[y[inside], x[inside]]
    return inside
