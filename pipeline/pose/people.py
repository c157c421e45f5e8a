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
# A refiner is called with frames (n h w 3) and for each frame boxes (p 4) xyxy, NaN = not wanted; it returns for each frame
# x, y, score (p j 3), NaN where it has nothing better. It looks at the neighbours among the frames it is given.
Refiner = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]


def nobody(joints: int) -> People:
    """Return an empty frame for a skeleton of so many joints."""
    return People(np.zeros((0, joints, 2)), np.zeros((0, joints)))


def people_of_table(table: np.ndarray) -> People:
    """Return the people of an array (p j 3) of x, y and score, NaN where a joint is not seen; scores are clipped to 0..1."""
    return People(table[..., :2], np.clip(np.nan_to_num(table[..., 2]), 0.0, 1.0))


def person_boxes(points: np.ndarray) -> np.ndarray:
    """Return the half-open boxes (... 4) xyxy around points (... j 2); NaN for a person without any joint."""
    some = np.isfinite(points[..., :1]) & np.isfinite(points[..., 1:])
    low = np.where(some, points, np.inf).min(axis=-2)
    high = np.where(some, points, -np.inf).max(axis=-2)
    boxes = np.concatenate([low, high + 1], axis=-1)
    return np.where(np.isfinite(boxes), boxes, np.nan)
