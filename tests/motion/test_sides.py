"""A driver who shows what no frame of the target does, front or back, is carried over as in a mirror; others as they are."""

from dataclasses import replace

import numpy as np
import pytest
from motion.test_head import turned
from motion.test_retarget import HUMAN, IN_PLACE, driver_track, facts, joint, run, target_track

from pipeline.artifacts.keypoints import Track
from pipeline.body.sides import exchanged, first_and_last, in_runs, turned_away
from pipeline.body.trunk import facing
from pipeline.face.heads import _head_joints

ALL = np.ones(96, bool)


def other_side(track: Track, frames: np.ndarray = ALL) -> Track:
    """The same with left and right exchanged in some frames: as seen from behind where it was seen from the front."""
    names = ("points", "score", "origin")
    return replace(track, **{name: exchanged(getattr(track, name), frames[: len(track.points)], track.skeleton) for name in names})


def bent(track: Track, degrees: np.ndarray) -> Track:
    """The same with all above the hips bent about them (t), towards the camera."""
    upper = [j for j, name in enumerate(HUMAN.joints) if not name.endswith(("hip", "knee", "ankle", "heel", "toe"))]
    points, hips = track.points.copy(), track.points[:, HUMAN.indices("hips"), 1].mean(1)[:, None]
    points[:, upper, 1] = hips + np.cos(np.radians(degrees))[:, None] * (points[:, upper, 1] - hips)
    return replace(track, points=points)


def test_it_is_told_which_way_a_trunk_faces():
    front = driver_track(motion=IN_PLACE)
    for share, expected in ((1.0, 1), (-1.0, -1), (0.1, 0), (-0.1, 0)):
        assert (facing(turned(front, share).points, HUMAN) == expected).all()
    upside_down = replace(front, points=-front.points)
    assert (facing(upside_down.points, HUMAN) == 1).all()
    assert (facing(np.full_like(front.points, np.nan), HUMAN) == 0).all()
    half = front.points.copy()
    half[:, HUMAN.indices("hips")] = np.nan
    assert (facing(half, HUMAN) == 0).all()
    folded = bent(front, np.full(96, 150.0))
    assert (joint(folded, "neck")[:, 1] > joint(folded, "left_hip")[:, 1]).all()
    assert (facing(folded.points, HUMAN) == 0).all()


@pytest.mark.parametrize("behind", ["driver", "target"])
def test_sides_are_exchanged_where_the_other_never_turns_that_way(behind):
    driver, target = driver_track(motion=IN_PLACE), target_track()
    score = driver.score.copy()
    score[:, HUMAN.index("left_wrist")] = 0.9
    driver = replace(driver, score=score)
    asked, agreeing = ((other_side(driver), target), (driver, target))
    if behind == "target":
        asked, agreeing = (driver, other_side(target)), (other_side(driver), other_side(target))
    found, same_way = run(*asked), run(*agreeing)
    for name in ("points", "score", "origin"):
        assert np.array_equal(getattr(found, name), getattr(same_way, name), equal_nan=True)
    assert facts(found)["sides_exchanged"] == [[0, 95]]
    assert any("in 96 frames: left and right are exchanged" in line for line in facts(found)["warnings"])
    assert facts(same_way)["sides_exchanged"] == []
    assert not any("exchanged" in line for line in facts(same_way)["warnings"])
    kept = run(*asked, sides="keep")
    assert facts(kept)["sides_exchanged"] == []
    assert (facing(kept.points, HUMAN) == -facing(found.points, HUMAN)).all()
    assert facing(kept.points, HUMAN).all()


def test_only_the_frames_that_are_turned_away():
    driver, target = driver_track(motion=IN_PLACE), target_track()
    away = np.zeros(96, bool)
    away[30:61] = True
    found = run(other_side(driver, away), target)
    assert facts(found)["sides_exchanged"] == [[30, 60]]
    assert np.array_equal(found.points, run(driver, target).points, equal_nan=True)


