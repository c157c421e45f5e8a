"""Fills holes with what the rest of the image shows: all patches over a pixel vote for it, coarse to fine.

Wexler, Shechtman, Irani 2007, with the search of PatchMatch (Barnes et al. 2009) and the texture features of Newson et al. 2014.
"""

from collections.abc import Callable

import numpy as np

from pipeline.background.backends.exemplar.level import Level
from pipeline.background.backends.exemplar.patches import SIDE
from pipeline.background.backends.exemplar.smooth import with_texture

LEAST_SIDE_PX = 4 * SIDE  # of an image that is halved once more
LEAST_SOURCES = 100  # known patches that a level must have
ROUNDS = (8, 6, 4, 3)  # of matching and voting, coarsest level first, the last for all finer ones


def load() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(image (h w 3) uint8 RGB, mask (h w) bool, True = hole) → image with the holes filled, the rest untouched.

    Nothing is drawn: the same input gives the same bytes. An image that is all hole is returned as it is; one that shows
    no whole patch is filled smoothly.
    """

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        mask = mask.astype(bool)
        if mask.all() or not mask.any():
            return image.copy()
        filled = _complete(image.astype(np.float32), mask)
        return np.where(mask[..., None], filled.round().clip(0, 255), image).astype(np.uint8)

    return fill


def _complete(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    levels = [Level(with_texture(image, mask), mask)]
    while min(levels[-1].hole.shape) >= LEAST_SIDE_PX and len((half := levels[-1].halved()).sources) >= LEAST_SOURCES:
        levels.append(half)
    levels[-1].fill_smoothly()
    for depth, level in enumerate(reversed(levels)):
        if depth:
            level.fill_from(levels[len(levels) - depth])
        if len(level.sources):
            level.improve(ROUNDS[min(depth, len(ROUNDS) - 1)])
    return levels[0].image[..., :3]
