"""Laws of how a head is held: as high above the neck as the target's own in like poses, with the driver's nods and turns."""

from dataclasses import replace

import numpy as np
import pytest
from motion.test_retarget import HUMAN, IN_PLACE, driver_track, facts, joint, run, target_track

from pipeline.artifacts.keypoints import Track

FACE = [HUMAN.index(name) for name in HUMAN.face.joints]
NODS = 3 * np.sin(np.arange(96) / 5)


def raised(track: Track, px: float | np.ndarray) -> Track:
    """The same with the face so many px higher above the neck, as a camera sees it that looks up at somebody."""
    points = track.points.copy()
    points[:, FACE, 1] -= np.broadcast_to(px, len(points))[:, None]
    return replace(track, points=points)


def turned(track: Track, share: float) -> Track:
    """The same with all joints so many times as far from the neck across: 1 from the front, 0.1 from the side, -1 from behind."""
    points, neck = track.points.copy(), joint(track, "neck")[:, None, 0]
    points[..., 0] = neck + share * (points[..., 0] - neck)
    return replace(track, points=points)


def above(track: Track, name: str = "nose") -> np.ndarray:
    return (joint(track, "neck") - joint(track, name))[:, 1]


@pytest.mark.parametrize("down", ["driver", "target"])
def test_a_face_that_hangs_lower_than_the_targets_is_raised_and_one_higher_lowered(down):
    """One of the two looks down, or is looked down on, but for a moment by which necks are measured."""
    tracks = {"driver": driver_track(motion=IN_PLACE), "target": target_track()}
    tracks[down] = raised(tracks[down], np.where(np.arange(len(tracks[down].points)) % 6, -6.0, 0.0))
    target = tracks["target"]
    motion, kept = (run(tracks["driver"], target, head=head) for head in ("match", "keep"))
    for name in ("nose", "left_eye", "right_ear"):
        assert np.median(above(motion, name)) == pytest.approx(np.median(above(target, name)), abs=0.4)
        assert abs(np.median(above(kept, name)) - np.median(above(target, name))) > 3
    assert (facts(motion)["head"]["nose"] > 0) == (down == "driver")
    assert facts(kept)["head"] == {}


def test_nods_stay_the_drivers():
    target = target_track()
    motion, level = (run(raised(driver_track(motion=IN_PLACE), 8 + nods), target) for nods in (NODS, 0 * NODS))
    ratio = facts(motion)["ratios"]["neck-nose"]
    got = above(motion) - np.median(above(motion))
    assert got == pytest.approx(ratio * (NODS - np.median(NODS)), abs=0.5)
    assert np.median(above(motion)) == pytest.approx(np.median(above(level)), abs=1)


def test_a_target_that_shows_heads_high_and_low_leaves_the_drivers_where_it_is():
    driver, target = driver_track(motion=IN_PLACE), target_track()
    target = raised(target, np.where(np.arange(80) % 2, 6.0, -6.0))
    assert max(map(abs, facts(run(driver, target))["head"].values())) < 2


def test_only_poses_like_the_drivers_say_how_high_a_head_is_held():
    """The target looks down while its arms are held out, and up for longer, while they are raised; the driver's are held out."""
    driver, target = driver_track(motion=IN_PLACE), target_track()
    up = np.arange(80) % 8 != 0
    target = raised(target, np.where(up, 6.0, -6.0))
    points = target.points.copy()
    for side, sign in (("left", 1), ("right", -1)):
        shoulder = joint(target, f"{side}_shoulder")
        for name in ("elbow", "wrist"):
            x, y = (joint(target, f"{side}_{name}") - shoulder)[up].T
            points[up, HUMAN.index(f"{side}_{name}")] = shoulder[up] + np.stack([sign * y, -sign * x], 1)
    target = replace(target, points=points)
    assert np.median(above(run(driver, target))) == pytest.approx(np.median(above(target)[~up]), abs=1)


@pytest.mark.parametrize("share", [-1.0, 0.1])
def test_from_the_side_and_from_behind_nothing_is_known(share):
    driver, target = raised(driver_track(motion=IN_PLACE), 8), target_track()
    assert facts(run(turned(driver, share), target, sides="keep"))["head"] == {}
    assert facts(run(driver, turned(target, share), sides="keep"))["head"] == {}


def test_who_turns_away_is_moved_less_and_less():
    """A quarter of a turn in the middle of a clip: no jump from frame to frame."""
    driver, target = driver_track(motion=IN_PLACE), raised(target_track(), np.where(np.arange(80) % 6, -6.0, 0.0))
    points, neck = driver.points.copy(), joint(driver, "neck")[:, None, 0]
    share = np.cos(np.pi * np.clip((np.arange(96) - 40) / 30, 0, 1))
    points[..., 0] = neck + share[:, None] * (points[..., 0] - neck)
    turning = replace(driver, points=points)
    moved = np.abs(above(run(turning, target, sides="keep")) - above(run(turning, target, sides="keep", head="keep")))
    assert moved[-20:] == pytest.approx(np.zeros(20), abs=0.01)
    assert moved[:35].min() > 3
    assert np.abs(np.diff(moved)).max() < 0.4 * moved.max()


def test_eyes_and_ears_move_alike_on_both_sides_and_an_unseen_one_with_the_rest():
    driver, target = raised(driver_track(motion=IN_PLACE), 8), target_track()
    points = target.points.copy()
    points[:, HUMAN.index("left_ear"), 1] += 5
    points[:, [HUMAN.index("left_eye"), HUMAN.index("right_eye")]] = np.nan
    moved = facts(run(driver, replace(target, points=points)))["head"]
    assert moved["left_ear"] == moved["right_ear"]
    assert min(moved.values()) <= moved["left_eye"] <= max(moved.values())
