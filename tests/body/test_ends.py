"""Which pixels are of the ends of limbs."""

import numpy as np
import torch
from crossed_legs import HUMAN, pose

from pipeline.body.ends import end_shares

NAMES = [HUMAN.joints[end[0]] for end in HUMAN.ends()]
POSE = torch.from_numpy(pose(right_shoulder=(40, 20), left_shoulder=(60, 20)).astype(np.float32))[None]


def shares(*names: str) -> torch.Tensor:
    return end_shares(POSE, HUMAN, np.array([[name in names for name in NAMES]]), (128, 96))[0, 0]


def along(picture: torch.Tensor, start: str, end: str, share: float) -> float:
    x, y = (torch.lerp(POSE[0, HUMAN.index(start)], POSE[0, HUMAN.index(end)], share)).round().long().tolist()
    return float(picture[y, x])


def test_a_forearm_is_of_its_end_and_nothing_else_is():
    found = shares("right_elbow")
    assert found.shape == (128, 96)
    assert min(along(found, "right_elbow", "right_wrist", share) for share in (0.4, 0.7, 1.0)) > 0.95
    others = ("right_shoulder", "right_elbow"), ("neck", "right_hip"), ("left_elbow", "left_wrist"), ("right_knee", "right_ankle")
    for start, end in others:
        assert max(along(found, start, end, share) for share in (0.3, 0.6)) < 0.05
    assert 0.1 < along(found, "right_shoulder", "right_elbow", 1.0) < 0.9


def test_far_from_the_body_nothing_is_of_it():
    assert (end_shares(POSE, HUMAN, np.array([[name == "right_elbow" for name in NAMES]]), (128, 512))[..., 400:] == 0).all()


def test_each_pose_has_its_own_ends():
    poses, which = POSE.expand(3, -1, -1), np.array([[name == end for name in NAMES] for end in ("right_elbow", "", "left_knee")])
    found = end_shares(poses, HUMAN, which, (128, 96))
    for one, name in zip(found, ("right_elbow", "", "left_knee"), strict=True):
        assert torch.equal(one[0], shares(name))


def test_of_several_ends_each_is_there_and_of_none_nothing():
    found = shares("right_elbow", "left_knee")
    assert along(found, "right_elbow", "right_wrist", 0.6) > 0.95
    assert along(found, "left_knee", "left_ankle", 0.6) > 0.95
    assert along(found, "right_knee", "right_ankle", 0.6) < 0.05
    assert (shares() == 0).all()


def test_what_is_not_seen_has_no_end():
    lost = POSE.clone()
    lost[0, [HUMAN.index("right_elbow"), HUMAN.index("right_wrist")]] = torch.nan
    which = np.array([[name == "right_elbow" for name in NAMES]])
    assert (end_shares(lost, HUMAN, which, (64, 64)) == 0).all()
