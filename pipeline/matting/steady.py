"""Mattes that do not flicker: each frame's matte averaged with its neighbours', carried along by the image's motion.

Not in the paper.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

ALIKE_LEVELS = 12.0
FLOW_LEAST_PX = 16


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
    before: Moment | None = None
    current: Moment | None = None
    for after in moments:
        if current is not None:
            yield _mixed(current, _beside(before, current, after, linked), weight, flow)
        before, current = current, after
    if current is not None:
        yield _mixed(current, _beside(before, current, None, linked), weight, flow)


def _beside(before: Moment | None, current: Moment, after: Moment | None, linked: np.ndarray) -> list[Moment]:
    neighbours = []
    if before is not None and linked[current.t]:
        neighbours.append(before)
    if after is not None and linked[after.t]:
        neighbours.append(after)
    return neighbours


def _mixed(current: Moment, neighbours: list[Moment], weight: float, flow: cv2.DISOpticalFlow) -> Moment:
    total, count = current.matte.copy(), np.ones_like(current.matte)
    if weight > 0 and min(current.grey.shape) >= FLOW_LEAST_PX:
        for other in neighbours:
            moved, image = carried_along(current, other, flow)
            # Where the flow is wrong the images differ, and the neighbour is left out.
            alike = np.exp(-(((image.astype(np.float32) - current.grey) / ALIKE_LEVELS) ** 2))
            share = weight * cv2.blur(alike, (3, 3))
            total += share * moved
            count += share
    return Moment(current.t, current.image, current.grey, total / count)


def carried_along(current: Moment, other: Moment, flow: cv2.DISOpticalFlow) -> tuple[np.ndarray, np.ndarray]:
    """Return the other's matte and grey image as they would look at the current moment; unmoved in pictures too small for the flow."""
    if min(current.grey.shape) < FLOW_LEAST_PX:
        return other.matte, other.grey
    field = flow.calc(current.grey, other.grey, None)  # type: ignore[call-overload]
    h, w = current.grey.shape
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    at = (x + field[..., 0], y + field[..., 1])
    matte = cv2.remap(other.matte, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return matte, cv2.remap(other.grey, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