def test_a_target_that_shows_both_or_is_seen_from_the_side_or_too_seldom_leaves_a_driver_as_it_is():
    driver, target = other_side(driver_track(motion=IN_PLACE)).points, target_track().points
    t = np.arange(len(target))
    assert turned_away(driver, target, HUMAN, 5).all()
    both = exchanged(target, t % 10 == 0, HUMAN)
    assert not turned_away(driver, both, HUMAN, 5).any()
    assert turned_away(driver, exchanged(target, t % 40 == 0, HUMAN), HUMAN, 5).all()  # a detector's mistakes
    middle = target[:, [HUMAN.index("neck")], :1]
    aside = target.copy()
    aside[10:, :, :1] = middle[10:] + 0.1 * (target[10:, :, :1] - middle[10:])
    assert not turned_away(driver, aside, HUMAN, 5).any()
    assert not turned_away(driver, target[:4], HUMAN, 5).any()
    assert not turned_away(driver, np.full_like(target, np.nan), HUMAN, 5).any()
    assert not turned_away(np.full_like(driver, np.nan), target, HUMAN, 5).any()


def test_who_bends_deep_towards_the_camera_is_not_turned_away():
    t = np.arange(96)
    deep = bent(driver_track(motion=IN_PLACE), np.where(abs(t - 48) < 18, 150 - 5 * abs(t - 48), 0))
    assert not turned_away(deep.points, target_track().points, HUMAN, 5).any()
    backwards = other_side(deep)
    assert turned_away(backwards.points, target_track().points, HUMAN, 5).all()


def test_half_figures_and_drivers_of_whom_hardly_a_frame_tells_are_left_as_they_are():
    target, away = target_track().points, other_side(driver_track(motion=IN_PLACE)).points
    half = away.copy()
    half[:, HUMAN.indices("hips")] = np.nan
    assert not turned_away(half, target, HUMAN, 5).any()
    half[[10, 50]] = away[[10, 50]]
    assert not turned_away(half, target, HUMAN, 5).any()
    assert turned_away(half[10:11], target, HUMAN, 5).all()  # one picture


def test_while_a_driver_turns_round_sides_are_exchanged_where_that_moves_least():
    front = driver_track(motion=IN_PLACE)
    share = np.where(np.arange(96) < 40, 1.0, np.where(np.arange(96) < 70, 0.1, -1.0))
    share[61] = 0.0
    neck = joint(front, "neck")[:, None, 0]
    points = front.points.copy()
    points[..., 0] = neck + share[:, None] * (points[..., 0] - neck)
    points[..., 1] = points[:, :1, 1]  # all of it lies in one line, in each frame
    points[..., 1] += front.points[..., 1].mean(0) - points[..., 1].mean(0)
    for left, right in ((j, HUMAN.opposites()[j]) for j in range(points.shape[1]) if HUMAN.opposites()[j] != j):
        points[:, left, 1] = points[:, right, 1]
    assert first_and_last(turned_away(points, target_track().points, HUMAN, 5)) == [[61, 95]]


def test_while_a_driver_turns_round_and_no_frame_is_better_than_others_it_is_half_way():
    front = driver_track(motion=IN_PLACE)
    share = np.where(np.arange(96) < 40, 1.0, np.where(np.arange(96) < 50, 0.05, -1.0))
    neck = joint(front, "neck")[:1, None, 0]
    points = np.repeat(front.points[:1], 96, axis=0)
    points[..., 0] = neck + share[:, None] * (points[..., 0] - neck)
    assert first_and_last(turned_away(points, target_track().points, HUMAN, 5)) == [[45, 95]]


def test_who_is_carried_onto_itself_and_the_method_none_exchange_nothing():
    target = target_track()
    assert facts(run(target, target))["sides_exchanged"] == []
    away = other_side(driver_track(motion=IN_PLACE))
    assert facts(run(away, target, method="none"))["sides_exchanged"] == []


@pytest.mark.parametrize("frames", [[], [0], [5, 6, 7, 20], [0, 1, 39]])
def test_runs_of_frames_come_back(frames):
    chosen = np.zeros(40, bool)
    chosen[frames] = True
    assert np.array_equal(in_runs(first_and_last(chosen), 40), chosen)


def test_a_head_is_placed_by_the_joints_that_became_its():
    driver, target = driver_track(motion=IN_PLACE), target_track()
    away = np.arange(96) >= 60
    turned_driver = other_side(driver, away)
    before, after = _head_joints(turned_driver, run(turned_driver, target))
    expected, expected_after = _head_joints(driver, run(driver, target))
    assert np.array_equal(before, expected, equal_nan=True)
    assert np.array_equal(after, expected_after, equal_nan=True)
