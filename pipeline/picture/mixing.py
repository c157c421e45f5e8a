"""Eq. 9: foreground, matte and plate become one picture; and the polishing patches that join the foreground before."""

import cv2
import numpy as np

from pipeline.picture.geometry import box_to_crop


def composite(foreground: np.ndarray, matte: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Eq. 9: M ⊙ F + (1 - M) ⊙ B, rounded to the nearest uint8 (halves up).

    foreground (h w 3) uint8 or float32 in 0..255, straight colour; matte (h w) uint8 with 255 = foreground, or float32 in
    0..1; plate (h w 3) uint8. Matte 0 gives the plate and matte 1 the rounded foreground, exactly; values outside their
    range are clipped.
    """
    weight = matte.astype(np.float32) / np.float32(255) if matte.dtype == np.uint8 else np.clip(matte, 0, 1, dtype=np.float32)
    blend = foreground.astype(np.float32)
    if foreground.dtype != np.uint8:
        np.clip(blend, 0, 255, out=blend)
    back = plate.astype(np.float32)
    blend -= back
    blend *= weight[..., None]
    blend += back
    blend += np.float32(0.5)
    return blend.astype(np.uint8)  # truncates; nothing is negative


def paste_residual(foreground: np.ndarray, residual: np.ndarray, box_xyxy: np.ndarray, weight: np.ndarray) -> None:
    """Add a patch, seen through its square box, to a foreground in place (Eq. 8).

    foreground (h w c) float32 in 0..255; residual (p p c) int16 in 8-bit steps; box (4) in the foreground's pixels, may
    reach over its edge, NaN = nothing to add; weight (p p) float32, the patch's feather. Linear interpolation; the patch
    is averaged over areas where the box has fewer pixels than the patch.
    """
    if not np.isfinite(box_xyxy).all():
        return
    height, width = foreground.shape[:2]
    x0, y0 = (max(0, int(np.floor(v))) for v in box_xyxy[:2])
    x1, y1 = min(width, int(np.ceil(box_xyxy[2]))), min(height, int(np.ceil(box_xyxy[3])))
    if x1 <= x0 or y1 <= y0:
        return
    faded = residual.astype(np.float32) * weight[..., None]
    side = float(box_xyxy[2] - box_xyxy[0])
    if side < len(faded):  # shrink first, so that no row of the patch is stepped over
        fewer = max(1, round(side))
        faded = cv2.resize(faded, (fewer, fewer), interpolation=cv2.INTER_AREA)
    matrix = box_to_crop(np.asarray(box_xyxy) - [x0, y0, x0, y0], faded.shape[:2])
    seen = cv2.warpAffine(faded, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    foreground[y0:y1, x0:x1] += seen
