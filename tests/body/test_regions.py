"""Laws of region boxes and patches."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.body.regions import RegionParams, body_scale, cut_from_crop, cut_region, drop_unusable, feather, region_boxes
from pipeline.body.skeleton import load_skeleton
from pipeline.picture.geometry import box_to_crop

HUMAN = load_skeleton(Path("pipeline/skeletons/human.yaml"))
PARAMS = RegionParams(region_px=64, face_side=2.0, hand_side=1.0, foot_side=0.8, smooth_frames=5, min_side_px=12)
STANDING = {  # a person of 400 px, drawn by hand: forearms 60 px straight down, shins 100 px
    "nose": (200, 60), "right_eye": (192, 52), "left_eye": (208, 52), "right_ear": (180, 56), "left_ear": (220, 56),
    "neck": (200, 100), "right_shoulder": (160, 100), "right_elbow": (150, 160), "right_wrist": (150, 220),
    "left_shoulder": (240, 100), "left_elbow": (250, 160), "left_wrist": (250, 220), "right_hip": (180, 220),
    "right_knee": (180, 320), "right_ankle": (180, 420), "left_hip": (220, 220), "left_knee": (220, 320),
    "left_ankle": (220, 420),
}  # fmt: skip


def standing(frames: int = 12, **changes: tuple[float, float]) -> np.ndarray:
    points = np.full((frames, len(HUMAN.joints), 2), np.nan)
    for joint, xy in {**STANDING, **changes}.items():
        points[:, HUMAN.index(joint)] = xy
    return points


def test_boxes_of_a_hand_made_body() -> None:
    boxes = region_boxes(standing(), HUMAN, PARAMS)
    # face: widest gap = ear to ear = 40 px, side 2 * 40; centre = mean of the five joints = (200, 55.2), +0.5 for edges
    np.testing.assert_allclose(boxes["face"][3], [160.5, 15.7, 240.5, 95.7])
    # hand: side 1 * forearm 60; centre 0.37 forearms below the wrist: y = 220 + 22.2
    np.testing.assert_allclose(boxes["right_hand"][3], [120.5, 212.7, 180.5, 272.7])
    # foot: side 0.8 * shin 100; centre 0.16 shins below the ankle: y = 420 + 16
    np.testing.assert_allclose(boxes["left_foot"][3], [180.5, 396.5, 260.5, 476.5])


def test_foot_points_tighten_and_move_the_box() -> None:
    free = region_boxes(standing(), HUMAN, PARAMS)["left_foot"][0]
    seen = {"left_heel": (216, 428), "left_toe": (240, 432), "right_heel": (184, 428), "right_toe": (160, 432)}
    box = region_boxes(standing(**seen), HUMAN, PARAMS)["left_foot"][0]
    assert box[2] - box[0] < free[2] - free[0]
    # amid ankle (220, 420), heel (216, 428) and toe (240, 432): ((216 + 240) / 2, (420 + 432) / 2)
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [228.5, 426.5])


def test_hand_points_move_the_box_and_all_stay_inside() -> None:
    fingers = {"right_thumb_mcp": (160, 230), "right_index_mcp": (154, 245), "right_pinky_mcp": (146, 243)}
    box = region_boxes(standing(**fingers), HUMAN, PARAMS)["right_hand"][0]
    for x, y in [*fingers.values(), STANDING["right_wrist"]]:
        assert box[0] < x < box[2]
        assert box[1] < y < box[3]


def test_a_whole_hand_is_inside_its_box_which_fingers_do_not_enlarge_beyond_the_forearms() -> None:
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    tips = {f"right_{finger}_tip": (130 + 8 * i, 262 - 10 * (i == 0)) for i, finger in enumerate(fingers)}
    box = region_boxes(standing(**tips), HUMAN, PARAMS)["right_hand"][0]
    free = region_boxes(standing(), HUMAN, PARAMS)["right_hand"][0]
    assert box[2] - box[0] <= free[2] - free[0]
    for x, y in tips.values():
        assert box[0] < x < box[2]
        assert box[1] < y < box[3]


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_boxes_move_and_grow_with_the_body(scale: float) -> None:
    points = standing() + np.random.default_rng(0).normal(0, 2, (12, len(HUMAN.joints), 2))
    shift = np.array([30.0, -7.0])
    moved = region_boxes(points * scale + shift, HUMAN, PARAMS)
    for name, box in region_boxes(points, HUMAN, PARAMS).items():
        edges = (box.reshape(-1, 2, 2) - 0.5) * scale + shift + 0.5  # edges are half a pixel beside centres
        np.testing.assert_allclose(moved[name], edges.reshape(-1, 4), atol=1e-9)


def test_side_is_steady_under_noise_and_follows_the_distance() -> None:
    rng = np.random.default_rng(1)
    noisy = standing(60) + rng.normal(0, 2, (60, len(HUMAN.joints), 2))
    side = np.diff(region_boxes(noisy, HUMAN, PARAMS.model_copy(update={"smooth_frames": 15}))["face"][:, [0, 2]])[:, 0]
    assert side.std() < 0.02 * side.mean()
    growing = standing(60) * np.linspace(0.5, 1.0, 60)[:, None, None]
    side = np.diff(region_boxes(growing, HUMAN, PARAMS)["face"][:, [0, 2]])[:, 0]
    assert side[-4] / side[3] == pytest.approx(np.linspace(0.5, 1, 60)[-4] / np.linspace(0.5, 1, 60)[3], rel=0.02)


def test_missing_joints_give_nan_and_inputs_stay() -> None:
    points = standing()
    points[4, HUMAN.index("right_elbow")] = np.nan
    points[5] = np.nan
    before = points.copy()
    boxes = region_boxes(points, HUMAN, PARAMS)
    assert np.isnan(boxes["right_hand"][4]).all()
    assert np.isfinite(boxes["left_hand"][4]).all()
    assert all(np.isnan(box[5]).all() for box in boxes.values())
    assert np.isfinite(boxes["face"][6]).all()
    np.testing.assert_array_equal(points, before)
    empty = region_boxes(np.full((3, len(HUMAN.joints), 2), np.nan), HUMAN, PARAMS)
    assert all(np.isnan(box).all() for box in empty.values())


def test_no_training_box_depends_on_a_held_out_frame() -> None:
    points = standing(20)
    changed = points.copy()
    changed[15:] *= 1.7
    for name, box in region_boxes(points, HUMAN, PARAMS, border=15).items():
        np.testing.assert_array_equal(box[:15], region_boxes(changed, HUMAN, PARAMS, border=15)[name][:15])


def test_scale_is_one_for_a_constant_body_and_nan_when_absent() -> None:
    np.testing.assert_allclose(body_scale(standing(), HUMAN, 5), 1.0)
    assert np.isnan(body_scale(np.full((4, len(HUMAN.joints), 2), np.nan), HUMAN, 5)).all()


def test_small_and_outer_regions_are_dropped_and_said() -> None:
    boxes = {"face": np.array([[0, 0, 20, 20], [0, 0, 11, 11], [300, 0, 320, 20], [np.nan] * 4], float)}
    kept, reasons = drop_unusable(boxes, (200, 300), 12)
    np.testing.assert_array_equal(np.isfinite(kept["face"]).all(axis=1), [True, False, False, False])
    assert reasons["face"] == [
        "1 of 4 frames: its joints are missing",
        "1 of 4 frames: its side is under 12 px",
        "1 of 4 frames: it lies outside the frame",
    ]


def test_patch_through_the_crop_equals_patch_of_the_frame() -> None:
    """A linear ramp is reproduced exactly by every interpolation, so both ways must meet away from the crop's edges."""
    y, x = np.mgrid[:240, :320]
    frame = (x * 0.5 + y * 0.25).astype(np.float32)
    crop_matrix = box_to_crop(np.array([40, 20, 240, 220]), (100, 100))
    crop = (np.mgrid[:100, :100][1] * 2 + 40.5) * 0.5 + (np.mgrid[:100, :100][0] * 2 + 20.5) * 0.25
    box = np.array([100.3, 90.7, 148.3, 138.7])
    direct = cut_region(frame, box, 64)
    through = cut_from_crop(crop.astype(np.float32), crop_matrix, box, 64)
    np.testing.assert_allclose(through, direct, atol=0.1)  # cv2 rounds to 1/32 px


def test_feather_is_one_inside_zero_at_the_border_and_symmetric() -> None:
    weight = feather(64)
    assert weight[0].max() == weight[:, -1].max() == 0
    assert weight[16:48, 16:48].min() == 1
    np.testing.assert_array_equal(weight, weight[::-1, ::-1])
    np.testing.assert_array_equal(weight, weight.T)
