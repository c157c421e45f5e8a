"""Cameras held at an angle: how far a body leans as a whole, and turning the driver upright again.

Not in the paper. A body that stands by itself keeps its weight above its feet, so whoever bends the trunk puts the hips the
other way, and whoever leans as a whole does not do so for long. A rolled camera makes trunk and legs lean alike, and in
every frame.
"""

import numpy as np

from pipeline.motion.body import Body
from pipeline.motion.series import percentile

SMALL_DEGREES = 12.0  # a body that balances leans nearly as much
LARGE_DEGREES = 40.0
STEADY_DEGREES = 8.0  # between the quartiles: 4 of people who walk, squat or juggle, 24 of one who balances
ALIKE_DEGREES = 12.0  # between trunk and legs: a camera that looks down from near by shows them 7 apart
LEAST_SHARE = 0.5  # of the frames, in which ankles, hips and shoulders are seen


def camera_roll(body: Body) -> float:
    """Degrees (clockwise) by which a camera was rolled: the body's median lean, ankles to shoulders; 0 where it is the body's own.

    Its own is a lean that is small (posture) or large (somebody lies down), that changes, or that trunk and legs do not
    share; and nothing is known of a body of which ankles, hips or shoulders are mostly hidden.
    """
    points = Body(np.where(body.confident[..., None], body.points, np.nan), body.confident, body.measured, body.skeleton, body.params)
    feet, hips, shoulders = (points.role(name)[body.measured] for name in ("ankles", "hips", "shoulders"))
    seen = np.isfinite(feet[:, 0] + hips[:, 0] + shoulders[:, 0])
    if seen.sum() < max(body.params.min_frames, LEAST_SHARE * len(seen)):
        return 0.0
    whole, legs, trunk = (_lean(end - start) for start, end in ((feet, shoulders), (feet, hips), (hips, shoulders)))
    lean, steady = percentile(whole, 50), percentile(whole, 75) - percentile(whole, 25) < STEADY_DEGREES
    alike = abs(percentile(trunk, 50) - percentile(legs, 50)) < ALIKE_DEGREES
    return lean if SMALL_DEGREES < abs(lean) < LARGE_DEGREES and steady and alike else 0.0


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
