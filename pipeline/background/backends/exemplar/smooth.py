"""A first guess for a hole: what is known, ever more averaged; and how much texture an image has where."""

import cv2
import numpy as np

PASSES = 10  # of a small blur over what the halved image gave, so that its pixels do not show


def smooth(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The image (h w c) float32, c up to 4, with its hole filled by averages of what is known, the farther in the coarser."""
    if hole.all() or not hole.any():
        return image
    known = (~hole).astype(np.float32)
    size = (hole.shape[1] + 1) // 2, (hole.shape[0] + 1) // 2
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    large = cv2.resize(smooth(colour, share < 1e-6), hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    for _ in range(PASSES):
        large = cv2.blur(np.where(hole[..., None], large, image), (3, 3))
    return np.where(hole[..., None], large, image)


def with_texture(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The image (h w 3) float32 and a fourth channel, the steepness of its brightness in levels per px.

    Averaged with the colours it tells leaves from a wall at sizes at which both look alike.
    """
    grey = smooth(image, hole).mean(axis=2)
    steepness = (np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))) / 4
    unsure = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.dstack([image, smooth(np.dstack([image, steepness]), unsure)[..., 3]])
