"""One level of the pyramid: the image at a size, how its hole is filled so far, and from where."""

from typing import Self

import cv2
import numpy as np

from pipeline.background.backends.exemplar.match import anywhere, nearby
from pipeline.background.backends.exemplar.patches import REACH, SIDE, Descriptors, grown, steps
from pipeline.background.backends.exemplar.smooth import smooth

ANYWHERE_PAIRS = 5e7  # up to which every known patch is tried for every one of the hole; beyond it, those near the present match
FALL = 1.5  # a patch's vote counts less by this factor for every px that it lies within the hole: the rim decides
FALL_PX = 20.0
SHIFT_LEVELS = 20.0  # most by which a patch's mean colour is brought to that of the place it fills


class Level:
    """image (h w 4) float32, colours and texture, filled step by step where hole (h w) bool.

    All patches are told by the flat index of their centre: sources (m) are known, centres (n) touch the hole,
    matches (n) are the sources found for them.
    """

    def __init__(self, image: np.ndarray, hole: np.ndarray) -> None:
        self.image, self.hole = image, hole
        inside, touched = np.zeros_like(hole), grown(hole)
        inside[REACH : hole.shape[0] - REACH, REACH : hole.shape[1] - REACH] = True
        self.usable = inside & ~touched
        self.sources, self.centres = np.flatnonzero(self.usable), np.flatnonzero(inside & touched)
        depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).ravel()[self.centres]
        self.trust = np.float32(FALL) ** -np.minimum(depth, FALL_PX)
        self.matches = np.empty(0, np.int64)

    def halved(self) -> Self:
        """The level above: averages of known pixels, and all hole that touches a pixel of the hole; odd sides grow by one."""
        room = tuple((0, n % 2) for n in self.hole.shape)
        known = (~np.pad(self.hole, room, mode="edge")).astype(np.float32)
        image = np.pad(self.image, (*room, (0, 0)), mode="edge") * known[..., None]
        size = known.shape[1] // 2, known.shape[0] // 2
        share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return type(self)(colour / np.maximum(share, 1e-3)[..., None], share < 1 - 1e-4)

    def fill_smoothly(self) -> None:
        """Fill the hole from its rim inwards, without any detail."""
        self.image = smooth(self.image, self.hole)

    def fill_from(self, above: Self) -> None:
        """Take over what the level above found: its colours, and its matches for the patches that vote here."""
        (h, w), (small_h, small_w) = self.hole.shape, above.hole.shape
        large = cv2.resize(above.image, (2 * small_w, 2 * small_h), interpolation=cv2.INTER_CUBIC)[:h, :w]
        self.image = np.where(self.hole[..., None], large.clip(0, 255), self.image)
        order = np.zeros(small_h * small_w, np.int64)
        order[above.centres] = np.arange(len(above.centres))
        y, x = np.divmod(self.centres, w)
        centre = nearest_of(above.centres, above.hole.shape)[(y // 2) * small_w + x // 2]
        (from_y, from_x), (match_y, match_x) = np.divmod(centre, small_w), np.divmod(above.matches[order[centre]], small_w)
        at_y, at_x = (y + 2 * (match_y - from_y)).clip(0, h - 1), (x + 2 * (match_x - from_x)).clip(0, w - 1)
        self.matches = nearest_of(self.sources, self.hole.shape)[at_y * w + at_x]
        means = cv2.blur(self.image, (SIDE, SIDE)).reshape(-1, 4)
        self._vote(means[self.centres] - means[self.matches], self.trust)

    def improve(self, rounds: int) -> None:
        """Match and vote in turn."""
        known = Descriptors(self.image, self.sources)
        for _ in range(rounds):
            wanted, means = known.of(self.image, self.centres)
            if len(self.centres) * len(self.sources) <= ANYWHERE_PAIRS or not len(self.matches):
                found, distances = anywhere(known.all[self.sources], wanted)
                self.matches = self.sources[found]
            else:
                self.matches, distances = nearby(known.all, wanted, self.matches, self.centres, self.usable)
            usual = max(1e-3, float(np.percentile(distances, 75)))
            self._vote(means - known.means[self.matches], self.trust * (np.exp(-distances / (2 * usual)) + 1e-6))

    def _vote(self, shifts: np.ndarray, weights: np.ndarray) -> None:
        """Every pixel of the hole becomes the mean of what the matches of all patches over it show there, shifts (n 4) added."""
        flat, hole = self.image.reshape(-1, 4), self.hole.ravel()
        weights = weights.astype(np.float32)[:, None]
        shifts = np.where(np.arange(4) < 3, shifts.clip(-SHIFT_LEVELS, SHIFT_LEVELS), 0) * weights  # texture is no light
        total, count = np.zeros_like(flat), np.zeros((len(flat), 1), np.float32)
        for step in steps(self.hole.shape[1]):
            total[self.centres + step] += flat[self.matches + step] * weights + shifts
            count[self.centres + step] += weights
        voted = flat.copy()
        voted[hole] = total[hole] / count[hole]
        self.image = voted.reshape(self.image.shape)


def nearest_of(places: np.ndarray, size_hw: tuple[int, ...]) -> np.ndarray:
    """For each pixel (h·w) of an image the nearest of places (n), flat indices."""
    away = np.ones(size_hw, np.uint8)
    away.reshape(-1)[places] = 0
    labels = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1].ravel()
    labels = labels.astype(np.int64)
    table = np.zeros(int(labels.max()) + 1, np.int64)
    table[labels[places]] = places
    return table[labels]
