"""People who stand, and how they are followed and chosen, for the tests of both."""

import numpy as np

from pipeline.pose.select import Gates
from pipeline.pose.tracks import TrackingParams

BODY = np.array([[0, -50], [0, 0], [-10, 50], [10, 50]], np.float64)
TRACKING = TrackingParams(
    max_step_heights=0.5,
    max_lost_frames=20,
    colour_weight=2.0,
    max_colour_difference=0.12,
    join_colour_difference=0.06,
    cut_ratio=3.0,
    min_fraction=0.05,
)
GATES = Gates(0.5, empty_allowed=False, least_px=None)
