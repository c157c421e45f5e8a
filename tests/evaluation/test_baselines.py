from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.body.skeleton import load_skeleton
from pipeline.evaluation.baselines import moved, nearest_pose, pasted, root_shift, warped
from pipeline.picture.mixing import composite

NAN = np.nan
RNG = np.random.default_rng(3)
HUMAN = load_skeleton(Path(__file__).parents[2] / "pipeline/skeletons/human.yaml")
HW = (120, 90)


def picture() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth picture (h w 3), a matte (h w), and a pose (j 2) inside."""
    rgb = cv2.GaussianBlur(RNG.integers(0, 256, (*HW, 3)).astype(np.uint8), (0, 0), 4)
    matte = np.zeros(HW, np.uint8)
    matte[30:100, 25:60] = 255
    return cv2.normalize(rgb, None, 0, 255, cv2.NORM_MINMAX), matte, RNG.uniform((25, 30), (60, 100), (len(HUMAN.joints), 2))


def test_the_planted_pose_is_found():
    rng = np.random.default_rng(0)
    candidates = rng.uniform(0, 128, (30, 12, 2))
    query = candidates[17] + rng.normal(0, 1, (12, 2))
    assert nearest_pose(query, candidates) == 17


def test_poses_are_not_aligned():
    pose = np.array([[0.0, 0], [0, 10], [10, 10]])
    # the same pose 20 px away is farther (20) than another pose in place: (0 + 0 + 14.14) / 3
    other = pose.copy()
    other[2] = (0, 0)
    assert nearest_pose(pose, np.stack([pose + 20, other])) == 1


def test_only_joints_seen_in_both_count():
    query = np.array([[0.0, 0], [0, 10], [NAN, NAN], [5, 5]])
    a = np.array([[1.0, 0], [1, 10], [99, 99], [NAN, NAN]])  # mean 1 over two joints
    b = np.array([[2.0, 0], [2, 10], [0, 0], [7, 5]])  # mean 2 over three
    assert nearest_pose(query, np.stack([b, a])) == 1


def test_one_shared_joint_does_not_make_a_neighbour():
    query = np.zeros((4, 2))
    lone = np.full((4, 2), NAN)
    lone[0] = 0
    assert nearest_pose(query, np.stack([lone, query + 3])) == 1
    assert nearest_pose(query, lone[None]) == -1


def test_ties_go_to_the_first_and_nothing_shared_is_minus_one():
    query = np.zeros((2, 2))
    assert nearest_pose(query, np.stack([query + 1, query + 1])) == 0
    assert nearest_pose(query, np.full((3, 2, 2), NAN)) == -1
    assert nearest_pose(query, np.zeros((0, 2, 2))) == -1


def test_roots_laid_on_each_other_find_the_pose_that_stands_elsewhere():
    pose = RNG.uniform(0, 50, (4, 2))
    far, near = pose + 100, pose + RNG.normal(0, 4, (4, 2))
    assert nearest_pose(pose, np.stack([far, near])) == 1
    assert nearest_pose(pose, np.stack([far, near]), root=2) == 0


def test_the_shift_lays_root_on_root_or_else_the_common_joints():
    reference = RNG.uniform(0, 50, (3, 2))
    query = reference + np.array([[7, -3], [9, 0], [5, 0]])
    assert root_shift(query, reference, 0) == pytest.approx([7, -3])
    reference[0] = NAN
    assert root_shift(query, reference, 0) == pytest.approx([7, 0])


def test_moving_is_by_whole_pixels_and_brings_in_zeros():
    rgb, matte, _ = picture()
    shifted = moved(rgb, np.array([3.4, -2.2]))
    assert np.array_equal(shifted[:-2, 3:], rgb[2:, :-3])
    assert not shifted[-2:].any()
    assert not shifted[:, :3].any()
    assert np.array_equal(moved(matte, np.array([0.3, 0.4])), matte)


@pytest.mark.parametrize("box", [(0, 0, 90, 120), (11, 7, 80, 103), (20, 30, 21, 31)])
def test_warping_to_the_same_pose_changes_nothing(box):
    rgb, matte, pose = picture()
    x0, y0, x1, y1 = box
    colour, alpha = warped(rgb, matte, pose, pose, HUMAN, box)
    assert np.abs(colour.astype(int) - rgb[y0:y1, x0:x1]).max() <= 1
    assert np.abs(alpha.astype(int) - matte[y0:y1, x0:x1]).max() <= 1


def test_warping_to_a_pose_that_stands_elsewhere_moves():
    rgb, matte, pose = picture()
    colour, alpha = warped(rgb, matte, pose + np.array([4, -6]), pose, HUMAN, (10, 10, 80, 100))
    assert np.abs(colour.astype(int) - rgb[16:106, 6:76]).max() <= 2
    assert np.abs(alpha.astype(int) - matte[16:106, 6:76]).max() <= 2


def test_what_lies_behind_another_part_is_not_copied():
    """The reference holds its forearm over the belly, the query beside it: where the belly should show, the reference shows the arm."""
    names = {"neck": (50, 20), "right_shoulder": (38, 22), "left_shoulder": (62, 22), "right_hip": (42, 80), "left_hip": (58, 80)}
    apart = names | {"right_elbow": (25, 45), "right_wrist": (18, 70)}
    over = names | {"right_elbow": (34, 52), "right_wrist": (60, 55)}
    query, reference = (np.full((len(HUMAN.joints), 2), NAN) for _ in range(2))
    for pose, places in ((query, apart), (reference, over)):
        for name, place in places.items():
            pose[HUMAN.index(name)] = place
    rgb, matte = np.full((120, 100, 3), 90, np.uint8), np.full((120, 100), 255, np.uint8)
    alpha = warped(rgb, matte, query, reference, HUMAN, (0, 0, 100, 120))[1]
    assert alpha[54, 49] < 80
    assert alpha[72, 49] > 230
    assert warped(rgb, matte, reference, reference, HUMAN, (0, 0, 100, 120))[1][54, 49] == 255


def test_between_the_nodes_the_field_is_what_it_is_at_every_pixel(monkeypatch):
    rgb, matte, pose = picture()
    large = [cv2.resize(image, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC) for image in (rgb, matte)]
    query, reference = (6 * (pose + RNG.normal(0, 3, pose.shape)) for _ in range(2))
    box = (0, 0, 540, 720)
    coarse = warped(*large, query, reference, HUMAN, box)
    box = (90, 180, 450, 540)  # at every pixel it takes long: of the middle
    coarse = [image[180:540, 90:450] for image in coarse]
    monkeypatch.setattr("pipeline.evaluation.baselines.NODES", 720)
    fine = warped(*large, query, reference, HUMAN, box)
    assert np.abs(coarse[0].astype(int) - fine[0])[fine[1] > 0].mean() < 1.5  # of noise, whose neighbours differ by 80


def test_pasting_touches_the_opaque_part_alone():
    rgb, matte, _ = picture()
    plate = RNG.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    before = plate.copy()
    made = pasted(rgb, matte, plate, (30, 50))
    assert np.array_equal(plate, before)
    assert np.array_equal(made[50:170, 30:120], composite(rgb, matte, plate[50:170, 30:120]))
    made[50:170, 30:120] = plate[50:170, 30:120]
    assert np.array_equal(made, plate)
    assert np.array_equal(pasted(rgb, matte * 0, plate), plate)
