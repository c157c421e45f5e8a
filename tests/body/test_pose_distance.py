"""Distances between poses, by hand."""

import numpy as np

from pipeline.body.pose_distance import pose_distances

QUERY = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def test_mean_joint_distance_as_they_stand_and_from_the_root():
    moved = QUERY + np.array([3.0, 4.0])
    stretched = QUERY * 2
    assert np.allclose(pose_distances(QUERY, np.stack([QUERY, moved, stretched])), [0, 5, 20 / 3])
    assert np.allclose(pose_distances(QUERY, np.stack([QUERY, moved, stretched]), root=0), [0, 0, 20 / 3])


def test_missing_joints_do_not_count_and_too_few_are_no_pose():
    one, two = QUERY.copy(), QUERY.copy()
    one[1] = np.nan
    two[1:] = np.nan
    distances = pose_distances(QUERY, np.stack([one + np.array([3.0, 4.0]), two]))
    assert np.isclose(distances[0], 5)
    assert np.isinf(distances[1])
    assert np.isinf(pose_distances(np.full((3, 2), np.nan), QUERY[None]))[0]


def test_without_the_root_the_common_joints_mean_stands_for_it():
    hidden = QUERY + np.array([3.0, 4.0])
    hidden[0] = np.nan
    assert np.isclose(pose_distances(QUERY, hidden[None], root=0)[0], 0)
