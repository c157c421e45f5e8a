"""Laws of Eq. 9 and of the patches that polish the foreground."""

import numpy as np
import pytest

from pipeline.picture.mixing import composite, paste_residual

RNG = np.random.default_rng(0)
PLATE = RNG.integers(0, 256, (20, 24, 3)).astype(np.uint8)
FOREGROUND = RNG.integers(0, 256, (20, 24, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_matte_zero_is_the_plate_and_one_the_foreground(kind):
    one = np.full(PLATE.shape[:2], 255 if kind == np.uint8 else 1, kind)
    for foreground in (FOREGROUND, FOREGROUND.astype(np.float32)):
        assert np.array_equal(composite(foreground, np.zeros_like(one), PLATE), PLATE)
        assert np.array_equal(composite(foreground, one, PLATE), FOREGROUND)


def test_every_value_is_rounded_to_the_nearest():
    f, m, b = (a.reshape(-1) for a in np.meshgrid([0, 1, 17, 128, 254, 255], np.arange(256), [0, 3, 100, 255]))
    exact = (f * m + b * (255 - m)) / 255
    stack = lambda v: np.repeat(v.astype(np.uint8)[None, :, None], 3, axis=2)  # noqa: E731
    fused = composite(stack(f), m.astype(np.uint8)[None], stack(b))[0, :, 0]
    assert np.abs(fused - exact).max() <= 0.5 + 1e-4


def test_hand_made_mean():
    # 0.25 × 200 + 0.75 × 100 = 125
    fused = composite(np.full((1, 1, 3), 200, np.uint8), np.full((1, 1), 0.25, np.float32), np.full((1, 1, 3), 100, np.uint8))
    assert (fused == 125).all()


def test_values_outside_their_range_are_clipped():
    wild = np.array([[[300.0, -40.0, 255.4]]], np.float32)
    assert composite(wild, np.full((1, 1), 1.5, np.float32), PLATE[:1, :1]).tolist() == [[[255, 0, 255]]]


def test_inputs_are_unchanged():
    foreground, matte, plate = FOREGROUND.astype(np.float32), np.full(PLATE.shape[:2], 0.5, np.float32), PLATE.copy()
    composite(foreground, matte, plate)
    assert np.array_equal(foreground, FOREGROUND)
    assert (matte == 0.5).all()
    assert np.array_equal(plate, PLATE)


def test_a_patch_of_zeros_is_the_identity():
    full = FOREGROUND.astype(np.float32)
    paste_residual(full, np.zeros((16, 16, 3), np.int16), np.array([2.3, 1.1, 15.3, 14.1]), np.ones((16, 16), np.float32))
    assert np.array_equal(full, FOREGROUND)


def test_a_patch_on_whole_pixels_is_added_as_it_is():
    full, residual = np.zeros((40, 40, 3), np.float32), RNG.integers(-90, 90, (16, 16, 3)).astype(np.int16)
    weight = RNG.random((16, 16)).astype(np.float32)
    paste_residual(full, residual, np.array([5.0, 7.0, 21.0, 23.0]), weight)
    assert np.allclose(full[7:23, 5:21], residual * weight[..., None], atol=1e-3)
    full[7:23, 5:21] = 0
    assert (full == 0).all()


def test_a_patch_keeps_its_place_and_its_sum_per_area():
    ones = np.full((64, 64, 3), 100, np.int16)
    bump = np.exp(-((np.arange(64) - 31.5) ** 2) / 200).astype(np.float32)
    weight = bump[:, None] * bump[None]
    for side in (24.0, 64.0, 150.0):
        full = np.zeros((220, 220, 3), np.float32)
        paste_residual(full, ones, np.array([30.25, 41.5, 30.25 + side, 41.5 + side]), weight)
        mass, grid = full[..., 0], np.arange(220)
        centre = (mass.sum(0) @ grid / mass.sum(), mass.sum(1) @ grid / mass.sum())
        assert centre == pytest.approx((30.25 + side / 2 - 0.5, 41.5 + side / 2 - 0.5), abs=0.02)
        assert mass.sum() == pytest.approx(100 * weight.sum() * (side / 64) ** 2, rel=0.02)


@pytest.mark.parametrize("box", [[-8.0, -8, 8, 8], [16, 12, 32, 28], [-40, 0, -20, 20], [30, 0, 50, 20], [np.nan] * 4])
def test_patches_over_the_edge_and_skipped_ones(box):
    full, patch = np.zeros((20, 24, 3), np.float32), np.full((16, 16, 3), 50, np.int16)
    paste_residual(full, patch, np.array(box), np.ones((16, 16), np.float32))
    x0, y0, x1, y1 = np.nan_to_num(box)
    inside = np.zeros((20, 24), bool)
    inside[max(0, int(y0)) : max(0, int(y1)), max(0, int(x0)) : max(0, int(x1))] = True
    assert np.allclose(full[inside], 50)
    assert (full[~inside] == 0).all()
