"""Body parts that driver or target never show, on figures whose truth is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure import Figure, Motion, human, truth

from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.motion.params import MotionParams
from pipeline.motion.retarget import retarget
from pipeline.motion.unseen import name_parts, to_fill
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams

PARAMS = read_section(Path(__file__).parents[2] / "params.yaml", "motion", MotionParams)
SPLIT = SplitParams(hold_out_fraction=0.2)
IN_PLACE = Motion(phase=1.0)
HUMAN = human()
FEET = [f"{side}_{part}" for side in ("left", "right") for part in ("ankle", "heel", "toe")]
KNEES, HIPS = ["left_knee", "right_knee"], ["left_hip", "right_hip"]
LEGS = HIPS + KNEES + FEET


def at(names) -> list[int]:
    return [HUMAN.index(name) for name in names]


def person(height: float, t: int = 80, motion: Motion = IN_PLACE, foot_xy=(210, 280)) -> Track:
    figure = Figure(height)
    return truth(figure.points(t, foot_xy, motion), figure.joints, HUMAN, (300, 420)).track()


def without(track: Track, names, frames=slice(None)) -> Track:
    points, score = track.points.copy(), track.score.copy()
    points[frames, at(names)] = np.nan
    score[frames, at(names)] = 0
    return replace(track, points=points, score=score)


def run(driver: Track, target: Track, **changes) -> Track:
    return retarget(driver, target, SPLIT, PARAMS.model_copy(update=changes)).track()


def facts(motion: Track) -> dict:
    return motion.attributes["retargeting"]


def joint(track: Track, name: str) -> np.ndarray:
    return track.points[:, HUMAN.index(name)]


def length(track: Track, a: str, b: str) -> float:
    return float(np.nanpercentile(np.linalg.norm(joint(track, a) - joint(track, b), axis=-1), 90))


def shown(track: Track) -> set[str]:
    return {name for name in HUMAN.joints if np.isfinite(joint(track, name)).all()}


@pytest.mark.parametrize("hidden", [LEGS, KNEES + FEET, FEET])
@pytest.mark.parametrize("method", ["bone_ratio", "ankle_height"])
def test_a_bust_makes_the_target_appear_whole(hidden, method):
    driver, target = person(240, motion=Motion(sway=0.03)), person(150)
    motion = run(without(driver, hidden), target, method=method)
    assert shown(motion) == shown(target)
    assert (motion.origin[:, at(hidden)] == ORIGINS.index("retargeted")).all()
    assert (motion.score[:, at(hidden)] == 1).all()
    for up, down in (("left_hip", "left_knee"), ("right_knee", "right_ankle"), ("left_ankle", "left_toe")):
        assert length(motion, up, down) == pytest.approx(length(target, up, down), rel=0.12)
    seen = [name for name in shown(target) if name not in hidden]
    bare = run(without(driver, hidden), target, method=method, unseen="none")
    assert motion.points[:, at(seen)] == pytest.approx(bare.points[:, at(seen)], abs=1e-4)
    assert np.isnan(bare.points[:, at(hidden)]).all()


def test_unseen_feet_keep_the_targets_ground_while_the_trunk_bobs_and_sways():
    driver, target = person(150, motion=Motion(sway=0.04, period=20)), person(150)
    bob = 3 * np.sin(np.arange(80) / 3)
    driver = replace(driver, points=driver.points + np.stack([0 * bob, bob], axis=1)[:, None].astype(np.float32))
    motion = run(without(driver, LEGS), target)
    for name in ("left_ankle", "right_toe"):
        there = np.median(joint(target, name)[:64], axis=0)
        assert np.ptp(joint(motion, name)[:, 1]) < 1.0
        assert joint(motion, name)[:, 1] == pytest.approx(np.full(80, there[1]), abs=4)
        assert np.ptp(joint(motion, name)[:, 0]) < 0.5 * np.ptp(joint(driver, "neck")[:, 0])
    hips = joint(motion, "left_hip")[:, 1] - joint(motion, "neck")[:, 1]
    assert np.ptp(hips) < 1e-3  # the trunk is never compressed
    assert np.ptp(joint(motion, "left_hip")[:, 1]) == pytest.approx(np.ptp(joint(motion, "neck")[:, 1]), abs=0.01)


def test_legs_leave_the_ground_rather_than_tear():
    driver, target = person(150), person(150)
    leap = np.where((np.arange(80) > 40) & (np.arange(80) < 50), -60, 0)
    driver = replace(driver, points=driver.points + np.stack([0 * leap, leap], axis=1)[:, None].astype(np.float32))
    motion = run(without(driver, LEGS), target, keep_within="free")
    leg = np.linalg.norm(joint(motion, "left_hip") - joint(motion, "left_ankle"), axis=1)
    assert leg.max() <= (0.235 + 0.22) * 150 * 1.001
    assert joint(motion, "left_ankle")[45, 1] < joint(motion, "left_ankle")[20, 1] - 30


def test_unseen_knees_bend_to_the_side_that_the_targets_do():
    target = person(150)
    points = target.points.copy()
    points[:, HUMAN.index("left_knee"), 0] += 12
    target = replace(target, points=points)
    motion = run(without(person(240), LEGS), target)

    def aside(track: Track) -> float:
        """How far the left knee lies beside the line from hip to ankle, usually; px."""
        hip, knee, ankle = (joint(track, f"left_{name}") for name in ("hip", "knee", "ankle"))
        leg = (ankle - hip) / np.linalg.norm(ankle - hip, axis=1, keepdims=True)
        return float(np.median(leg[:, 0] * (knee - hip)[:, 1] - leg[:, 1] * (knee - hip)[:, 0]))

    assert abs(aside(target)) > 8
    assert aside(motion) == pytest.approx(aside(target), rel=0.15)


def test_forearms_go_with_the_arm_and_upper_arms_hang():
    target = person(150, motion=Motion(wave=0.0))
    driver = person(150, motion=Motion(wave=1.5))
    hand = [f"left_{part}" for part in ("wrist", "thumb_mcp", "index_mcp", "pinky_mcp")]
    motion = run(without(driver, hand), target)

    def bend(track: Track) -> np.ndarray:
        upper, lower = (joint(track, b) - joint(track, a) for a, b in (("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")))
        return np.arctan2(upper[:, 0] * lower[:, 1] - upper[:, 1] * lower[:, 0], (upper * lower).sum(axis=1))

    assert bend(motion) == pytest.approx(np.full(80, np.median(bend(target))), abs=1e-3)
    assert np.ptp(joint(motion, "left_wrist") - joint(motion, "left_elbow"), axis=0).max() > 5
    motion = run(without(driver, ["left_elbow", *hand]), target)
    fixed = joint(motion, "left_elbow") - joint(motion, "left_shoulder")
    assert np.ptp(fixed, axis=0).max() < 1e-3
    assert fixed[0] == pytest.approx(np.median(joint(target, "left_elbow") - joint(target, "left_shoulder"), axis=0), abs=0.5)


def test_an_elbow_above_a_hand_that_is_shown_stays_out():
    motion = run(without(person(150), ["left_elbow"]), person(150))
    assert np.isnan(joint(motion, "left_elbow")).all()
    assert np.isfinite(joint(motion, "left_wrist")).all()


def test_hips_shown_now_and_then_are_taken_as_usual_and_mostly_shown_ones_are_held():
    driver, target = person(150, motion=Motion(sway=0.05)), person(150)
    legless = without(driver, KNEES + FEET)
    seldom, mostly = without(legless, HIPS, slice(0, 60)), without(legless, HIPS, slice(20, 40))
    usual = run(without(legless, HIPS), target)
    assert run(seldom, target).points == pytest.approx(usual.points, abs=0.01, nan_ok=True)
    held = run(mostly, target)
    assert shown(held) == shown(target)
    assert (held.score[:, at(HIPS)] > 0).all()
    off = joint(held, "left_hip") - joint(held, "neck")
    assert np.linalg.norm(np.diff(off[18:42], axis=0), axis=1).max() < 1.5  # no jump at the gap's ends


def test_what_the_target_never_shows_stays_undrawn():
    driver, target = person(240), without(person(150), LEGS)
    motion = run(driver, target)
    assert np.isnan(motion.points[:, at(LEGS)]).all()
    assert (motion.origin[:, at(LEGS)] == ORIGINS.index("dropped")).all()
    assert (motion.score[:, at(LEGS)] == 0).all()
    assert shown(motion) == shown(target)
    assert joint(motion, "neck")[:, 1].mean() == pytest.approx(joint(target, "neck")[:, 1].mean(), abs=3)
    both = run(without(driver, LEGS), target)
    assert shown(both) == shown(target)
    assert not any("never shows" in line for line in facts(both)["warnings"])


def test_one_line_says_what_the_driver_never_shows():
    driver, target = without(person(240), [*FEET, "left_wrist", "left_thumb_mcp", "left_index_mcp", "left_pinky_mcp"]), person(150)
    lines = [line for line in facts(run(driver, target))["warnings"] if "never shows" in line]
    assert lines == [
        "the driver never shows left wrist, ankles, heels, toes and fingers: they hold the target's usual pose "
        "(motion.unseen: none leaves them out)"
    ]
    lines = [line for line in facts(run(driver, target, unseen="none"))["warnings"] if "never shows" in line]
    assert lines == ["the driver never shows left wrist, ankles, heels, toes and fingers: they stay undrawn (motion.unseen: none)"]
    lines = [line for line in facts(run(target, driver))["warnings"] if "never shows" in line]
    assert lines == ["the target never shows left wrist, ankles, heels, toes and fingers: they stay undrawn"]
    assert not [line for line in facts(run(person(240), target))["warnings"] if "never shows" in line]


def test_the_driver_as_filmed_is_left_alone():
    bust, target = without(person(240), LEGS), person(150)
    as_filmed = run(bust, target, method="none")
    assert np.array_equal(as_filmed.points, bust.points, equal_nan=True)
    slips = without(person(150), FEET, slice(1, None))  # a foot seen once, in one frame of its own clip
    assert np.array_equal(np.isnan(run(slips, slips).points), np.isnan(slips.points))


def test_which_joints_are_filled():
    names = np.array(HUMAN.joints)
    every = np.ones(len(names), bool)
    gone = {"left_hip", "right_elbow", "left_ankle"}
    seen = ~np.isin(names, list(gone))
    filled = set(names[to_fill(seen, seen, every, HUMAN)])
    assert filled == {"left_hip", "left_knee", "left_ankle", "left_heel", "left_toe"}  # the right elbow has a hand below it
    assert not to_fill(every, every, every, HUMAN).any()
    assert not to_fill(seen, seen, seen, HUMAN).any()
    assert name_parts(np.isin(names, ["left_hip", "right_hip", "left_knee", "left_index_tip"]), HUMAN) == ["hips", "left knee", "fingers"]
