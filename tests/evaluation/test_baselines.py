import numpy as np

from pipeline.evaluation.baselines import nearest_pose

NAN = np.nan


def test_the_planted_pose_is_found():
    rng = np.random.default_rng(0)
    candidates = rng.uniform(0, 128, (30, 12, 2))
    query = candidates[17] + rng.normal(0, 1, (12, 2))
    assert nearest_pose(query, candidates) == 17


def test_poses_are_not_aligned():
    pose = np.array([[0.0, 0], [0, 10], [10, 10]])
    # the same pose 20 px away is farther (20) than another pose in place: (0 + 0 + 14.14) / 3
    other = pose.copy()
    other[2] = (0, 0)
    assert nearest_pose(pose, np.stack([pose + 20, other])) == 1


def test_only_joints_seen_in_both_count():
    query = np.array([[0.0, 0], [0, 10], [NAN, NAN], [5, 5]])
    a = np.array([[1.0, 0], [1, 10], [99, 99], [NAN, NAN]])  # mean 1 over two joints
    b = np.array([[2.0, 0], [2, 10], [0, 0], [7, 5]])  # mean 2 over three
    assert nearest_pose(query, np.stack([b, a])) == 1


def test_one_shared_joint_does_not_make_a_neighbour():
    query = np.zeros((4, 2))
    lone = np.full((4, 2), NAN)
    lone[0] = 0
    assert nearest_pose(query, np.stack([lone, query + 3])) == 1
    assert nearest_pose(query, lone[None]) == 0


def test_ties_go_to_the_first_and_nothing_shared_is_minus_one():
    query = np.zeros((2, 2))
    assert nearest_pose(query, np.stack([query + 1, query + 1])) == 0
    assert nearest_pose(query, np.full((3, 2, 2), NAN)) == -1
    assert nearest_pose(query, np.zeros((0, 2, 2))) == -1
