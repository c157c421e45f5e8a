"""Laws of smoothing, repair and the exchange of sides."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from figure import Figure, Motion, truth

from pipeline.artifacts.keypoints import ORIGINS
from pipeline.body.skeleton import Limb, Skeleton, load_skeleton
from pipeline.params import read_section
from pipeline.pose.params import PoseParams
from pipeline.pose.repair import fill_gaps
from pipeline.pose.repair_track import IMPORTED, MEASURED, fillable_frames, repair_track
from pipeline.pose.smooth import smooth_points
from pipeline.pose.swap import apply_swaps, find_swaps, mirror_groups
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.video.clock import NO_TIME, Clock

ROOT = Path(__file__).parents[2]
T = 60
CLOCK = Clock.regular("25", T)
HUMAN = load_skeleton(ROOT / "pipeline/skeletons/human.yaml")
PARAMS = read_section(ROOT / "params.yaml", "pose", PoseParams)
DROPPED, INTERPOLATED, REFINED = (ORIGINS.index(name) for name in ("dropped", "interpolated", "refined"))


@pytest.fixture
def walker() -> tuple[np.ndarray, np.ndarray]:
    """A body of COCO joints, 300 px high, that walks to the right and swings its limbs: points (t j 2), score (t j)."""
    place = {
        "nose": (0, -150), "neck": (0, -120), "right_shoulder": (-30, -115), "left_shoulder": (30, -115), "right_elbow": (-40, -60),
        "left_elbow": (40, -60), "right_wrist": (-45, -10), "left_wrist": (45, -10), "right_hip": (-20, 0), "left_hip": (20, 0),
        "right_knee": (-22, 75), "left_knee": (22, 75), "right_ankle": (-24, 150), "left_ankle": (24, 150),
    }  # fmt: skip
    points = np.full((T, len(HUMAN.joints), 2), np.nan)
    time = np.arange(T)
    for name, (x, y) in place.items():
        swing = abs(y) * 0.1 * np.sin(time / 6 + (0 if "left" in name else np.pi))
        points[:, HUMAN.index(name)] = np.stack([300 + 3 * time + x + swing, 300 + y + 0 * time], axis=1)
    return points, np.where(np.isfinite(points[..., 0]), 0.9, 0.0)


def repaired(points: np.ndarray, score: np.ndarray, seen_as: int = MEASURED, **options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return repair_track(points, score, seen_as, options.get("clock", CLOCK), HUMAN, options.get("split"), PARAMS)


def test_a_sound_track_is_left_within_a_pixel_and_nothing_is_invented(walker) -> None:
    points, score = walker
    before = points.copy()
    out, out_score, origin = repaired(points, score)
    assert np.nanmax(np.linalg.norm(out - before, axis=2)) < 1.0
    assert (np.isfinite(out) == np.isfinite(before)).all()
    assert not np.isin(origin, (DROPPED, INTERPOLATED, REFINED)).any()
    np.testing.assert_array_equal(points, before)
    np.testing.assert_array_equal(out_score > 0, score > 0)


@pytest.mark.parametrize("seen_as", [MEASURED, IMPORTED])
def test_a_planted_gap_jump_and_long_limb_are_marked_and_restored_within_three_px(walker, seen_as: int) -> None:
    true, score = walker
    points = true.copy()
    wrist, knee, ankle = (HUMAN.index(name) for name in ("left_wrist", "right_knee", "left_ankle"))
    points[20:26, wrist] = np.nan
    points[30, knee] += (60, -30)
    points[40:42, ankle] += (0, 200)
    out, _, origin = repaired(points, np.where(np.isfinite(points[..., 0]), score, 0.0), seen_as)
    for frames, joint in ((range(20, 26), wrist), (range(30, 31), knee), (range(40, 42), ankle)):
        assert (origin[frames, joint] == INTERPOLATED).all()
        assert np.linalg.norm(out[frames, joint] - true[frames, joint], axis=1).max() < 3


def test_a_limb_that_stays_too_long_is_undrawn_and_marked(walker) -> None:
    points, score = (np.concatenate([a, a[::-1], a, a[::-1]]) for a in walker)
    ankle = HUMAN.index("left_ankle")
    points[20:34, ankle] += (0, 150)
    out, out_score, origin = repaired(points, score, clock=Clock.regular("25", 4 * T))
    assert (origin[20:34, ankle] == DROPPED).all()
    assert np.isnan(out[20:34, ankle]).all()
    assert (out_score[20:34, ankle] == 0).all()


def test_absence_stays_absent_and_a_miss_of_the_detector_is_filled(walker) -> None:
    true, score = walker
    points = true.copy()
    points[10:13] = np.nan
    points[30:45] = np.nan
    out, _, _ = repaired(points, np.where(np.isfinite(points[..., 0]), score, 0.0))
    present = np.isfinite(out[..., 0]).any(axis=1)
    assert present[:30].all()
    assert not present[30:45].any()


def test_what_is_held_out_changes_nothing_before_it(walker) -> None:
    points, score = walker
    split = SplitParams(hold_out_fraction=0.2)
    points[:, :3] += np.random.default_rng(0).normal(0, 1, (T, 3, 2))
    first = repaired(points, score, split=split)
    changed = points.copy()
    changed[48:] += np.random.default_rng(1).normal(0, 20, changed[48:].shape)
    for a, b in zip(first, repaired(changed, score, split=split), strict=True):
        np.testing.assert_array_equal(a[:48], b[:48])


def test_the_border_is_the_one_that_is_found_in_what_is_left(walker) -> None:
    """Frames whose joints are all unsure are dropped, and do not count when the held-out part is told off."""
    points, score = walker
    split = SplitParams(hold_out_fraction=0.2)
    score[45:] = np.minimum(score[45:], 0.1)
    first = repaired(points, score, split=split)
    border = split_frames(np.isfinite(first[0][..., 0]).any(axis=1), split).border
    assert border == 36
    changed = points.copy()
    changed[border:] += (12, 7)
    for a, b in zip(first, repaired(changed, score, split=split), strict=True):
        np.testing.assert_array_equal(a[:border], b[:border])


def test_an_absence_that_is_too_long_to_fill_moves_the_border(walker) -> None:
    points, score = walker
    split, most = SplitParams(hold_out_fraction=0.2), PARAMS.repair.max_gap_frames
    params = PARAMS.model_copy(update={"repair": PARAMS.repair.model_copy(update={"max_absence_frames": most + 5})})
    points[20 : 24 + most], score[20 : 24 + most] = np.nan, 0
    first = repair_track(points, score, MEASURED, CLOCK, HUMAN, split, params)[0]
    present = np.isfinite(first[..., 0]).any(axis=1)
    assert not present[20 : 24 + most].any()
    border, changed = split_frames(present, split).border, points.copy()
    changed[border:] += (12, 7)
    again = repair_track(changed, score, MEASURED, CLOCK, HUMAN, split, params)[0]
    np.testing.assert_array_equal(first[:border], again[:border])


@pytest.mark.parametrize("kept", [[i for i in range(150) if i % 10 != 5], [*range(75), *range(75, 150, 3)]], ids=["lost", "dark"])
def test_a_camera_that_leaves_frames_out_bends_no_path(kept: list[int]) -> None:
    """A body that moves evenly, 450 px a second: nothing jumps, and no side is exchanged, where a step takes longer."""
    figure = Figure(400)
    walk = truth(figure.points(300, (120, 600), Motion(travel=0.8, period=60)), figure.joints, HUMAN, (700, 2000)).track()
    points = walk.points[::2][kept].astype(float)
    score = np.where(np.isfinite(points[..., 0]), 0.9, 0.0)
    out, _, origin = repair_track(points, score, MEASURED, Clock("30", "1/30", tuple(kept)), HUMAN, None, PARAMS)
    assert not np.isin(origin, (DROPPED, INTERPOLATED, REFINED)).any()
    assert np.nanmax(np.linalg.norm(out - points, axis=2)) < 10


def test_a_brisk_walk_keeps_its_sides_where_the_camera_slows_down() -> None:
    figure, kept = Figure(400), [*range(150), *range(150, 300, 3)]
    walk = truth(figure.points(600, (120, 600), Motion(travel=0.8, period=40)), figure.joints, HUMAN, (700, 2000)).track()
    points = walk.points[::2][kept].astype(float)
    score = np.where(np.isfinite(points[..., 0]), 0.9, 0.0)
    origin = repair_track(points, score, MEASURED, Clock("30", "1/30", tuple(kept)), HUMAN, None, PARAMS)[2]
    assert not (origin == REFINED).any()


def test_sides_stay_where_a_step_takes_longer_than_paths_can_tell(walker) -> None:
    points, score = walker
    groups = mirror_groups(HUMAN)[0]
    swaps = np.ones((T, len(groups)), bool)
    swaps[:45] = False
    exchanged = apply_swaps(points, groups, swaps)
    slow = Clock("25", "1/25", (*range(45), *range(45, 45 + 15 * 4, 4)))
    assert (repaired(exchanged, score)[2][45:] == REFINED).any()
    assert not (repaired(exchanged, score, clock=slow)[2] == REFINED).any()


def test_a_filled_absence_never_touches_the_border() -> None:
    present = np.ones(10, bool)
    present[7:9] = False
    fill, border = fillable_frames(present, SplitParams(hold_out_fraction=0.2), 3)
    assert not fill[7:9].any()
    assert present[:border].sum() == 6


def test_a_clip_without_time_keeps_its_gaps(walker) -> None:
    points, score = walker
    points[20, 1] = np.nan
    score[20, 1] = 0
    out, _, _ = repaired(points, score, clock=NO_TIME)
    np.testing.assert_array_equal(out, points)


def test_exchanged_sides_are_put_right_and_marked_but_crossing_legs_are_not(walker) -> None:
    true, score = walker
    groups = mirror_groups(HUMAN)[1]
    legs = next(i for i, group in enumerate(groups) if (HUMAN.index("left_knee"), HUMAN.index("right_knee")) in group)
    swaps = np.zeros((T, len(groups)), bool)
    swaps[[15, 16, 30, 31, 32, 40], legs] = True
    out, _, origin = repaired(apply_swaps(true, groups, swaps), apply_swaps(score, groups, swaps))
    assert np.nanmax(np.linalg.norm(out - true, axis=2)) < 3
    knee = HUMAN.index("left_knee")
    assert (origin[[15, 30, 40], knee] == REFINED).all()
    crossing = true.copy()
    left, right = HUMAN.index("left_ankle"), HUMAN.index("right_ankle")
    crossing[:, left, 0] = crossing[:, right, 0] = 400
    crossing[:, left, 0] += 60 * np.cos(np.arange(T) / 4)
    crossing[:, right, 0] -= 60 * np.cos(np.arange(T) / 4)
    assert not find_swaps(crossing, groups, 300.0, PARAMS.repair.swap_cost / 625, 0)[:, legs].any()


def test_what_it_costs_to_exchange_sides_leaves_legs_that_cross_as_one(walker) -> None:
    """Whole legs pass through each other; at no cost they would be taken for legs that change sides where they meet."""
    true, score = walker
    groups, crossing = mirror_groups(HUMAN)[1], true.copy()
    legs = next(i for i, group in enumerate(groups) if (HUMAN.index("left_knee"), HUMAN.index("right_knee")) in group)
    for left, right in groups[legs]:
        crossing[:, left, 0] = 400 + 60 * np.cos(np.arange(T) / 12)
        crossing[:, right, 0] = 400 - 60 * np.cos(np.arange(T) / 12)
    assert find_swaps(crossing, groups, 300.0, 0.0, 0)[:, legs].any()
    origin = repaired(crossing, score)[2]
    assert not (origin[:, np.array(groups[legs]).ravel()] == REFINED).any()


def test_a_joint_s_score_changes_sides_with_its_point(walker) -> None:
    true, _ = walker
    score = np.where(np.arange(len(HUMAN.joints)) == HUMAN.index("left_knee"), 0.9, 0.8) * np.ones((T, 1))
    groups = mirror_groups(HUMAN)[1]
    legs = next(i for i, group in enumerate(groups) if (HUMAN.index("left_knee"), HUMAN.index("right_knee")) in group)
    swaps = np.zeros((T, len(groups)), bool)
    swaps[30:33, legs] = True
    _, out, origin = repaired(apply_swaps(true, groups, swaps), apply_swaps(score, groups, swaps))
    assert (origin[30:33, HUMAN.index("left_knee")] == REFINED).all()
    for joint, expected in (("left_knee", 0.9), ("right_knee", 0.8)):
        np.testing.assert_allclose(out[28:35, HUMAN.index(joint)], expected, atol=1e-6)


def test_smoothing_is_exact_on_parabolas_at_any_rate_and_keeps_missing_points_missing() -> None:
    seconds = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 40))
    points = np.stack([3 + 50 * seconds + 20 * seconds**2, 100 - 7 * seconds], axis=1)[:, None]
    points[5] = np.nan
    smooth = smooth_points(points, np.ones((40, 1)), seconds, 0.08)
    np.testing.assert_allclose(smooth, points, atol=1e-6)


def test_smoothing_is_symmetric_in_time() -> None:
    points = np.random.default_rng(0).normal(0, 5, (30, 2, 2))
    seconds, score = np.arange(30) / 25, np.ones((30, 2))
    backwards = smooth_points(points[::-1], score, seconds, 0.1)[::-1]
    np.testing.assert_allclose(smooth_points(points, score, seconds, 0.1), backwards, atol=1e-9)


def test_joints_are_smoothed_each_by_itself() -> None:
    random = np.random.default_rng(1)
    points, score = random.normal(0, 5, (30, 11, 2)), random.uniform(0.1, 1, (30, 11))
    seconds = np.arange(30) / 25
    alone = [smooth_points(points[:, [joint]], score[:, [joint]], seconds, 0.1) for joint in range(11)]
    np.testing.assert_array_equal(smooth_points(points, score, seconds, 0.1), np.concatenate(alone, axis=1))


@pytest.mark.parametrize("at_once", [1, 2, 7, T - 1])
def test_sides_are_put_right_alike_however_many_frames_are_measured_at_once(walker, monkeypatch, at_once: int) -> None:
    groups = mirror_groups(HUMAN)[1]
    swaps = np.random.default_rng(2).random((T, len(groups))) < 0.2
    exchanged = apply_swaps(walker[0], groups, swaps)
    exchanged[20:24] = np.nan
    whole = find_swaps(exchanged, groups, 300.0, 0.01, 0)
    monkeypatch.setattr("pipeline.pose.swap.AT_ONCE", at_once)
    np.testing.assert_array_equal(find_swaps(exchanged, groups, 300.0, 0.01, 0), whole)
    assert whole.any()


def test_a_long_track_is_repaired_in_the_room_of_a_few_copies(walker, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.pose.swap.AT_ONCE", 100)  # what is measured at once does not grow with the track
    points, score = (np.resize(array, (30 * T, *array.shape[1:])) for array in walker)
    repaired(*walker)  # what is imported on the way is no part of it
    tracemalloc.start()
    repaired(points, score, clock=Clock.regular("25", len(points)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * points.nbytes


def test_gaps_longer_than_allowed_and_at_the_ends_stay() -> None:
    points = np.arange(20.0)[:, None, None].repeat(2, axis=2)
    points[[0, 1, 8, 9, 10, 15, 19]] = np.nan
    filled = fill_gaps(points, np.ones(20, bool), 2, np.arange(20.0))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(filled[:, 0, 0])), [0, 1, 8, 9, 10, 19])
    np.testing.assert_allclose(filled[15, 0], 15)


@pytest.mark.parametrize("straight", [True, False])
def test_a_gap_is_filled_by_the_time_its_frames_were_shown(straight: bool) -> None:
    times = np.concatenate([np.arange(10.0), np.arange(12.0, 22)])
    points = (7 * times)[:, None, None].repeat(2, axis=2)
    points[8:11] = np.nan
    filled = fill_gaps(points, np.ones(20, bool), 5, times, straight)
    np.testing.assert_allclose(filled[:, 0, 0], 7 * times)


@pytest.mark.parametrize("seen", range(2, 13))
def test_a_person_seen_for_a_moment_has_no_runs_of_jumps_longer_than_that(seen: int, walker) -> None:
    points, score = (a[:seen] for a in walker)
    longest = PARAMS.model_copy(update={"repair": PARAMS.repair.model_copy(update={"max_jump_frames": 10})})
    out, _, origin = repair_track(points, score, MEASURED, Clock.regular("25", seen), HUMAN, None, longest)
    np.testing.assert_array_equal(np.isfinite(out), np.isfinite(points))
    assert not (origin == DROPPED).any()


def test_a_skeleton_of_two_joints_is_repaired() -> None:
    rod = Skeleton("rod", ("a", "b"), "a", (Limb("a", "b", (255, 0, 0), 1.0, True),), (), {}, (), ())
    true = np.stack([np.stack([np.arange(T) * 2.0, np.zeros(T)], 1), np.stack([np.arange(T) * 2.0 + 100, np.zeros(T)], 1)], 1)
    points = true.copy()
    points[20, 1] += (80, 0)
    out, _, origin = repair_track(points, np.ones((T, 2)), IMPORTED, CLOCK, rod, None, PARAMS)
    assert origin[20, 1] == INTERPOLATED
    np.testing.assert_allclose(out, true, atol=1e-6)
