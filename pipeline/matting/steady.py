"""Mattes that do not flicker: each frame's matte averaged with its neighbours', carried along by the image's motion.

Not in the paper.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import cv2
import numpy as np

ALIKE_LEVELS = 12.0
FLOW_LEAST_PX = 16
Item = TypeVar("Item")


@dataclass
class Moment:
    """One frame on the way through: its index, the image (h w 3), a small grey copy and its small matte, 0..1 float32."""

    t: int
    image: np.ndarray
    grey: np.ndarray
    matte: np.ndarray


def steady(moments: Iterable[Moment], weight: float, linked: np.ndarray) -> Iterator[Moment]:
    """Yield moments in order with `matte` = (own + weight × neighbours') / sum, neighbours moved along the optical flow.

    A neighbour counts per pixel only as far as the moved image looks alike there, and only if linked (t) bool says that
    frames t - 1 and t may see each other: never across absence or the border to held-out frames. Holds three frames.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    for moment, neighbours in with_neighbours(moments, linked, lambda moment: moment.t):
        yield _mixed(moment, neighbours, weight, flow)


def with_neighbours(items: Iterable[Item], linked: np.ndarray, frame_of: Callable[[Item], int]) -> Iterator[tuple[Item, list[Item]]]:
    """Yield each item with the ones before and after it that it may see: linked (t) bool as in `steady`. Holds three items."""
    before: Item | None = None
    current: Item | None = None
    for after in chain(items, [None]):
        if current is not None:
            earlier = [before] if before is not None and linked[frame_of(current)] else []
            yield current, [*earlier, after] if after is not None and linked[frame_of(after)] else earlier
        before, current = current, after


def _mixed(current: Moment, neighbours: list[Moment], weight: float, flow: cv2.DISOpticalFlow) -> Moment:
    total, count = current.matte.copy(), np.ones_like(current.matte)
    if weight > 0 and min(current.grey.shape) >= FLOW_LEAST_PX:
        for other in neighbours:
            moved, image = carried_along(current, other, flow)
            share = weight * alike(current, image)
            total += share * moved
            count += share
    return Moment(current.t, current.image, current.grey, total / count)


def alike(current: Moment, moved: np.ndarray) -> np.ndarray:
    """Weights (h w) float32 0..1: where the flow is wrong a moved grey image differs, and the neighbour is left out."""
    return cv2.blur(np.exp(-(((moved.astype(np.float32) - current.grey) / ALIKE_LEVELS) ** 2)), (3, 3))


def carried_along(current: Moment, other: Moment, flow: cv2.DISOpticalFlow) -> tuple[np.ndarray, np.ndarray]:
    """Return the other's matte and grey image as they would look at the current moment; unmoved in pictures too small for the flow."""
    if min(current.grey.shape) < FLOW_LEAST_PX:
        return other.matte, other.grey
    field, grey = motion(current, other, flow)
    return moved_along(other.matte, field), grey


def motion(current: Moment, other: Moment, flow: cv2.DISOpticalFlow) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel was in the other picture, as an offset (h w 2) float32, and the other's grey image moved so."""
    field = flow.calc(current.grey, other.grey, None)  # type: ignore[call-overload]
    return field, moved_along(other.grey, field)


def moved_along(picture: np.ndarray, field: np.ndarray) -> np.ndarray:
    """A picture (h w) whose pixels are taken from where an offset (h w 2) says."""
    h, w = picture.shape
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    return cv2.remap(picture, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
