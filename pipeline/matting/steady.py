"""Mattes that do not flicker: each frame's matte averaged with its neighbours', carried along by the image's motion.

Not in the paper.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import cv2
import numpy as np

ALIKE_LEVELS = 12.0
FLOW_LEAST_PX = 16
KEPT = 8  # pairs of pictures: all that measure, mix and sharpen a few frames apart ask for
Item = TypeVar("Item")


@dataclass
class Moment:
    """One frame on the way through: its index, the image (h w 3), a small grey copy and its small matte, 0..1 float32."""

    t: int
    image: np.ndarray
    grey: np.ndarray
    matte: np.ndarray


@dataclass(frozen=True)
class Motion:
    """Where each pixel of a moment's grey picture was in another's, as an offset (h w 2) float32; both pictures (h w)."""

    offset: np.ndarray
    grey: np.ndarray
    other: np.ndarray

    def moved(self, picture: np.ndarray) -> np.ndarray:
        """A picture (h w) of the other moment as it would look at this one."""
        return cv2.remap(picture, *self._from, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    @cached_property
    def alike(self) -> np.ndarray:
        """Weights (h w) float32 0..1: where the flow is wrong a moved grey image differs, and the neighbour is left out."""
        moved = self.moved(self.other).astype(np.float32)
        return cv2.blur(np.exp(-(((moved - self.grey) / ALIKE_LEVELS) ** 2)), (3, 3))

    @cached_property
    def _from(self) -> tuple[np.ndarray, np.ndarray]:
        h, w = self.offset.shape[:2]
        return np.arange(w, dtype=np.float32) + self.offset[..., 0], np.arange(h, dtype=np.float32)[:, None] + self.offset[..., 1]


class Flows:
    """Optical flow between the grey pictures of moments, worked out once however many ask for it: the last KEPT pairs are known."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._known: list[Motion] = []

    def between(self, current: Moment, other: Moment) -> Motion:
        """The motion from the other moment to the current one; none in pictures too small for the flow."""
        for motion in self._known:
            if motion.grey is current.grey and motion.other is other.grey:
                return motion
        if min(current.grey.shape) < FLOW_LEAST_PX:
            offset = np.zeros((*current.grey.shape, 2), np.float32)
        else:
            offset = self._flow.calc(current.grey, other.grey, None)  # type: ignore[call-overload]
        motion = Motion(offset, current.grey, other.grey)
        self._known = [*self._known[1 - KEPT :], motion]
        return motion


def steady(moments: Iterable[Moment], weight: float, linked: np.ndarray, flows: Flows | None = None) -> Iterator[Moment]:
    """Yield moments in order with `matte` = (own + weight × neighbours') / sum, neighbours moved along the optical flow.

    A neighbour counts per pixel only as far as the moved image looks alike there, and only if linked (t) bool says that
    frames t - 1 and t may see each other: never across absence or the border to held-out frames. Holds three frames.
    """
    flows = flows or Flows()
    for moment, neighbours in with_neighbours(moments, linked, lambda moment: moment.t):
        yield _mixed(moment, neighbours, weight, flows)


def with_neighbours(items: Iterable[Item], linked: np.ndarray, frame_of: Callable[[Item], int]) -> Iterator[tuple[Item, list[Item]]]:
    """Yield each item with the ones before and after it that it may see: linked (t) bool as in `steady`. Holds three items."""
    before: Item | None = None
    current: Item | None = None
    for after in chain(items, [None]):
        if current is not None:
            earlier = [before] if before is not None and linked[frame_of(current)] else []
            yield current, [*earlier, after] if after is not None and linked[frame_of(after)] else earlier
        before, current = current, after


def _mixed(current: Moment, neighbours: list[Moment], weight: float, flows: Flows) -> Moment:
    total, count = current.matte.copy(), np.ones_like(current.matte)
    if weight > 0 and min(current.grey.shape) >= FLOW_LEAST_PX:
        for other in neighbours:
            motion = flows.between(current, other)
            share = weight * motion.alike
            total += share * motion.moved(other.matte)
            count += share
    return Moment(current.t, current.image, current.grey, total / count)
