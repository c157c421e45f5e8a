"""A matting network's view of a box: the box in whole squares of one grid over the frame, so that its edges do not jitter."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.picture.geometry import mask_box

STEP_PX = 32  # the network's pixels come in squares of this side
FAINT = 5  # of 255: no more than this of a matte is nothing

Box = tuple[int, int, int, int]
See = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class View:
    """Opacity (h w) float32 0..1 of the part of a frame in box xyxy, full pixels."""

    opacity: np.ndarray
    box: Box


def look(see: See, image: np.ndarray, box_xyxy: np.ndarray, square_px: int) -> View:
    """Show see a box (4) of image (h w 3) uint8, every square_px full pixels as 32 of the network's; the frame's rim is repeated.

    The box is widened to whole squares; what is returned lies inside the frame, which the box must touch.
    """
    x0, y0 = (np.floor(box_xyxy[:2] / square_px) * square_px).astype(int).tolist()
    x1, y1 = (np.ceil(box_xyxy[2:] / square_px) * square_px).astype(int).tolist()
    inside = within((x0, y0, x1, y1), image.shape)
    left, top, right, bottom = inside[0] - x0, inside[1] - y0, x1 - inside[2], y1 - inside[3]
    crop = cv2.copyMakeBorder(image[part_of(inside)], top, bottom, left, right, cv2.BORDER_REPLICATE)
    size = ((x1 - x0) // square_px * STEP_PX, (y1 - y0) // square_px * STEP_PX)
    opacity = see(cv2.resize(crop, size, interpolation=cv2.INTER_AREA if square_px > STEP_PX else cv2.INTER_LINEAR))
    full = cv2.resize(opacity, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return View(full[top : y1 - y0 - bottom, left : x1 - x0 - right], inside)


def within(box: Box, size_hw: tuple[int, ...]) -> Box:
    """The part of a box inside a frame of size_hw."""
    return max(0, box[0]), max(0, box[1]), min(size_hw[1], box[2]), min(size_hw[0], box[3])


def part_of(box: Box) -> tuple[slice, slice]:
    """The rows and columns of a box."""
    return slice(box[1], box[3]), slice(box[0], box[2])


def shown_box(matte: np.ndarray) -> Box | None:
    """The box of what a matte (h w) uint8 shows; None when it is empty."""
    return mask_box(matte > FAINT)


def enlarged(small: np.ndarray, box: Box, scale_xy: np.ndarray) -> np.ndarray:
    """The part of a small picture (h w …) float32 that shows a box of the full one, at full size; scale_xy (2) is small over full."""
    (sx, sy), (x0, y0, x1, y1) = scale_xy.tolist(), box
    to_small = np.array([[sx, 0, (x0 + 0.5) * sx - 0.5], [0, sy, (y0 + 0.5) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small, to_small, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
