"""The view at the size people watch: a part of the frame that follows the person, in size constant over the clip.

Not in the paper, whose scores are of crops at the working size: there a copied frame and a blurred one look alike.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.picture.geometry import mask_box, sample_crop

MARGIN = 1.25  # the view's sides over those of the person's largest box
OPAQUE = 127  # a matte above it is the person
ROUNDING_PX = 1e-6  # what the arithmetic of the view's edges may be off


@dataclass(frozen=True)
class View:
    """matrix (t 2 3) float64 full → view; size_hw of the view in its own pixels; scale: view px per full px, at most 1."""

    matrix: np.ndarray
    size_hw: tuple[int, int]
    scale: float

    def see(self, image: np.ndarray, t: int, border: str = "replicate") -> np.ndarray:
        """A full frame or matte (h w[ 3]) uint8 seen at frame t: (*size_hw[, 3]) uint8, areas averaged."""
        return sample_crop(image, self.matrix[t], self.size_hw, border)

    def box(self, t: int) -> tuple[int, int, int, int]:
        """What is seen at frame t, half-open xyxy, as whole full px that the frame has."""
        low = 0.5 - (self.matrix[t, :, 2] + 0.5) / self.scale
        high = low + np.array(self.size_hw[::-1]) / self.scale
        x0, y0, x1, y1 = (int(edge) for edge in (*np.floor(low + ROUNDING_PX), *np.ceil(high - ROUNDING_PX)))
        return x0, y0, x1, y1


def person_boxes(mattes: Frames, present: np.ndarray) -> np.ndarray:
    """Half-open box xyxy (t 4) float64 full px of the matte above one half; NaN where there is none, or nobody is present (t)."""
    boxes = np.full((len(mattes), 4), np.nan)
    for start, block in mattes.blocks():
        for t, matte in enumerate(block, start):
            if present[t]:
                boxes[t] = box_of_mask(matte > OPAQUE)
    return boxes


def box_of_mask(mask: np.ndarray) -> np.ndarray:
    """Half-open box xyxy (4) float64 of what is True in (h w) bool; NaN where nothing is."""
    return np.array(mask_box(mask) or [np.nan] * 4, np.float64)


def follow_person(boxes: np.ndarray, size_hw: tuple[int, int], watch_px: int) -> View | None:
    """The view for boxes (t 4) in frames of size_hw, its longer side watch_px or, in a smaller source, what is filmed.

    Its sides are those of the largest box × MARGIN, never beyond the frame's. It is centred on each frame's box (where
    there is none, between its neighbours in time), then moved inside the frame, by whole pixels: at scale 1 nothing is
    resampled. None when there is no box at all.
    """
    seen = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if not len(seen):
        return None
    sides_hw = np.array([(boxes[:, 3] - boxes[:, 1])[seen].max(), (boxes[:, 2] - boxes[:, 0])[seen].max()])
    full_hw = np.minimum(np.ceil(sides_hw * MARGIN), size_hw)
    scale = min(1.0, watch_px / float(full_hw.max()))
    height, width = (max(1, int(side * scale + 1e-6)) for side in full_hw)
    shown = np.array([width, height]) / scale  # a fraction of a pixel less than full_hw, where that is no whole number of view px
    times = np.arange(len(boxes))
    centre = np.stack([np.interp(times, seen, (boxes[seen, i] + boxes[seen, i + 2]) / 2) for i in (0, 1)], axis=1)
    origin = np.clip(np.rint(centre - shown / 2), 0, np.array(size_hw[::-1]) - shown)
    matrix = np.zeros((len(boxes), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :, 2] = (0.5 - origin) * scale - 0.5
    return View(matrix, (height, width), scale)
