"""A figure of fine texture with known truth, filmed before a noisy wall."""

import numpy as np
import pytest

from pipeline.artifacts.keypoints import Track
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.video.clock import Clock

COLOUR = (255, 255, 255)
STICK = Skeleton(
    "stick", ("top", "middle", "end"), "top", (Limb("top", "middle", COLOUR, 1.0, True), Limb("middle", "end", COLOUR, 1.0, True)),
    (), {}, (), (),
)  # fmt: skip


def make_track(points: np.ndarray, size_hw=(120, 160)) -> Track:
    """A track of poses (t j 2) whose joints are all sure, where they are finite."""
    score = np.isfinite(points).all(-1).astype(np.float32)
    return Track(points.astype(np.float32), score, np.ones(score.shape, np.uint8), STICK, Clock.regular("30", len(points)), size_hw, {})


@pytest.fixture
def swinging() -> np.ndarray:
    """Poses (40 3 2): the lower limb swings to and fro about the middle, slowly."""
    time = np.arange(40)
    angle = 0.9 * np.sin(time / 6)
    points = np.tile([[60.0, 20.0], [60.0, 50.0], [0.0, 0.0]], (40, 1, 1))
    points[:, 2] = points[:, 1] + 30 * np.stack([np.sin(angle), np.cos(angle)], 1)
    return points
