"""One frame: generated foreground and polishing patches over the plate, at the source's resolution."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from pipeline.picture.geometry import compose_affine, crop_to_box, mask_box
from pipeline.picture.mixing import composite, paste_residual

# A cubic kernel reaches two crop pixels beyond the last one that is not transparent.
CUBIC_REACH_PX = 2

Patches = Mapping[str, tuple[np.ndarray, np.ndarray]]
Fade = Callable[[np.ndarray], np.ndarray]  # a residual → its weight (p p) float32


def compose_full(
    rgb: np.ndarray, matte: np.ndarray, crop: np.ndarray, patches: Patches, fade: Fade, plate: np.ndarray
) -> np.ndarray:
    """Eq. 8 and 9 in full pixels: a new (h w 3) uint8, equal to the plate wherever the matte is 0, patches included.

    rgb (ch cw 3) and matte (ch cw) uint8 of any size; crop (2 3) full → theirs; patches: region → (residual (p p 3) int16, or
    (p p 4) with the matte's, box xyxy (4) in full px); fade gives a patch's weight; plate (h w 3) uint8. Upsampling is cubic;
    where the crop is cut from the frame in whole pixels, its pixels are taken as they are. Only the box of the opaque part is worked on,
    hence the cost is that of the person, not of the frame.
    """
    fused = plate.copy()
    box = opaque_box(matte, crop, (plate.shape[0], plate.shape[1]))
    if box is None:
        return fused
    for residual, patch_box in patches.values():
        if residual.shape[2] == 4 and np.isfinite(patch_box).all():
            box = _joined(box, patch_box, crop, matte.shape[:2], (plate.shape[0], plate.shape[1]))
    x0, y0, x1, y1 = box
    # Only the part about the person is enlarged, polished and laid over the plate.
    moved = compose_affine(crop, np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]]))
    size_hw = (y1 - y0, x1 - x0)
    foreground = _seen_through(rgb, moved, size_hw, cv2.BORDER_REPLICATE)
    full_matte = _seen_through(matte, moved, size_hw, cv2.BORDER_CONSTANT)
    if patches:
        layers = np.dstack([foreground, full_matte]).astype(np.float32)
        for residual, patch_box in patches.values():
            paste_residual(layers[..., : residual.shape[2]], residual, patch_box - [x0, y0, x0, y0], fade(residual))
        foreground, full_matte = layers[..., :3], layers[..., 3] / np.float32(255)
    fused[y0:y1, x0:x1] = composite(foreground, full_matte, plate[y0:y1, x0:x1])
    return fused


def opaque_box(matte: np.ndarray, crop: np.ndarray, size_hw: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Half-open box of whole full pixels outside which the matte (ch cw) is 0 in the frame; None when that is everywhere."""
    opaque = mask_box(matte)
    if opaque is None:
        return None
    x0, y0, x1, _ = crop_to_box(crop, (len(matte), matte.shape[1]))
    step = (x1 - x0) / matte.shape[1]
    reach = 0 if is_cut(crop) else CUBIC_REACH_PX
    left, right = x0 + (opaque[0] - reach) * step, x0 + (opaque[2] + reach) * step
    top, bottom = y0 + (opaque[1] - reach) * step, y0 + (opaque[3] + reach) * step
    box = (
        max(0, int(np.floor(left))),
        max(0, int(np.floor(top))),
        min(size_hw[1], int(np.ceil(right))),
        min(size_hw[0], int(np.ceil(bottom))),
    )
    return box if box[0] < box[2] and box[1] < box[3] else None


def _joined(
    box: tuple[int, int, int, int], patch_box: np.ndarray, crop: np.ndarray, crop_hw: tuple[int, int], size_hw: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box and what of a patch's box (4) lies in the frame and in what the crop shows, whole full px."""
    shown = crop_to_box(crop, crop_hw)
    low = np.ceil(np.maximum(np.maximum(np.floor(patch_box[:2]), shown[:2] - 1e-6), 0)).astype(int)
    high = np.floor(np.minimum(np.minimum(np.ceil(patch_box[2:]), shown[2:] + 1e-6), size_hw[::-1])).astype(int)
    if (low >= high).any():
        return box
    return min(box[0], int(low[0])), min(box[1], int(low[1])), max(box[2], int(high[0])), max(box[3], int(high[1]))


def is_cut(crop: np.ndarray) -> bool:
    """Whether a crop map (2 3) shifts by whole pixels and does nothing else: the crop's pixels are the frame's."""
    return np.array_equal(crop[:, :2], np.eye(2)) and np.array_equal(crop[:, 2], np.rint(crop[:, 2]))


def _seen_through(image: np.ndarray, matrix: np.ndarray, size_hw: tuple[int, int], border: int) -> np.ndarray:
    """Image (ch cw[ c]) uint8 at full pixels (h w), matrix (2 3) being full → crop; averaged where the crop is finer.

    Where the matrix is a cut, all of (h w) lies inside the image, as opaque_box() has it.
    """
    height, width = size_hw
    if is_cut(matrix):
        x, y = (int(shift) for shift in matrix[:, 2])
        return image[y : y + height, x : x + width]
    k = max(1, int(np.ceil(matrix[0, 0] - 1e-6)))
    finer = np.array([[1 / k, 0.0, 0.5 / k - 0.5], [0.0, 1 / k, 0.5 / k - 0.5]])
    matrix = matrix if k == 1 else compose_affine(matrix, finer)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(image, matrix, (width * k, height * k), flags=flags, borderMode=border)
    return seen if k == 1 else cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
