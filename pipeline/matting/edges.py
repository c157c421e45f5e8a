"""Coarse mattes brought to the frame's own edges by a guided filter (He et al. 2013).

Not in the paper.
"""

import cv2
import numpy as np

CLEAR, SOLID = 0.12, 0.88


def refine_edges(image: np.ndarray, matte: np.ndarray, radius_px: int, epsilon: float) -> np.ndarray:
    """Refine matte (h w) float32 0..1 by the colours of image (h w 3) uint8: within radius_px it becomes a linear
    function of colour. epsilon (of colours in 0..1, squared) is the contrast below which an edge is smoothed over.

    Faint haze (< 0.12) becomes 0 and near-solid (> 0.88) becomes 1. Large images take the coefficients at half size.
    """
    half = 2 if radius_px >= 4 else 1
    size = (image.shape[1] // half or 1, image.shape[0] // half or 1)
    guide = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    small = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    slope, offset = _linear_models(guide, small, max(1, radius_px // half), epsilon)
    full = (image.shape[1], image.shape[0])
    if half > 1:
        slope = cv2.resize(slope, full, interpolation=cv2.INTER_LINEAR)
        offset = cv2.resize(offset, full, interpolation=cv2.INTER_LINEAR)
    value = np.einsum("hwc,hwc->hw", slope, image.astype(np.float32) / 255) + offset
    return np.clip((value - CLEAR) / (SOLID - CLEAR), 0, 1)


def _linear_models(guide: np.ndarray, matte: np.ndarray, radius: int, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Averaged slopes (h w 3) and offsets (h w) of the local models matte ≈ slope · colour + offset (their Eq. 14-16)."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_matte = mean(guide), mean(matte)
    covariance = mean(guide * matte[..., None]) - mean_guide * mean_matte[..., None]
    pairs = {(i, j): mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j] for i in range(3) for j in range(i, 3)}
    rr, gg, bb = (pairs[i, i] + epsilon for i in range(3))
    rg, rb, gb = pairs[0, 1], pairs[0, 2], pairs[1, 2]
    # The inverse of a symmetric 3 × 3 matrix, written out: a batched solve is ten times slower.
    inverse = np.stack([gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb, rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg])
    determinant = rr * inverse[0] + rg * inverse[1] + rb * inverse[2]
    r, g, b = (covariance[..., i] for i in range(3))
    a = inverse / determinant
    slope = np.stack([a[0] * r + a[1] * g + a[2] * b, a[1] * r + a[3] * g + a[4] * b, a[2] * r + a[4] * g + a[5] * b], axis=-1)
    offset = mean_matte - (slope * mean_guide).sum(axis=-1)
    return mean(slope), mean(offset)
