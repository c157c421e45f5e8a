"""The method `ankle_height`: EDN's global pose normalisation, one scale for the whole body and one offset a frame.

Not in the paper; "Everybody Dance Now" (Chan et al. 2019), supplementary. Scaling is about the body's own ground point.
"""

import numpy as np

from pipeline.motion.body import Body, Centre
from pipeline.motion.series import fill


def body_scale(driver: Body, target: Body) -> float:
    """Target over driver by standing height at the middle distance, by the larger extent where no ankles are seen."""

    def height(body: Body) -> float:
        ground = body.ground
        if ground is None or ground.level or not ground.height_near > ground.height_far > 0:
            return body.height
        return (ground.height_near + ground.height_far) / 2

    return height(target) / height(driver)


def scale_about_centre(driver: Body, scale: np.ndarray, middle: Centre) -> np.ndarray:
    """The driver's poses (n j 2) times scale (n) about a point that moves with the feet, and that point's own way scaled.

    The way is the running sum of the ground point's steps, so that a planted foot stays planted while the scale changes.
    """
    pivot = np.stack([fill(v) for v in middle.of(driver.points).T], axis=-1)
    pivot[:, 1] = np.where(np.isfinite(driver.ankle_y), driver.ankle_y, pivot[:, 1])
    steps = np.diff(pivot, axis=0, prepend=pivot[:1]) * scale[:, None]
    return (driver.points - pivot[:, None]) * scale[:, None, None] + (pivot[:1] + np.cumsum(steps, axis=0))[:, None]
