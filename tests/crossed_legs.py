"""Poses whose legs cross or stand apart: a body that hides itself, as references do."""

from pathlib import Path

import numpy as np

from pipeline.body.skeleton import load_skeleton

HUMAN = load_skeleton(Path(__file__).resolve().parent.parent / "pipeline/skeletons/human.yaml")
PLACES = {
    "neck": (50, 20), "right_hip": (44, 60), "left_hip": (56, 60), "right_knee": (42, 85), "left_knee": (58, 85),
    "right_ankle": (42, 110), "left_ankle": (58, 110), "right_wrist": (30, 50), "left_wrist": (70, 50),
    "right_elbow": (36, 40), "left_elbow": (64, 40),
}  # fmt: skip


def pose(**moved: tuple[float, float]) -> np.ndarray:
    """Joints (j 2) where PLACES, or the arguments, have them; NaN elsewhere."""
    points = np.full((len(HUMAN.joints), 2), np.nan)
    for name, place in (PLACES | moved).items():
        points[HUMAN.index(name)] = place
    return points


APART = pose()
LEGS = {"right_knee": (51.0, 85.0), "left_knee": (49.0, 85.0), "right_ankle": (51.0, 110.0), "left_ankle": (49.0, 110.0)}
CROSSED = pose(**LEGS)
CROSSED_TOO = pose(**LEGS, neck=(51, 21))  # a little farther from APART
SHANKS = LEGS | {"right_knee": (46.0, 85.0), "left_knee": (54.0, 85.0)}
CROSSED_BELOW = pose(**SHANKS)  # half as much is hidden
CROSSED_BELOW_TOO = pose(**SHANKS, neck=(51, 21))
RAISED = pose(right_elbow=(36, 15), left_elbow=(64, 15), right_wrist=(30, 5), left_wrist=(70, 5))  # farther still, but both legs are seen
