"""Frames, mattes and keypoints move together."""

import numpy as np
import pytest
import torch

from pipeline.appearance.augment import draw_similarities, move_images, move_points
from pipeline.appearance.params import AugmentParams

PARAMS = AugmentParams(share=1.0, scale=0.25, rotation_deg=11.0, shift=0.2, mirror=0.0, mirror_sides="exchanged")


def test_similarities_stay_in_range_and_never_mirror():
    maps = draw_similarities(np.random.default_rng(0), 500, PARAMS, (64, 64))
    determinant = np.linalg.det(maps[:, :, :2])
    scale = np.sqrt(determinant)
    assert (determinant > 0).all()
    assert scale.min() >= 0.75
    assert scale.max() <= 1.25
    np.testing.assert_allclose(maps[:, :, :2].swapaxes(1, 2) @ maps[:, :, :2], determinant[:, None, None] * np.eye(2), atol=1e-12)
    centre = np.array([31.5, 31.5])
    shift = maps[:, :, :2] @ centre + maps[:, :, 2] - centre
    assert np.abs(shift).max() <= 0.2 * 64


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.6, 0.6), (1.0, 1.0)])
def test_share_of_moved_windows(share, expected):
    maps = draw_similarities(np.random.default_rng(0), 1000, PARAMS.model_copy(update={"share": share}), (64, 64))
    assert (maps != np.eye(2, 3)).any((1, 2)).mean() == pytest.approx(expected, abs=0.05)


def test_a_drawn_dot_stays_under_its_keypoint():
    """Derivation: the centre of mass of a blurred dot is its position, before and after."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    point = torch.tensor([40.0, 25.0])
    image = torch.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 8)[None, None, None]
    for map_ in draw_similarities(np.random.default_rng(3), 10, PARAMS, (64, 64)):
        moved = move_images(image, torch.from_numpy(map_)[None])[0, 0, 0]
        expected = move_points(point.double()[None, None, None], torch.from_numpy(map_)[None])[0, 0, 0]
        if ((expected > 12) & (expected < 52)).all():
            found = torch.stack([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
            torch.testing.assert_close(found.double(), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("crop_hw", [(32, 96), (96, 32)])
def test_a_crop_of_any_shape_turns_about_its_middle_and_shifts_by_shares_of_its_sides(crop_hw):
    sides = np.array(crop_hw[::-1])
    centre = (sides - 1) / 2
    maps = draw_similarities(np.random.default_rng(0), 500, PARAMS, crop_hw)
    shift = np.abs(maps[:, :, :2] @ centre + maps[:, :, 2] - centre).max(axis=0) / sides
    assert (shift <= 0.2).all()
    assert (shift > 0.18).all()
    y, x = torch.meshgrid(torch.arange(float(crop_hw[0])), torch.arange(float(crop_hw[1])), indexing="ij")
    point = torch.from_numpy(centre).float() + 2
    image = torch.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 8)[None, None, None]
    for map_ in draw_similarities(np.random.default_rng(3), 10, PARAMS.model_copy(update={"shift": 0.05}), crop_hw):
        moved = move_images(image, torch.from_numpy(map_)[None])[0, 0, 0]
        expected = move_points(point.double()[None, None, None], torch.from_numpy(map_)[None])[0, 0, 0]
        found = torch.stack([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
        torch.testing.assert_close(found.double(), expected, atol=0.02, rtol=0)


def test_identity_changes_nothing():
    images = torch.rand(2, 3, 4, 16, 24)
    eye = torch.eye(2, 3, dtype=torch.float64).repeat(2, 1, 1)
    torch.testing.assert_close(move_images(images, eye), images, atol=1e-5, rtol=0)


def test_missing_points_stay_missing():
    points = torch.tensor([[[[float("nan"), float("nan")], [1.0, 2.0]]]], dtype=torch.float64)
    moved = move_points(points, torch.tensor([[[2.0, 0, 1], [0, 2.0, 0]]], dtype=torch.float64))
    assert torch.isnan(moved[0, 0, 0]).all()
    assert moved[0, 0, 1].tolist() == [3, 4]


def test_nothing_enters_from_outside():
    images = torch.ones(1, 1, 1, 16, 16)
    shifted = torch.tensor([[[1.0, 0, 5], [0, 1.0, 0]]], dtype=torch.float64)
    assert move_images(images, shifted)[0, 0, 0, :, :5].max() == 0
