"""Cuts between shots: frames that differ from the one before by far more than their neighbours do."""

from collections import deque

import cv2
import numpy as np

THUMB_HW = (24, 32)
LEAST_LEVELS = 5.0  # mean difference of a pixel of the thumbnail at a cut
NEIGHBOURS, NOISE_LEVELS = 4, 1.0
BETWEEN = 3  # frames between two shots at most: blended ones, as of a converted frame rate, or black ones


class Shots:
    """Looks at a clip block by block and finds where another shot begins."""

    def __init__(self) -> None:
        self._last: deque[np.ndarray] = deque(maxlen=BETWEEN + 1)
        self._steps: list[list[float]] = []  # of each frame: how far it is from the one before, the one before that, …

    def look(self, block: np.ndarray) -> None:
        """Take the next frames (n h w 3) uint8."""
        for image in block:
            thumb = cv2.resize(image, THUMB_HW[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
            self._steps.append([float(np.abs(thumb - before).mean()) for before in self._last] or [0.0])
            self._last.appendleft(thumb)

    def cuts(self, ratio: float) -> list[int]:
        """Return the first frame of every shot but the first: it differs by `ratio` times what its neighbours do, or more.

        Up to three frames between two shots, blended or black, belong to the first: over n steps such neighbours would differ n times as
        much. Clips of one shot stay below 2.6, also at a tenth of their rate; cuts to another place are above 8.
        """
        found: list[int] = []
        for length in range(1, BETWEEN + 2):
            for t in range(length, len(self._steps)):
                first = t - length + 1
                beside = (*range(max(1, first - NEIGHBOURS), first), *range(t + 1, min(len(self._steps), t + NEIGHBOURS + 1)))
                near = max((self._steps[i][0] for i in beside), default=0.0)
                step = self._steps[t][length - 1]
                known = any(first <= cut <= t for cut in found)
                if step >= LEAST_LEVELS and step >= ratio * (length * near + NOISE_LEVELS) and not known:
                    found.append(t)
        return sorted(found)
