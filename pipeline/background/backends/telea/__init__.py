"""Fills holes by marching inwards from their rim (Telea 2004), large ones at a size where the rim's reach covers them."""

from collections.abc import Callable

import cv2
import numpy as np

LARGE_PX = 160
RADIUS_PX = 5


def load() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(image (h w 3) uint8 RGB, mask (h w) bool, True = hole) → image with the holes filled, the rest untouched.

    An image that is all hole is returned as it is.
    """

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if mask.all() or not mask.any():
            return image.copy()
        labels, stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[1:3]
        is_large = stats[:, 2:4].max(axis=1) > LARGE_PX
        is_large[0] = False
        filled = image
        for label in np.flatnonzero(is_large):
            x, y, w, h, _ = (int(v) for v in stats[label])
            pad = max(32, max(w, h) // 4)
            window = np.s_[max(0, y - pad) : y + h + pad, max(0, x - pad) : x + w + pad]
            filled = filled.copy()
            filled[window] = _fill_large(image[window], mask[window], max(w, h))
        small = mask & ~is_large[labels]
        if small.any():
            filled = cv2.inpaint(filled, small.astype(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA)
        return np.where(mask[..., None], filled, image)

    return fill


def _fill_large(image: np.ndarray, mask: np.ndarray, hole_px: int) -> np.ndarray:
    """Fill at a reduced size and bring the result back; the rim is filled once more at full size, so that no seam shows."""
    h, w = mask.shape
    scale = LARGE_PX / hole_px
    size = (max(8, round(w * scale)), max(8, round(h * scale)))
    # Averages over known pixels only: hole pixels must not bleed into the small picture.
    known = (~mask).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = (colour / np.maximum(weight, 1e-3)[..., None]).round().clip(0, 255).astype(np.uint8)
    hole = (weight < 0.5).astype(np.uint8)
    if hole.all():
        return image
    inner = cv2.inpaint(small, hole, RADIUS_PX, cv2.INPAINT_TELEA)
    large = cv2.resize(inner, (w, h), interpolation=cv2.INTER_CUBIC)
    filled = np.where(mask[..., None], large, image)
    rim = mask & (cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3) <= 2)
    return cv2.inpaint(np.ascontiguousarray(filled), rim.astype(np.uint8), 3, cv2.INPAINT_TELEA)
