"""How large one person appears in two clips."""

import numpy as np
import pytest
from figure import human

from pipeline.body.size import LEAST_SEEN, size_ratio
from pipeline.errors import InputError

SKELETON = human()


def poses(n: int, seed: int = 0) -> np.ndarray:
    """A body whose limbs have fixed lengths and turn at random in depth, which foreshortens them."""
    rng = np.random.default_rng(seed)
    points = np.zeros((n, len(SKELETON.joints), 2), np.float32)
    for k, (parent, child) in enumerate(SKELETON.limb_indices()):
        angle, lean = rng.uniform(0, 2 * np.pi, n), rng.uniform(-1, 1, n)
        points[:, child] = points[:, parent] + (10 + 3 * k) * np.cos(lean)[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return points


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_person_filmed_nearer_is_larger_by_that(factor):
    assert size_ratio(poses(60), poses(80, seed=1) * factor + 30, SKELETON) == pytest.approx(factor, rel=0.03)
    assert size_ratio(poses(60), poses(60) * factor, SKELETON) == pytest.approx(factor, rel=1e-6)
    one_way, other_way = size_ratio(poses(60), poses(60) * factor, SKELETON), size_ratio(poses(60) * factor, poses(60), SKELETON)
    assert one_way * other_way == pytest.approx(1, rel=1e-5)


def test_half_a_body_and_a_limb_that_is_wrong_do_not_count_for_much():
    there = poses(50, seed=1) * 2
    there[:, SKELETON.index("left_ankle")] = np.nan
    there[:, SKELETON.index("right_wrist")] *= 9
    assert size_ratio(poses(50), there, SKELETON) == pytest.approx(2, rel=0.05)


def test_no_common_limb_is_refused():
    some = poses(LEAST_SEEN - 1)
    with pytest.raises(InputError, match="must show one limb in 3 frames of each, found none: choose another clip"):
        size_ratio(poses(9), some, SKELETON)
