"""Cameras held at an angle: how far a body leans as a whole, and turning the driver upright again.

Not in the paper. A body that stands by itself keeps its weight above its feet, so whoever bends the trunk puts the hips the
other way, and whoever leans as a whole does not do so for long. A rolled camera makes trunk and legs lean alike, and as far
whenever the body stands straight; what it does between says nothing.
"""

import numpy as np

from pipeline.motion.body import Body
from pipeline.motion.series import percentile

SMALL_DEGREES = 12.0  # a body that balances leans nearly as much
LARGE_DEGREES = 40.0
STEADY_DEGREES = 8.0  # between the quartiles of a body that stands straight: up to 6 of people who walk, squat, juggle or balance
ALIKE_DEGREES = 9.0  # between trunk and legs of who stands straight: a camera that looks down from near by shows them 7 apart
LEAST_SHARE = 0.5  # of the frames, in which ankles, hips and shoulders are seen
LEAST_STRAIGHT = 0.1  # of these, in which the body stands straight: .17 and .20 of one who balances, filmed by two cameras
AGREES = 0.5  # how far the body leans at all times, in the median, over how far it does where it stands straight


def camera_roll(body: Body) -> float:
    """Degrees (clockwise) by which a camera was rolled: the median lean, ankles to shoulders, of the body where it stands straight; 0
    where it is the body's own.

    Its own is a lean that is small (posture) or large (somebody lies down), that changes, or that trunk and legs hardly ever
    share; and nothing is known of a body of which ankles, hips or shoulders are mostly hidden.
    """
    points = Body(np.where(body.confident[..., None], body.points, np.nan), body.confident, body.measured, body.skeleton, body.params)
    feet, hips, shoulders = (points.role(name)[body.measured] for name in ("ankles", "hips", "shoulders"))
    seen = np.isfinite(feet[:, 0] + hips[:, 0] + shoulders[:, 0])
    whole, legs, trunk = (_lean((end - start)[seen]) for start, end in ((feet, shoulders), (feet, hips), (hips, shoulders)))
    straight = whole[np.abs(trunk - legs) < ALIKE_DEGREES]
    if seen.sum() < LEAST_SHARE * len(seen) or len(straight) < max(body.params.min_frames, LEAST_STRAIGHT * seen.sum()):
        return 0.0
    lean, spread = percentile(straight, 50), percentile(straight, 75) - percentile(straight, 25)
    agreed = percentile(whole, 50) * np.sign(lean) > AGREES * abs(lean)  # a lunge leans steadily, but all else does not
    return lean if SMALL_DEGREES < abs(lean) < LARGE_DEGREES and spread < STEADY_DEGREES and agreed else 0.0


def roll_between(driver: Body, target: Body) -> float:
    """Degrees (clockwise) by which the driver must be turned to be seen as if by the target's camera."""
    return camera_roll(target) - camera_roll(driver)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turn points (n j 2) clockwise on the picture about their common middle; 0 returns them as they are."""
    if degrees == 0:
        return points
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.nanmean(points, axis=(0, 1))
    return (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle


def _lean(up: np.ndarray) -> np.ndarray:
    """Angles (n) in degrees of vectors (n 2) from straight up, clockwise."""
    return np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
