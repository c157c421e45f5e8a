"""Contact sheets: labelled pictures in a grid, for people to look at."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.timeline.sampling import spread_evenly

LABEL_PX = 18
GAP_PX = 4
PAPER = 255
INK = (40, 40, 40)


def spread(t: int, n: int) -> list[int]:
    """At most n indices of 0..t-1, evenly spread, the first and the last among them."""
    return spread_evenly(np.arange(t), n).tolist()


def contact_sheet(pictures: Sequence[np.ndarray], labels: Sequence[str], columns: int = 8, cell_px: int = 160) -> np.ndarray:
    """Lay pictures (h w 3) or (h w) uint8 out in a grid, each fitted into cell_px² under its label: uint8 (y x 3) RGB."""
    if not pictures:
        return np.full((LABEL_PX, cell_px, 3), PAPER, np.uint8)
    cells = [_fitted(picture, cell_px) for picture in pictures]
    columns = min(columns, len(cells))
    width = max(cell.shape[1] for cell in cells)
    height = max(cell.shape[0] for cell in cells) + LABEL_PX
    rows = math.ceil(len(cells) / columns)
    sheet = np.full((rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3), PAPER, np.uint8)
    for i, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        y, x = GAP_PX + (i // columns) * (height + GAP_PX), GAP_PX + (i % columns) * (width + GAP_PX)
        sheet[y + LABEL_PX : y + LABEL_PX + cell.shape[0], x : x + cell.shape[1]] = cell
        cv2.putText(sheet, label, (x, y + LABEL_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
    return sheet


def encode(image: np.ndarray, form: str = ".png", quality: int = 85) -> bytes:
    """Encode an RGB or grey uint8 image as `.png` or `.jpg`."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if form == ".jpg" else []
    done, blob = cv2.imencode(form, bgr, options)
    if not done:
        raise ValueError(f"cannot encode an image of shape {image.shape}")
    return blob.tobytes()


def _fitted(picture: np.ndarray, cell_px: int) -> np.ndarray:
    """The picture as RGB, shrunk (or enlarged by a whole factor) to fit cell_px²."""
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
    scale = cell_px / max(rgb.shape[:2])
    if scale >= 1:
        whole = max(1, int(scale))
        return rgb.repeat(whole, axis=0).repeat(whole, axis=1)
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
