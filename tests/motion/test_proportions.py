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


@pytest.mark.parametrize("seated", ["driver", "target"])
def test_who_sits_facing_the_camera_keeps_the_drivers_legs(seated):
    """Thighs look a fifth as long: nothing is known of them but that they belong to the body, and the body travels as far as it would."""
    tracks = {"driver": driver_track(motion=IN_PLACE), "target": driver_track(motion=IN_PLACE)}
    points = tracks[seated].points.copy()
    for side in ("left", "right"):
        hip, knee, *rest = (HUMAN.index(f"{side}_{name}") for name in ("hip", "knee", "ankle", "heel", "toe"))
        up = 0.8 * (points[:, hip] - points[:, knee])
        points[:, [knee, *rest]] += up[:, None]
    tracks[seated] = replace(tracks[seated], points=points)
    motion = run(tracks["driver"], tracks["target"])
    assert {"left_hip-left_knee", "right_hip-right_knee"} <= set(facts(motion)["limited"])
    assert thigh(motion) == pytest.approx(thigh(tracks["driver"]), rel=0.2)
    assert facts(motion)["placement"]["scale"] == pytest.approx(1, abs=0.1)


def test_a_joint_whose_parent_is_missing_is_as_far_from_its_grandparent_as_the_targets():
    driver, target = driver_track(motion=IN_PLACE), target_track()
    points = driver.points.copy()
    points[:, HUMAN.index("left_elbow")] = np.nan
    motion = run(replace(driver, points=points), target)
    assert length(motion, "left_shoulder", "left_wrist") == pytest.approx(length(target, "left_shoulder", "left_wrist"), rel=0.03)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_few_pictures_drive_as_a_clip_does(frames):
    """A folder of pictures may hold fewer than min_frames."""
    driver, target = driver_track(frames, IN_PLACE), target_track()
    motion = run(driver, target)
    assert length(motion, *FOREARMS[0]) == pytest.approx(length(target, *FOREARMS[0]), rel=0.03)
    assert facts(motion)["placement"]["anchor"] == "ankles"


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


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("sits", ["driver", "target"])
def test_who_sits_down_has_not_gone_far_away(sits, share):
    """Seated on the ground the feet lie a little higher in the picture, and the head is half as high over them."""
    tracks = {"driver": driver_track(100, IN_PLACE), "target": target_track(100, IN_PLACE)}
    tracks[sits] = seated(tracks[sits], round(100 * (1 - share)))
    motion = retarget(tracks["driver"], tracks["target"], ALL, PARAMS).track()

    def trunk(track: Track) -> np.ndarray:
        return np.linalg.norm(joint(track, "neck") - joint(track, "left_hip"), axis=-1)

    assert trunk(motion) / trunk(tracks["driver"]) == pytest.approx(
        np.full(100, trunk(tracks["target"])[0] / trunk(tracks["driver"])[0]), rel=0.05
    )
    assert facts(motion)["placement"]["slope"] == pytest.approx(facts(motion)["placement"]["scale"])


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_who_stands_on_the_hands_stays_in_the_picture(share):
    driver, target = driver_track(100, IN_PLACE), target_track(100, IN_PLACE)
    points, start = driver.points.copy(), round(100 * (1 - share))
    low, high = np.nanmax(points[0, :, 1]), np.nanmin(points[0, :, 1])
    points[start:, :, 1] = low + high - points[start:, :, 1]
    motion = retarget(replace(driver, points=points), target, ALL, PARAMS).track()
    floor = np.nanmax(target.points[..., 1])
    assert np.nanmax(motion.points[..., 1], axis=1)[start + 30 :] == pytest.approx(np.full(100 - start - 30, floor), abs=30)
    if start:
        assert np.nanmax(motion.points[:10, :, 1]) == pytest.approx(floor, abs=5)


def seated(track: Track, start: int) -> Track:
    """On the ground from a frame on: knees aside, ankles 0.12 heights higher, hips just above them."""
    points = track.points.copy()
    legs = [i for i, name in enumerate(HUMAN.joints) if name.split("_")[-1] in ("knee", "ankle", "heel", "toe")]
    height = float(joint(track, "left_ankle")[0, 1] - joint(track, "nose")[0, 1])
    rest = [i for i in range(len(HUMAN.joints)) if i not in legs]
    points[start:, rest] += np.array([0, 0.36 * height], np.float32)
    points[start:, legs] -= np.array([0, 0.12 * height], np.float32)
    for side, sign in (("left", 1), ("right", -1)):
        points[start:, HUMAN.index(f"{side}_knee")] = points[start:, HUMAN.index(f"{side}_hip")] + np.array([sign * 0.2, 0.04]) * height
    return replace(track, points=points)


def test_a_body_is_moved_as_a_whole_and_slowly():
    """What trembles from frame to frame about its own way trembles as much when it stands at its place."""
    driver, target = body(driver_track(motion=STEPS)), body(target_track())
    middle, seconds = shared_centre(driver, target), np.arange(len(driver.points)) / 25
    trembling = 0.75 * driver.points + np.array([5.0, 0.0]) * (-1.0) ** np.arange(len(driver.points))[:, None, None]
    level = find_level(driver, target, 0.75, middle)
    shift = (place(trembling, driver, target, level, 0.75, middle, seconds) - trembling)[:, HUMAN.index("neck")]
    assert np.abs(np.diff(shift, axis=0)).max() < 1
