"""Distances between poses, by hand."""

from pathlib import Path

import numpy as np
from crossed_legs import APART, CROSSED, HUMAN, pose
from reference.conftest import STICK

from pipeline.body.pose_distance import (
    EXCHANGED,
    STRETCHED,
    carrying_distances,
    end_distances,
    exchanged_sides,
    gap_distances,
    pose_distances,
    warp_distances,
)
from pipeline.body.skeleton import load_skeleton

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


def with_arm(elbow: tuple[float, float], wrist: tuple[float, float]) -> np.ndarray:
    points = APART.copy()
    points[HUMAN.index("left_elbow")], points[HUMAN.index("left_wrist")] = elbow, wrist
    return points


def test_a_warp_changes_a_foreshortened_limb_more_than_one_that_hangs_or_points_elsewhere():
    """The wrist is 10 px away in each but the first two; its forearm points to the right, 12 px long."""
    query, turn = with_arm((64, 40), (76, 40)), 2 * np.arcsin(5 / 12)
    elsewhere, turned = with_arm((64, 50), (76, 50)), with_arm((64, 40), (64 + 12 * np.cos(turn), 40 + 12 * np.sin(turn)))
    found = warp_distances(query, np.stack([query, query + 30.0, elsewhere, turned, with_arm((64, 40), (66, 40))]), HUMAN)
    joints, limbs = 11, 8  # that are seen: trunk, thighs, shins and forearms, two each
    assert np.allclose(found, [0, 0, 20 / joints, 10 / joints, 10 / joints + STRETCHED * 10 / limbs])


def test_a_warp_from_too_few_joints_is_none_and_what_is_not_seen_stretches_nothing():
    lost, without = np.full_like(APART, np.nan), APART.copy()
    lost[0] = 0
    without[[HUMAN.index("left_wrist"), HUMAN.index("right_ankle")]] = np.nan
    found = warp_distances(APART, np.stack([lost, without]), HUMAN)
    assert np.isinf(found[0])
    assert np.isclose(found[1], 0)


def test_fingers_that_curl_weigh_as_little_here():
    hand, wrist = list(HUMAN.hands()[0]), APART[HUMAN.index("right_wrist")]
    flat, curled = APART.copy(), APART.copy()
    flat[hand] = wrist + np.arange(1, len(hand) + 1)[:, None]
    curled[hand] = wrist + 0.5 * np.arange(1, len(hand) + 1)[:, None]
    moved = flat.copy()
    moved[HUMAN.index("left_ankle")] -= (0, 10)
    with_hand, without = (warp_distances(query, candidate[None], HUMAN)[0] for query, candidate in ((flat, moved), (APART, moved)))
    assert 0.6 * without < with_hand < without  # a shin counts nearly as much as beside no fingers, though these are twenty
    assert warp_distances(flat, curled[None], HUMAN)[0] > 0


def test_unseen_poses_are_as_far_as_the_last_fifth_is_from_the_rest():
    poses = np.stack([APART] * 8 + [with_arm((64, 50), (70, 60)), with_arm((64, 40), (70, 55))])
    assert np.allclose(gap_distances(poses, HUMAN), [warp_distances(p, poses[:1], HUMAN)[0] for p in poses[8:]])


def test_a_trunk_with_its_sides_exchanged_is_far():
    query = np.array([[10.0, 0.0], [0.0, 0.0], [5.0, 20.0]])
    turned, narrow = query[[1, 0, 2]], query.copy()
    narrow[0, 0] = 1.0
    hidden = np.full_like(query, np.nan)
    candidates = np.stack([query, turned, narrow, hidden])
    assert np.allclose(exchanged_sides(query, candidates, [(0, 1)], 50.0), [0, 1, 0, 0])
    # seen from the side the shoulders lie over each other, and which is left is a guess
    assert np.allclose(exchanged_sides(narrow, np.stack([narrow, narrow[[1, 0, 2]]]), [(0, 1)], 50.0), [0, 0])
    human = load_skeleton(Path(__file__).resolve().parents[2] / "pipeline/skeletons/human.yaml")
    pairs = {human.joints[left] for left, _ in human.trunk_pairs()}
    assert pairs == {"left_shoulder", "left_hip"}
    assert STICK.trunk_pairs() == []
    size = 50.0
    carried = carrying_distances(APART, np.stack([APART, CROSSED]), HUMAN, size)
    assert np.allclose(carried, warp_distances(APART, np.stack([APART, CROSSED]), HUMAN) / size)
    shoulders = pose(right_shoulder=(38, 22), left_shoulder=(62, 22)), pose(right_shoulder=(62, 22), left_shoulder=(38, 22))
    carried = carrying_distances(shoulders[0], np.stack(shoulders), HUMAN, size)
    assert np.allclose(carried - warp_distances(shoulders[0], np.stack(shoulders), HUMAN) / size, [0, EXCHANGED])


def test_an_end_of_a_limb_is_as_far_as_a_body_that_has_nothing_else():
    rng = np.random.default_rng(5)
    queries, references = rng.uniform(0, 100, (2, 7, len(HUMAN.joints), 2)).astype(np.float32)
    _, *others = end = next(end for end in HUMAN.ends() if HUMAN.index("left_wrist") in end)
    references[3, others[0]] = np.nan
    queries[4, others] = np.nan
    queries[2, others[5:12]] = np.nan  # the fingers left count as much as all of a hand
    references[5, end] = np.nan
    found = end_distances(queries, references, end, HUMAN)
    alone = [points.copy() for points in (queries, references)]
    for points in alone:
        points[:, [joint for joint in range(len(HUMAN.joints)) if joint not in end]] = np.nan
    expected = [warp_distances(q, r[None], HUMAN)[0] for q, r in zip(*alone, strict=True)]
    assert np.isfinite(found).tolist() == [True] * 3 + [False] * 3 + [True]
    np.testing.assert_allclose(found[[0, 1, 2, 6]], np.array(expected)[[0, 1, 2, 6]], rtol=1e-5)
    # Without a hand there is the forearm still.
    references[0, others[1:]] = np.nan
    assert np.isfinite(end_distances(queries, references, end, HUMAN)[0])
    # Where it hangs is no matter.
    moved = references.copy()
    moved[:, end] += np.array([30, -20], np.float32)
    np.testing.assert_allclose(end_distances(queries, moved, end, HUMAN), end_distances(queries, references, end, HUMAN), rtol=1e-3)


def test_sides_are_exchanged_pose_by_pose_as_against_one():
    rng = np.random.default_rng(2)
    queries, candidates, sides = rng.uniform(0, 1, (6, 4, 2)), rng.uniform(0, 1, (6, 4, 2)), [(0, 1), (2, 3)]
    expected = [exchanged_sides(q, c[None], sides, 4.0)[0] for q, c in zip(queries, candidates, strict=True)]
    assert np.allclose(exchanged_sides(queries, candidates, sides, 4.0), expected)
    assert 0 < np.mean(np.array(expected) > 0) < 1
