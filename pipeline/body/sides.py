"""A target that is seen from one side alone, from behind or from the front, and a driver that turns the other one: sides are exchanged.

Not in the paper. No picture shows such a target from where the driver is seen. With left and right exchanged it does in the picture
what the driver does there, as in a mirror, and all that is known of it fits.
"""

from itertools import pairwise

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.body.trunk import facing
from pipeline.timeline.windows import runs

ONE_WAY = 0.95  # of the frames that tell which way somebody faces, in which it is the same one: a detector errs in some
LEAST_TOLD = 0.5  # of a target's frames that must tell: one that is seen from the side mostly has both


def turned_away(driver: np.ndarray, target: np.ndarray, skeleton: Skeleton, least: int) -> np.ndarray:
    """Frames (t) bool of a driver (t j 2) that shows what no frame of the target (n j 2) does, its front or its back.

    Of frames that do not tell, while a driver turns round, the exchange begins in the one where it moves least. None where the target
    shows both, or fewer than `least` frames of either tell, or of a shorter driver not all.
    """
    ways = facing(target, skeleton)
    told = ways[ways != 0]
    if len(told) < max(least, LEAST_TOLD * len(target)):
        return np.zeros(len(driver), bool)
    way = 1 if told.mean() > 0 else -1
    own = facing(driver, skeleton)
    known = np.flatnonzero(own)
    if (told == way).mean() < ONE_WAY or len(known) < min(least, len(driver)):
        return np.zeros(len(driver), bool)
    costs = _moved(driver, skeleton)
    states = np.full(len(driver), own[known[0]])
    for before, after in pairwise(known):
        if own[before] != own[after]:
            between = np.arange(before + 1, after + 1)
            middle = np.abs(between - (before + after + 1) / 2)
            states[between[np.lexsort((middle, costs[between]))[0]] :] = own[after]
    return np.asarray(states == -way)


def _moved(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """How far (t) an exchange of sides moves the joints of poses (t j 2) but fingers, px in the mean; 0 where none has both sides."""
    body = [joint for joint in range(points.shape[1]) if joint not in skeleton.fingers()]
    ways = np.linalg.norm(points - points[:, skeleton.opposites()], axis=-1)[:, body]
    return np.asarray(np.nan_to_num(ways).sum(axis=1) / np.isfinite(ways).sum(axis=1).clip(min=1))


def exchanged(joints: np.ndarray, frames: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """What belongs to joints (t j …) with left and right exchanged in some frames (t) bool: the very same where in none."""
    if not frames.any():
        return joints
    chosen = frames.reshape(-1, *(1,) * (joints.ndim - 1))
    return np.where(chosen, joints[:, skeleton.opposites()], joints)


def first_and_last(frames: np.ndarray) -> list[list[int]]:
    """Frames (t) bool as first and last of each run."""
    return [[start, stop - 1] for start, stop in runs(np.flatnonzero(frames))]


def in_runs(found: list[list[int]], length: int) -> np.ndarray:
    """Inverse of first_and_last(): (length) bool."""
    frames = np.zeros(length, bool)
    for first, last in found:
        frames[first : last + 1] = True
    return frames
