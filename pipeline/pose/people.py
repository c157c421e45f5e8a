"""What a pose backend sees in one frame, in the house's terms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class People:
    """The people of one frame: points (p j 2) float64 full pixels and score (p j) in 0..1, joints in the skeleton's order.

    A joint that is not seen has NaN points and score 0. identity (p) int64 names people that the backend itself follows
    through the clip (imported labels do); None leaves that to tracks.py.
    """

    points: np.ndarray
    score: np.ndarray
    identity: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points)


# A backend is called with consecutive blocks (n h w 3) uint8 RGB of a clip, from its first frame on, and may remember.
Backend = Callable[[np.ndarray], list[People]]
# A refiner is called with the same block, the boxes (p 4) xyxy of the people in each frame, and the people; it returns better people.
Refiner = Callable[[np.ndarray, list[np.ndarray], list[People]], list[People]]


def nobody(joints: int) -> People:
    """Return an empty frame for a skeleton of so many joints."""
    return People(np.zeros((0, joints, 2)), np.zeros((0, joints)))


def person_boxes(points: np.ndarray) -> np.ndarray:
    """Return the half-open boxes (... 4) xyxy around points (... j 2); NaN for a person without any joint."""
    some = np.isfinite(points[..., :1]) & np.isfinite(points[..., 1:])
    low = np.where(some, points, np.inf).min(axis=-2)
    high = np.where(some, points, -np.inf).max(axis=-2)
    boxes = np.concatenate([low, high + 1], axis=-1)
    return np.where(np.isfinite(boxes), boxes, np.nan)
