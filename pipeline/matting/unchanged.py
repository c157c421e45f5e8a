"""Which pixels of a frame look exactly like the still background: a box that the coarse matte took for a part of the person.

Not in the paper.
"""

import cv2
import numpy as np

from pipeline.matting.difference import Background, difference, grown_box, shrunk, threshold
from pipeline.matting.views import Box, enlarged

GROW = 0.3
# Shares of the level above which a pixel differs: below the first it is the background's, from the second on it may not be.
SAME, UNSURE = 0.4, 0.8


class Unchanged:
    """Compares frames with a still background at a small size; boxes (t 4) xyxy are the person's, in full pixels."""

    def __init__(
        self, background: Background, boxes: np.ndarray, small_hw: tuple[int, int], sensitivity: float, floor_levels: float
    ) -> None:
        self._background, self._boxes = shrunk(background, small_hw), boxes
        self._limit = threshold(self._background, sensitivity, floor_levels)
        self._scale = np.array([small_hw[1] / background.known.shape[1], small_hw[0] / background.known.shape[0]])

    def shown(self, t: int, image: np.ndarray, box: Box) -> np.ndarray:
        """Weights (h w) float32 0..1 of the pixels in box, which image (h w 3) uint8 of frame t shows: surely background."""
        height, width = self._limit.shape
        if not np.isfinite(self._boxes[t]).all():
            return np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        x0, y0, x1, y1 = grown_box(self._boxes[t] * np.tile(self._scale, 2), GROW, small.shape[:2])
        part = np.s_[y0:y1, x0:x1]
        same = np.zeros(small.shape[:2], np.float32)
        apart = cv2.blur(difference(small, self._background, (x0, y0, x1, y1)), (3, 3)) / self._limit[part]
        same[part] = np.clip((UNSURE - apart) / (UNSURE - SAME), 0, 1) * self._background.known[part]
        return enlarged(same, box, self._scale)
