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


def test_a_hand_weighs_as_a_few_joints_however_many_of_its_points_are_seen():
    body = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    hand = np.full((20, 2), 5.0)
    query, hands = np.concatenate([body, hand]), [list(range(4, 24))]
    waved = np.concatenate([body, hand + 7.0])
    assert np.isclose(pose_distances(query, waved[None], hands=hands)[0], 7 * np.sqrt(2) * 3 / (4 + 3))
    without = query.copy()
    without[4:] = np.nan  # a candidate whose hands were not seen is a pose all the same
    assert np.isclose(pose_distances(query, without[None] + 2.0, hands=hands)[0], 2 * np.sqrt(2))
    palm = query.copy()
    palm[7:] = np.nan  # three points, as a body's network gives: each counts as any joint does
    assert np.isclose(pose_distances(palm, palm[None] + 1.0, hands=hands)[0], pose_distances(palm, palm[None] + 1.0)[0])
    moved = palm.copy()
    moved[4:7] += 7.0
    assert np.isclose(pose_distances(palm, moved[None], hands=hands)[0], 7 * np.sqrt(2) * 3 / 7)
