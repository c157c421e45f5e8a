"""Which parts of a large image the network is shown, and how they are made smaller and larger again."""

import cv2
import numpy as np

CONTEXT_SHARE = 0.5  # of a hole's longer side, on each side of it
CONTEXT_PX = 64  # at least

Window = tuple[slice, slice]


def windows_about(mask: np.ndarray, longest_px: int) -> list[Window]:
    """Windows that do not overlap and together hold every hole of mask (h w) with context; the whole image if it is small."""
    if not mask.any():
        return []
    if max(mask.shape) <= longest_px:
        return [np.s_[:, :]]
    boxes = [_with_context(box) for box in _boxes(mask)]
    while True:
        covered = np.zeros(mask.shape, bool)
        for x, y, w, h in boxes:
            covered[max(0, y) : y + h, max(0, x) : x + w] = True
        merged = _boxes(covered)
        if len(merged) == len(boxes):
            return [np.s_[y : y + h, x : x + w] for x, y, w, h in merged]
        boxes = merged


def shrunk(image: np.ndarray, mask: np.ndarray, longest_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (h w 3) uint8 and mask (h w) with a longer side of longest_px; colours are averages of known pixels only.

    A small pixel that touches the hole belongs to the hole.
    """
    h, w = mask.shape
    scale = longest_px / max(h, w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    known = (~mask).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    levels = (colour / np.maximum(weight, 1e-3)[..., None]).round().clip(0, 255).astype(np.uint8)
    return levels, weight < 1 - 1e-4


def enlarged(image: np.ndarray, size_hw: tuple[int, ...]) -> np.ndarray:
    """Image (h w 3) uint8 at a larger size."""
    return cv2.resize(image, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_CUBIC)


def _boxes(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """x, y, w, h of every connected part."""
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:]
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats]


def _with_context(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, w, h = box
    pad = max(CONTEXT_PX, round(CONTEXT_SHARE * max(w, h)))
    return x - pad, y - pad, w + 2 * pad, h + 2 * pad
