"""Cuts between shots: frames that differ from the one before by far more than their neighbours do."""

import cv2
import numpy as np

THUMB_HW = (24, 32)
LEAST_LEVELS = 5.0  # mean difference of a pixel of the thumbnail at a cut
NEIGHBOURS, NOISE_LEVELS = 4, 1.0


class Shots:
    """Looks at a clip block by block and finds where another shot begins."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._steps: list[float] = []

    def look(self, block: np.ndarray) -> None:
        """Take the next frames (n h w 3) uint8."""
        for image in block:
            thumb = cv2.resize(image, THUMB_HW[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
            self._steps.append(0.0 if self._last is None else float(np.abs(thumb - self._last).mean()))
            self._last = thumb

    def cuts(self, ratio: float) -> list[int]:
        """Return the first frame of every shot but the first: it differs by `ratio` times what its neighbours do, or more.

        Clips of one shot stay below 2.6, also at a tenth of their rate; cuts to another place are above 8.
        """
        found = []
        for t, step in enumerate(self._steps):
            near = [self._steps[i] for i in range(max(1, t - NEIGHBOURS), min(len(self._steps), t + NEIGHBOURS + 1)) if i != t]
            if step >= LEAST_LEVELS and step >= ratio * (max(near, default=0.0) + NOISE_LEVELS):
                found.append(t)
        return found
