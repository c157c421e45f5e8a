"""Which joints rest on the ground, and the translation over time that leaves them where they rest."""

import warnings
from collections.abc import Sequence

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.timeline.windows import runs

LOW = 0.03  # a foot this share of the height above the other one weighs 1/e
AT_ONCE = 4096  # frames that go through at once: of a long clip each layer fills hundreds of MB
REST = 1e-4  # weight of the body as a whole, which carries the motion where no foot is seen


def contact_weights(points: np.ndarray, skeleton: Skeleton, seconds: np.ndarray, height: float, speed: float) -> np.ndarray:
    """How planted each joint is during the step from frame i-1 to i: (n j) in [0, 1], 0 for all but ground contacts.

    Slow against `speed` (heights per second) and not above its mirror joint. Row 0 stands for the first frame itself.
    """
    weights = np.zeros(points.shape[:2])
    opposites = skeleton.opposites()
    interval = np.maximum(np.diff(seconds, prepend=seconds[0] - 1.0), 1e-6)
    for joint in skeleton.indices("ground"):
        step = np.linalg.norm(np.diff(points[:, joint], axis=0, prepend=points[:1, joint]), axis=-1)
        weight = 1 / (1 + (step / (height * interval * speed)) ** 4)
        if opposites[joint] != joint:
            above = points[:, opposites[joint], 1] - points[:, joint, 1]
            weight *= np.exp(-np.square(np.clip(np.nan_to_num(above), 0, None) / (LOW * height)))
        weights[:, joint] = np.nan_to_num(weight)
    return weights


def follow_contacts(
    built: np.ndarray, driver: np.ndarray, weights: np.ndarray, scale: np.ndarray, left_out: Sequence[int] = ()
) -> np.ndarray:
    """Translation (n 2) of poses `built` (n j 2) under which each joint, but those left out, moves as the driver's does, times scale (n).

    Joints disagree when proportions differ, so each step is the mean weighted by contact: a planted joint that does not
    move in the driver does not move in the result either. Where bodies are equal, this is the driver's own path.
    """
    steps = [np.zeros((1, 2))]
    for start in range(0, len(built) - 1, AT_ONCE):
        rows = slice(start, start + AT_ONCE + 1)
        steps.append(_steps(built[rows], driver[rows], weights[rows], scale[rows], left_out))
    return np.cumsum(np.concatenate(steps), axis=0)


def _steps(built: np.ndarray, driver: np.ndarray, weights: np.ndarray, scale: np.ndarray, left_out: Sequence[int]) -> np.ndarray:
    """What follow_contacts() adds from each frame to the next (n-1 2)."""
    wanted = np.diff(driver, axis=0) * scale[1:, None, None] - np.diff(built, axis=0)
    there = np.asarray(np.isfinite(wanted).all(axis=-1))
    there[:, left_out] = False
    weight = np.where(there, weights[1:] + REST / driver.shape[1], 0.0)
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray((np.where(there[..., None], wanted, 0.0) * weight[..., None]).sum(axis=1) / np.maximum(total, 1e-12))


def foot_slide(points: np.ndarray, weights: np.ndarray, joints: list[int], height: float) -> tuple[float, float]:
    """Median and largest distance, as shares of the height, that a planted joint moves while it is planted.

    Planted = weight over one half for three steps or more. NaN, NaN when no joint is ever planted.
    """
    slides = []
    for joint in joints:
        planted = (weights[:, joint] > 0.5) & np.isfinite(points[:, joint, 0])
        for start, stop in runs(np.flatnonzero(planted)):
            if stop - start >= 3:
                run = points[start:stop, joint]
                slides.append(float(np.linalg.norm(run - run[0], axis=-1).max()) / height)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return (float(np.median(slides)), float(np.max(slides))) if slides else (float("nan"), float("nan"))
