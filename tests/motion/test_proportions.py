"""Laws of sizes in retargeting: how long limbs become, how large a body is at its distance, and how slowly the whole is moved."""

from dataclasses import replace

import numpy as np
import pytest
from figure import Motion
from motion.test_retarget import HUMAN, IN_PLACE, PARAMS, STEPS, driver_track, facts, joint, length, run, target_track

from pipeline.artifacts.keypoints import Track
from pipeline.motion.body import Body, shared_centre
from pipeline.motion.placement import find_level, place
from pipeline.motion.retarget import retarget
from pipeline.timeline.split import SplitParams

ALL = SplitParams(hold_out_fraction=0.0)
FOREARMS = [(f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")]


def body(track: Track) -> Body:
    points = track.points.astype(np.float64)
    return Body(points, np.isfinite(points[..., 0]), np.ones(len(points), bool), track.skeleton, PARAMS)


def thigh(track: Track) -> np.ndarray:
    return np.linalg.norm(joint(track, "left_hip") - joint(track, "left_knee"), axis=-1)


def test_a_limb_grows_within_the_limit_and_is_named():
    """Forearms that always point at the camera look a fifth as long: nobody believes that the target's are five times as long."""
    driver, target = driver_track(), target_track()
    points = driver.points.copy()
    for elbow, wrist in FOREARMS:
        a, b = HUMAN.index(elbow), HUMAN.index(wrist)
        points[:, b] = points[:, a] + 0.2 * (points[:, b] - points[:, a])
    motion = run(replace(driver, points=points), target)
    assert set(facts(motion)["limited"]) >= {"-".join(limb) for limb in FOREARMS}
    assert length(motion, *FOREARMS[0]) < 0.6 * length(target, *FOREARMS[0])
    free = run(replace(driver, points=points), target, ratio_limit=10.0)
    assert length(free, *FOREARMS[0]) == pytest.approx(length(target, *FOREARMS[0]), rel=0.02)


def test_a_joint_whose_parent_is_missing_is_as_far_from_its_grandparent_as_the_targets():
    driver, target = driver_track(motion=IN_PLACE), target_track()
    points = driver.points.copy()
    points[:, HUMAN.index("left_elbow")] = np.nan
    motion = run(replace(driver, points=points), target)
    assert length(motion, "left_shoulder", "left_wrist") == pytest.approx(length(target, "left_shoulder", "left_wrist"), rel=0.03)


def test_on_level_ground_a_body_is_as_large_as_the_target_is_there():
    """The target walks to and fro towards the camera, and is larger near by than the driver will ever stand."""
    target = target_track(150, Motion(depth=0.25, lift=0.0, period=24))
    motion = retarget(driver_track(), target, ALL, PARAMS).track()
    stands = np.median(joint(motion, "left_ankle")[:, 1])
    there = np.abs(joint(target, "left_ankle")[:, 1] - stands) < 2
    assert there.sum() >= 5
    assert np.percentile(thigh(motion), 90) == pytest.approx(np.percentile(thigh(target)[there], 90), rel=0.04)


@pytest.mark.parametrize("depth", [0.12, 0.4])
def test_nearer_and_farther_a_body_grows_as_the_target_does(depth):
    """Driver and target walk to and fro over different ranges: where the motion's feet are, it is as large as the target is there."""
    target = target_track(150, Motion(depth=0.25, lift=0.0, period=24))
    motion = retarget(driver_track(150, Motion(depth=depth, lift=0.0, period=24)), target, ALL, PARAMS).track()
    feet, others = (joint(track, "left_ankle")[:, 1] for track in (motion, target))
    order = np.argsort(others)
    for t in (np.argmin(feet), np.argmax(feet)):
        assert thigh(motion)[t] == pytest.approx(np.interp(feet[t], others[order], thigh(target)[order]), rel=0.08)


def test_a_body_is_moved_as_a_whole_and_slowly():
    """What trembles from frame to frame about its own way trembles as much when it stands at its place."""
    driver, target = body(driver_track(motion=STEPS)), body(target_track())
    middle, seconds = shared_centre(driver, target), np.arange(len(driver.points)) / 25
    trembling = 0.75 * driver.points + np.array([5.0, 0.0]) * (-1.0) ** np.arange(len(driver.points))[:, None, None]
    level = find_level(driver, target, 0.75, middle)
    shift = (place(trembling, driver, target, level, 0.75, middle, seconds) - trembling)[:, HUMAN.index("neck")]
    assert np.abs(np.diff(shift, axis=0)).max() < 1
