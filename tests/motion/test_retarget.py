"""Laws of retargeting, on figures whose truth is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from figure import Figure, Motion, human, truth, worm, worm_skeleton

from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.errors import InputError
from pipeline.motion.params import MotionParams
from pipeline.motion.retarget import retarget
from pipeline.timeline.split import SplitParams

SPLIT = SplitParams(hold_out_fraction=0.2)
PARAMS = MotionParams(
    method="bone_ratio",
    score_threshold=0.3,
    limb_percentile=90,
    ratio_limit=2.0,
    symmetric=True,
    lean="match",
    sides="match",
    head="match",
    min_frames=5,
    median_frac=0.7,
    depth_range=0.1,
    smoothing_frames=7,
    contact_speed=0.15,
    drift_seconds=4.0,
    keep_within="frame",
    room=1.2,
    unseen="none",
)
HUMAN = human()
STEPS = Motion(travel=0.3, period=30)
IN_PLACE = Motion(phase=1.0)
OTHER = {"thigh": 1.2, "shin": 0.8, "upper_arm": 1.3, "forearm": 0.7, "hips": 1.3, "head": 1.2, "torso": 0.85}


def driver_track(t: int = 96, motion: Motion = STEPS) -> Track:
    figure = Figure(200)
    return truth(figure.points(t, (120, 300), motion), figure.joints, HUMAN, (340, 480)).track()


def target_track(t: int = 80, motion: Motion = IN_PLACE, height: float = 150) -> Track:
    figure = Figure(height, OTHER)
    return truth(figure.points(t, (150, 280), motion), figure.joints, HUMAN, (300, 420), "30000/1001").track()


def run(driver: Track, target: Track, **changes) -> Track:
    return retarget(driver, target, SPLIT, PARAMS.model_copy(update=changes)).track()


def facts(motion: Track) -> dict:
    return motion.attributes["retargeting"]


def joint(track: Track, name: str) -> np.ndarray:
    return track.points[:, track.skeleton.index(name)]


def length(track: Track, a: str, b: str) -> float:
    return float(np.nanpercentile(np.linalg.norm(joint(track, a) - joint(track, b), axis=-1), 90))


@pytest.mark.parametrize("method", ["none", "ankle_height", "bone_ratio"])
@pytest.mark.parametrize("motion", [STEPS, Motion(depth=0.25)])
def test_a_track_on_itself_is_the_identity(method, motion):
    track = driver_track(motion=motion)
    motion_ = run(track, track, method=method)
    assert np.nanmax(np.abs(motion_.points - track.points)) < 0.01
    assert np.array_equal(np.isnan(motion_.points), np.isnan(track.points))


def test_limbs_take_the_targets_lengths():
    target = target_track()
    motion = run(driver_track(), target)
    for limb in HUMAN.limbs:
        if all(np.isfinite(joint(target, name)).any() for name in (limb.parent, limb.child)):
            assert length(motion, limb.parent, limb.child) == pytest.approx(length(target, limb.parent, limb.child), rel=0.02)


def test_limbs_keep_the_drivers_directions_and_foreshortening():
    driver, target = driver_track(), target_track()
    motion = run(driver, target)
    own, got = (joint(track, "left_elbow") - joint(track, "left_shoulder") for track in (driver, motion))
    assert got == pytest.approx(own * 0.75 * 1.3, abs=0.01)  # heights 150 / 200, upper arm × 1.3


def with_hands(track: Track, length: float, fold: float) -> Track:
    """The track with whole hands of so many px that hang on its wrists, each finger straight down and folded by so many radians."""
    points, score = track.points.copy(), track.score.copy()
    for side in ("left", "right"):
        for i, finger in enumerate(("thumb", "index", "middle", "ring", "pinky")):
            joints = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
            below = points[:, HUMAN.index(f"{side}_wrist")].copy()
            for k, name in enumerate(joints):
                angle, own = 0.1 * (i - 2) + fold * k, HUMAN.index(f"{side}_{finger}_{name}")
                below = below + length / 4 * np.array([np.sin(angle), np.cos(angle)])
                points[:, own], score[:, own] = below, 0.9
    return replace(track, points=points.astype(np.float32), score=score)


def test_fingers_keep_their_directions_at_the_size_of_the_targets_palm():
    driver, target = with_hands(driver_track(), 40, 0.6), with_hands(target_track(), 24, 0.0)
    motion = run(driver, target)
    for a, b in (("wrist", "index_mcp"), ("index_mcp", "index_pip"), ("ring_dip", "ring_tip")):
        own, got = (joint(track, f"left_{b}") - joint(track, f"left_{a}") for track in (driver, motion))
        assert got == pytest.approx(own * 0.6, abs=0.01)
    # a fist that never opens does not grow: how long fingers look says nothing of the hand
    shut = driver.points.copy()
    for side in ("left", "right"):
        for name in ("index_pip", "index_dip", "index_tip"):
            shut[:, HUMAN.index(f"{side}_{name}")] = shut[:, HUMAN.index(f"{side}_index_mcp")] + 1
    motion = run(replace(driver, points=shut), target)
    assert length(motion, "left_index_mcp", "left_index_pip") == pytest.approx(2**0.5 * 0.6, abs=0.01)


def test_fingers_of_one_of_the_two_take_nothing_from_the_body():
    bare, driver = run(driver_track(), target_track()), with_hands(driver_track(), 40, 0.6)
    rest = [name for name in HUMAN.joints if "thumb" not in name and name.split("_")[-1] not in ("mcp", "pip", "dip", "tip")]
    motion = run(driver, target_track())
    for name in rest:
        assert joint(motion, name) == pytest.approx(joint(bare, name), abs=0.5, nan_ok=True)
    assert not np.isfinite(joint(motion, "left_ring_tip")).any()
    assert motion.present.all()


def test_a_body_without_feet_is_not_led_by_waving_fingers():
    feet = [i for i, name in enumerate(HUMAN.joints) if name.split("_")[-1] in ("ankle", "heel", "toe")]
    still = with_hands(driver_track(), 40, 0.2)
    still.points[:, feet] = np.nan
    waving, fingers = still.points.copy(), sorted(HUMAN.fingers())
    waving[:, fingers] += (12 * np.sin(np.arange(len(waving)) / 3))[:, None, None]
    motions = [run(replace(still, points=points), with_hands(target_track(), 24, 0.0)) for points in (still.points, waving)]
    body = [i for i in range(len(HUMAN.joints)) if i not in (*fingers, *feet)]
    np.testing.assert_allclose(motions[0].points[:, body], motions[1].points[:, body], atol=0.01)
    assert np.abs(motions[0].points[:, fingers] - motions[1].points[:, fingers]).max() > 3


@pytest.mark.parametrize("method", ["ankle_height", "bone_ratio"])
def test_planted_feet_stay_planted(method):
    motion = run(driver_track(), target_track(), method=method)
    planted = Figure(200).planted(96, STEPS)
    for side, name in enumerate(("right", "left")):
        for part in ("heel", "toe", "ankle"):
            points = joint(motion, f"{name}_{part}")
            edges = np.flatnonzero(np.diff(np.concatenate([[0], planted[:, side], [0]]).astype(int)))
            for start, stop in zip(edges[::2], edges[1::2]):
                slide = np.linalg.norm(points[start:stop] - points[start], axis=-1).max()
                assert slide < 0.01 * facts(motion)["figures"]["height_px"]
    assert facts(motion)["figures"]["foot_slide_max"] < 0.01


def test_feet_stand_on_the_targets_ground():
    target = target_track()
    motion = run(driver_track(), target)
    lowest = np.nanmax(np.stack([joint(motion, "left_ankle")[:, 1], joint(motion, "right_ankle")[:, 1]]), axis=0)
    assert np.median(lowest) == pytest.approx(280 - 0.035 * 150, abs=1.5)


def test_walking_towards_the_camera_follows_the_targets_perspective():
    walk = Motion(depth=0.25, lift=0.0, period=24)
    driver, target = driver_track(150, walk), target_track(150, walk)
    motion = retarget(driver, target, SplitParams(hold_out_fraction=0.0), PARAMS).track()
    ankles = {name: joint(track, "left_ankle")[:, 1] for name, track in (("target", target), ("motion", motion))}
    near, far = np.argmax(ankles["target"]), np.argmin(ankles["target"])
    assert ankles["motion"][near] == pytest.approx(ankles["target"][near], abs=0.03 * 150)
    assert ankles["motion"][far] == pytest.approx(ankles["target"][far], abs=0.05 * 150)
    thigh = [np.linalg.norm(joint(motion, "left_hip") - joint(motion, "left_knee"), axis=-1)[i] for i in (far, near)]
    true = [np.linalg.norm(joint(target, "left_hip") - joint(target, "left_knee"), axis=-1)[i] for i in (far, near)]
    assert thigh == pytest.approx(true, rel=0.06)


@pytest.mark.parametrize("method", ["ankle_height", "bone_ratio"])
def test_moving_or_scaling_the_driver_changes_nothing(method):
    driver, target = driver_track(), target_track()
    moved = replace(driver, points=(driver.points * 1.5 + np.array([40, -60])).astype(np.float32))
    assert run(moved, target, method=method).points == pytest.approx(run(driver, target, method=method).points, abs=0.02, nan_ok=True)


def test_moving_the_target_moves_the_motion():
    driver, target = driver_track(), target_track()
    moved = replace(target, points=target.points + np.float32([30, -8]))
    before, after = (run(driver, t, keep_within="free").points for t in (target, moved))
    assert after - before == pytest.approx(np.broadcast_to([30, -8], before.shape) + 0 * before, abs=0.01, nan_ok=True)


def test_missing_stays_missing_and_nothing_else_is_touched():
    driver, target = driver_track(), target_track()
    gaps = driver.points.copy()
    gaps[10:20, HUMAN.index("left_wrist")] = np.nan
    gaps[30:33] = np.nan
    origin = np.where(np.isnan(gaps[..., 0]), ORIGINS.index("dropped"), driver.origin).astype(np.uint8)
    driver = replace(driver, points=gaps, origin=origin)
    before = [a.copy() for a in (driver.points, driver.score, driver.origin, target.points, target.score)]
    motion = run(driver, target)
    assert np.array_equal(np.isnan(motion.points), np.isnan(gaps))
    assert (motion.origin[np.isfinite(gaps[..., 0])] == ORIGINS.index("retargeted")).all()
    assert (motion.origin[10:20, HUMAN.index("left_wrist")] == ORIGINS.index("dropped")).all()
    assert (motion.score[np.isnan(gaps[..., 0])] == 0).all()
    for old, new in zip(before, (driver.points, driver.score, driver.origin, target.points, target.score)):
        assert np.array_equal(old, new, equal_nan=True)
    assert motion.clock == driver.clock
    assert motion.size_hw == target.size_hw


def test_a_missing_parent_does_not_move_its_children():
    driver, target = driver_track(), target_track()
    gaps = driver.points.copy()
    gaps[:, HUMAN.index("left_elbow")] = np.nan
    motion = run(replace(driver, points=gaps), target)
    hand = np.linalg.norm(joint(motion, "left_wrist") - joint(motion, "left_index_mcp"), axis=-1)
    assert hand == pytest.approx(np.full(96, 0.045 * 150), rel=1e-3)
    full = run(driver, target)
    others = [
        i
        for i, name in enumerate(HUMAN.joints)
        if not name.startswith(("left_elbow", "left_wrist", "left_thumb", "left_index", "left_pinky"))
    ]
    assert motion.points[:, others] == pytest.approx(full.points[:, others], abs=0.05, nan_ok=True)


@pytest.mark.parametrize("root_too", [False, True])
def test_half_a_body_is_placed_by_what_is_seen(root_too):
    driver, target = driver_track(), target_track()
    gaps = driver.points.copy()
    hidden = ["knee", "ankle", "heel", "toe", *(["hip"] if root_too else [])]
    gaps[:, [HUMAN.index(f"{side}_{name}") for side in ("left", "right") for name in hidden]] = np.nan
    if root_too:
        gaps[:, HUMAN.index("neck")] = np.nan
    motion = run(replace(driver, points=gaps), target)
    assert facts(motion)["placement"]["anchor"] == ("mean" if root_too else "hips")
    assert any("no ankles" in line for line in facts(motion)["warnings"])
    assert length(motion, "left_shoulder", "left_elbow") == pytest.approx(length(target, "left_shoulder", "left_elbow"), rel=0.02)
    full = run(driver, target)
    off = joint(motion, "nose")[:, 1] - joint(full, "nose")[:, 1]
    assert np.abs(off).max() < 0.15 * 150


def test_held_out_frames_of_the_target_change_nothing():
    target = target_track()
    points = target.points.copy()
    points[64:] += np.random.default_rng(0).normal(0, 5, points[64:].shape).astype(np.float32)
    assert np.array_equal(run(driver_track(), target).points, run(driver_track(), replace(target, points=points)).points, equal_nan=True)


def test_a_long_way_is_shortened_and_said():
    driver = driver_track(200, Motion(travel=1.2, stance=0.05))
    motion = run(driver, target_track())
    assert facts(motion)["placement"]["way_kept"] < 1
    assert any("shortened" in line for line in facts(motion)["warnings"])
    assert np.nanmin(motion.points[..., 0]) > -6
    assert np.nanmax(motion.points[..., 0]) < 426
    free = run(driver, target_track(), keep_within="free")
    assert facts(free)["figures"]["outside_share"] > 0.05
    assert any("outside the target's frame" in line for line in facts(free)["warnings"])


def test_keep_within_target_keeps_to_its_square():
    target = target_track()
    motion = run(driver_track(200, Motion(travel=0.5, stance=0.05)), target, keep_within="target", room=1.1)
    low, high = np.nanmin(target.points, axis=(0, 1)), np.nanmax(target.points, axis=(0, 1))
    half = (high - low).max() * 1.1 / 2 + 5
    middle = (low + high)[0] / 2
    assert middle - half < np.nanmin(motion.points[..., 0]) < np.nanmax(motion.points[..., 0]) < middle + half


def test_animals_are_carried_over_by_body_length():
    skeleton = worm_skeleton(3)
    small, large = worm(3, 20), worm(3, 40)
    driver = truth(small.points(40, (60, 60), 20), small.joints, skeleton, (120, 120)).track()
    target = truth(large.points(40, (100, 90), 30, period=17), large.joints, skeleton, (200, 220)).track()
    motion = run(driver, target)
    assert length(motion, "head", "body_1") == pytest.approx(20, rel=0.02)
    own, got = (np.diff(joint(track, "head"), axis=0) for track in (driver, motion))
    assert got == pytest.approx(2 * own, abs=0.5)
    assert np.nanmax(np.abs(run(driver, driver).points - driver.points)) < 0.01


def test_joints_are_matched_by_name():
    skeleton = worm_skeleton(3)
    names = ("neck", "left_shoulder", "left_elbow")
    renamed = skeleton.to_json()
    for old, new in zip(skeleton.joints, names):
        renamed = renamed.replace(f'"{old}"', f'"{new}"')
    arm = type(skeleton).from_json(renamed)
    driver = driver_track()
    points = np.stack([joint(driver, name) for name in names], axis=1)
    few = truth(points, names, arm, driver.size_hw).track()
    target = target_track()
    motion = run(few, target)
    assert motion.skeleton == target.skeleton
    assert np.isfinite(motion.points[..., 0]).any(axis=0).sum() == 3
    assert "right_knee" in facts(motion)["joints_missing"]
    assert length(motion, "left_shoulder", "left_elbow") == pytest.approx(length(target, "left_shoulder", "left_elbow"), rel=0.02)


def test_one_frame_and_no_clock():
    assert np.isfinite(run(driver_track(1), target_track(), min_frames=1).points).any()
    untimed = truth(Figure(200).points(20, (120, 300)), Figure().joints, HUMAN, (340, 480), None).track()
    assert not run(untimed, target_track()).clock.has_time


def test_a_target_of_one_picture_is_told_what_helps():
    with pytest.raises(InputError, match=r"found 1 of 1: use a longer clip, or lower motion.min_frames"):
        run(driver_track(), target_track(1))


def test_noise_of_a_detector_does_not_shake_the_body():
    driver, target = driver_track(), target_track()
    noise = np.random.default_rng(0).normal(0, 1.0, driver.points.shape).astype(np.float32)  # 0.5 % of the height
    motion = run(replace(driver, points=driver.points + noise), target)
    clean = run(driver, target)
    assert np.sqrt(np.nanmean((motion.points - clean.points) ** 2)) < 3.0


def test_errors_say_what_to_do():
    driver, target = driver_track(), target_track()
    nobody = replace(driver, points=np.full_like(driver.points, np.nan))
    with pytest.raises(InputError, match=r"driver must be seen in at least one frame, found in none of 96: choose another person"):
        run(nobody, target)
    with pytest.raises(InputError, match=r"target must be seen in at least 5 training frames .* found 0 of 64: use a longer clip"):
        run(driver, replace(target, score=target.score * 0.1))
    animal = truth(worm(2).points(9, (50, 50)), worm(2).joints, worm_skeleton(2), (99, 99)).track()
    with pytest.raises(InputError, match=r"must share joints: skeleton worm and skeleton human have 0 names in common"):
        run(animal, target)
    head = np.isin(np.array(target.joints), ["nose", "right_eye", "left_eye"])[:, None]
    above, below = (replace(track, points=np.where(some, track.points, np.nan)) for track, some in ((driver, head), (target, ~head)))
    with pytest.raises(InputError, match=r"must show a joint that the other shows too, found nose, .* in the driver and .*ankle"):
        run(above, below)
    with pytest.raises(InputError, match=r"needs a limb that driver and target both show in 5 confident frames, found none"):
        run(replace(driver, score=driver.score * 0.1), target)


def test_smoothing_must_be_odd():
    with pytest.raises(ValueError, match="must be odd"):
        MotionParams.model_validate({**PARAMS.model_dump(), "smoothing_frames": 6})


@pytest.mark.parametrize("degrees", [-30, -14, 18, 35])
@pytest.mark.parametrize("motion", [STEPS, Motion(wave=1.6), Motion(depth=0.25)])
def test_a_rolled_camera_is_turned_back(degrees, motion):
    driver, target = driver_track(motion=motion), target_track()
    straight = run(driver, target)
    rolled = replace(driver, points=about(driver.points, np.zeros(2), degrees).astype(np.float32))
    turned = run(rolled, target)
    assert facts(turned)["roll_degrees"] == pytest.approx(-degrees, abs=3)
    assert any(f"turned by {facts(turned)['roll_degrees']:.0f}°" in line for line in facts(turned)["warnings"])
    shoulders = [joint(track, "left_shoulder") - joint(track, "right_shoulder") for track in (straight, turned)]
    angles = [np.degrees(np.arctan2(v[:, 1], v[:, 0])) for v in shoulders]
    assert np.median(angles[1] - angles[0]) == pytest.approx(0, abs=3)
    assert facts(run(rolled, target, lean="keep"))["roll_degrees"] == 0
    assert facts(straight)["roll_degrees"] == 0
    assert not any("rolled" in line for line in facts(straight)["warnings"])


@pytest.mark.parametrize("degrees", [-25, 20])
def test_a_rolled_camera_is_known_by_the_frames_in_which_somebody_who_balances_stands_straight(degrees):
    points, t = driver_track().points.astype(np.float64), np.arange(len(driver_track().points))
    hips, ankles = (points[:, HUMAN.indices(name)].mean(axis=1) for name in ("hips", "ankles"))
    upper = np.array([not name.endswith(("hip", "knee", "ankle", "heel", "toe")) for name in HUMAN.joints])
    bent = np.where(t < 0.85 * len(t), 50 * np.sin(t / 9), 0)
    points = about(about(points, hips, bent, upper), ankles, bent / 4, np.ones(len(upper), bool))
    straight, rolled = (replace(driver_track(), points=about(points, np.zeros(2), by).astype(np.float32)) for by in (0, degrees))
    assert facts(run(straight, target_track()))["roll_degrees"] == 0
    assert facts(run(rolled, target_track()))["roll_degrees"] == pytest.approx(-degrees, abs=3)


def test_turning_back_leaves_planted_feet_planted():
    rolled = replace(driver_track(), points=about(driver_track().points, np.zeros(2), 18).astype(np.float32))
    assert facts(run(rolled, target_track()))["figures"]["foot_slide_max"] < 0.01


def test_a_lunge_at_the_end_is_no_rolled_camera():
    points, t = driver_track().points.astype(np.float64), np.arange(len(driver_track().points))
    hips, ankles = (points[:, HUMAN.indices(name)].mean(axis=1) for name in ("hips", "ankles"))
    upper = np.array([not name.endswith(("hip", "knee", "ankle", "heel", "toe")) for name in HUMAN.joints])
    crouched = t < 0.8 * len(t)
    points = about(points, hips, np.where(crouched, 40, 0), upper)
    points = about(points, ankles, np.where(crouched, -22, 25), np.ones(len(upper), bool))
    assert facts(run(replace(driver_track(), points=points.astype(np.float32)), target_track()))["roll_degrees"] == 0


@pytest.mark.parametrize("posture", ["bent", "bent with the hips put back", "leaning with a raised arm", "swaying"])
def test_a_body_that_leans_for_reasons_of_its_own_is_not_turned(posture):
    """Each leans by more than 12 degrees, ankles to shoulders, in half of the frames or more."""
    driver = driver_track(motion=Motion(phase=0.3))
    points, t = driver.points.astype(np.float64), np.arange(len(driver.points))
    at = {name: points[:, HUMAN.indices(name)].mean(axis=1) for name in ("ankles", "hips")}
    legs = np.array([name.endswith(("knee", "ankle", "heel", "toe")) for name in HUMAN.joints])
    upper = ~legs & np.array([not name.endswith("hip") for name in HUMAN.joints])
    everything = np.ones(len(legs), bool)
    match posture:
        case "bent":
            points = about(points, at["hips"], 50, upper)
        case "bent with the hips put back":
            points = about(about(points, at["ankles"], -6, everything), at["hips"], 80, upper)
        case "leaning with a raised arm":
            points[:, HUMAN.index("left_wrist")] = points[:, HUMAN.index("left_shoulder")] - [0, 70]
            points = about(points, at["ankles"], np.where(t < 0.6 * len(t), 22, 0), everything)
        case _:
            points = about(points, at["ankles"], 15 + 14 * np.sin(t / 7), everything)
    up = points[:, HUMAN.indices("shoulders")].mean(axis=1) - points[:, HUMAN.indices("ankles")].mean(axis=1)
    assert np.median(np.degrees(np.arctan2(up[:, 0], -up[:, 1]))) > 12
    assert facts(run(replace(driver, points=points.astype(np.float32)), target_track()))["roll_degrees"] == 0


def test_a_body_without_ankles_is_not_turned():
    points = about(driver_track().points, np.zeros(2), 20).astype(np.float32)
    points[10:, HUMAN.indices("ankles")] = np.nan
    assert facts(run(replace(driver_track(), points=points), target_track()))["roll_degrees"] == 0


def about(points: np.ndarray, centre: np.ndarray, degrees: float | np.ndarray, joints: np.ndarray | None = None) -> np.ndarray:
    """Points (t j 2) turned clockwise about a centre (2) or (t 2), by degrees or (t), all joints or some (j) bool."""
    radians = np.broadcast_to(np.radians(degrees), len(points))[:, None]
    cos, sin = np.cos(radians), np.sin(radians)
    x, y = np.moveaxis(points - np.broadcast_to(centre, (len(points), 2))[:, None], -1, 0)
    moved = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1) + np.broadcast_to(centre, (len(points), 2))[:, None]
    return moved if joints is None else np.where(joints[:, None], moved, points)


def test_a_limb_foreshortened_on_one_side_takes_its_twins_ratio():
    driver, target = driver_track(), target_track()
    points = driver.points.copy()
    elbow, wrist = HUMAN.index("left_elbow"), HUMAN.index("left_wrist")
    points[:, wrist] = points[:, elbow] + 0.6 * (points[:, wrist] - points[:, elbow])  # always towards the camera
    driver = replace(driver, points=points)
    full = length(target, "left_elbow", "left_wrist")
    assert length(run(driver, target), "left_elbow", "left_wrist") == pytest.approx(0.6 * full, rel=0.02)
    assert length(run(driver, target, symmetric=False), "left_elbow", "left_wrist") == pytest.approx(full, rel=0.02)


def test_nothing_is_said_of_feet_where_the_skeleton_has_none():
    skeleton = worm_skeleton(3)
    small, large = worm(3, 20), worm(3, 40)
    driver = truth(large.points(40, (60, 60)), large.joints, skeleton, (200, 200)).track()
    target = truth(small.points(40, (60, 60)), small.joints, skeleton, (200, 200)).track()
    assert facts(run(driver, target))["warnings"] == []
