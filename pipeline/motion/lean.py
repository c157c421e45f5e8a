"""Cameras held at an angle: how far a body leans on the whole, and turning the driver upright again.

Not in the paper. A rolled camera makes a standing person lean in every frame; a lean in some frames is motion, and stays.
"""

import numpy as np

from pipeline.motion.body import Body
from pipeline.motion.series import percentile

SMALL_DEGREES = 12.0  # a body that balances leans nearly as much
LARGE_DEGREES = 40.0


def median_lean(body: Body) -> float:
    """Median angle in degrees of ankles → shoulders from straight up, clockwise; by hips without ankles, NaN without both."""
    points = Body(np.where(body.confident[..., None], body.points, np.nan), body.confident, body.measured, body.skeleton, body.params)
    for foot in ("ankles", "hips"):
        up = (points.role("shoulders") - points.role(foot))[body.measured]
        if np.isfinite(up[:, 0]).sum() >= body.params.min_frames:
            return percentile(np.degrees(np.arctan2(up[:, 0], -up[:, 1])), 50)
    return float("nan")


def camera_roll(body: Body) -> float:
    """The median lean where it is a camera's, else 0: a small one is posture, a large one somebody who lies down."""
    lean = median_lean(body)
    return lean if SMALL_DEGREES < abs(lean) < LARGE_DEGREES else 0.0


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
