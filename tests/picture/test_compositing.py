"""Laws of composing one frame: the plate untouched outside, the foreground in its place, patches added once."""

import numpy as np
import pytest

from pipeline.picture.compositing import compose_full, is_cut, opaque_box
from pipeline.picture.geometry import box_to_crop, paste_crop
from pipeline.picture.mixing import composite, paste_residual

RNG = np.random.default_rng(0)
PLATE = RNG.integers(0, 256, (90, 120, 3)).astype(np.uint8)
SIZE = 32


def whole(residual: np.ndarray) -> np.ndarray:
    """A weight that fades nothing."""
    return np.ones(residual.shape[:2], np.float32)


def blob(size: int = SIZE, lo: int = 8, hi: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A smooth colour ramp (s s 3) and a matte (s s) that is opaque in the middle."""
    y, x = np.mgrid[:size, :size]
    rgb = np.stack([x * 6 + 20, y * 6 + 20, (x + y) * 3 + 20], axis=-1).astype(np.uint8)
    matte = np.zeros((size, size), np.uint8)
    matte[lo:hi, lo:hi] = 255
    return rgb, matte


@pytest.mark.parametrize("box", [(20, 10, 84, 74), (20.3, 10.7, 84.3, 74.7), (-10, -20, 70, 60), (60, 40, 140, 120), (5, 5, 25, 25)])
def test_equals_the_plain_computation_over_the_whole_frame(box):
    rgb, matte = blob()
    crop = box_to_crop(np.array(box, float), (SIZE, SIZE))
    fused = compose_full(rgb, matte, crop, {}, whole, PLATE)
    if crop[0, 0] <= 1:  # where the crop is finer, areas are averaged and paste_crop would alias
        foreground, full_matte = (paste_crop(a, crop, PLATE.shape[:2]) for a in (rgb, matte))
        plain = composite(foreground, full_matte / 255, PLATE)
        opaque = full_matte > 250
        assert np.abs(fused.astype(int) - plain)[opaque].max() <= 1
        # Beyond the crop's edge the colour is continued rather than black; only a ringing matte would show it.
        assert np.abs(fused.astype(int) - plain)[full_matte < 1].max() <= 1
    outside = paste_crop(matte, crop, PLATE.shape[:2]) == 0
    assert np.array_equal(fused[outside], PLATE[outside]) or crop[0, 0] > 1


def test_matte_zero_is_the_plate_and_inputs_stay():
    rgb, matte = blob()
    plate, crop = PLATE.copy(), box_to_crop(np.array([20.0, 10, 84, 74]), (SIZE, SIZE))
    assert np.array_equal(compose_full(rgb, matte * 0, crop, {}, whole, plate), PLATE)
    compose_full(rgb, matte, crop, {}, whole, plate)
    assert np.array_equal(plate, PLATE)


def test_identity_scale_shows_the_foreground_exactly():
    rgb, matte = blob()
    fused = compose_full(rgb, matte, box_to_crop(np.array([30.0, 40, 62, 72]), (SIZE, SIZE)), {}, whole, PLATE)
    assert np.array_equal(fused[48:64, 38:54], rgb[8:24, 8:24])
    fused[48:64, 38:54] = PLATE[48:64, 38:54]
    assert np.array_equal(fused, PLATE)


def test_a_person_outside_the_frame_leaves_the_plate():
    rgb, matte = blob()
    crop = box_to_crop(np.array([500.0, 500, 564, 564]), (SIZE, SIZE))
    assert opaque_box(matte, crop, (90, 120)) is None
    assert np.array_equal(compose_full(rgb, matte, crop, {}, whole, PLATE), PLATE)


def test_crop_moves_and_so_does_the_person():
    rgb, matte = blob()
    plate = np.full_like(PLATE, 90)
    a = compose_full(rgb, matte, box_to_crop(np.array([10.0, 10, 60, 60]), (SIZE, SIZE)), {}, whole, plate)
    b = compose_full(rgb, matte, box_to_crop(np.array([17.0, 15, 67, 65]), (SIZE, SIZE)), {}, whole, plate)
    assert np.array_equal(a[10:60, 10:60], b[15:65, 17:67])


def test_patches_are_added_at_full_resolution():
    rgb, matte = blob()
    box, patch_box = np.array([20.0, 10, 84, 74]), np.array([44.0, 34, 60, 50])
    crop = box_to_crop(box, (SIZE, SIZE))
    residual = RNG.integers(-20, 20, (16, 16, 3)).astype(np.int16)
    plain = compose_full(rgb, matte, crop, {}, whole, PLATE).astype(int)
    polished = compose_full(rgb, matte, crop, {"face": (residual, patch_box)}, whole, PLATE).astype(int)
    assert np.array_equal(polished[34:50, 44:60] - plain[34:50, 44:60], residual)
    polished[34:50, 44:60] = plain[34:50, 44:60]
    assert np.array_equal(polished, plain)
    skipped = {"face": (residual, np.full(4, np.nan))}
    assert np.array_equal(compose_full(rgb, matte, crop, skipped, whole, PLATE), plain)


def test_a_placed_patch_carries_its_own_outline_and_colour():
    rgb, matte = np.full((60, 80, 3), 50, np.uint8), np.zeros((60, 80), np.uint8)
    matte[30:, :40] = 255
    row = box_to_crop(np.array([20.0, 20, 100, 80]), (60, 80))
    residual = np.zeros((16, 16, 4), np.int16)
    residual[..., :3], residual[:8, :, 3] = 100, 255  # an opaque half where nobody was
    residual[8:, :, 3] = -255
    box = np.array([52.0, 42, 68, 58])  # half of it over the matte
    fused = compose_full(rgb, matte, row, {"face": (residual, box)}, whole, PLATE)
    assert (fused[42:50, 52:68] == 150).all()
    assert np.array_equal(fused[50:58, 52:68], PLATE[50:58, 52:68])
    fused[42:58, 52:68] = compose_full(rgb, matte, row, {}, whole, PLATE)[42:58, 52:68]
    assert np.array_equal(fused, compose_full(rgb, matte, row, {}, whole, PLATE))
    beyond = {"face": (residual, np.array([92.0, 72, 108, 88]))}  # where the foreground ends, there are no pixels to be opaque
    assert np.array_equal(compose_full(rgb, matte, row, beyond, whole, PLATE)[80:], PLATE[80:])


@pytest.mark.parametrize(("x", "y"), [(30, 40), (-9, -5), (100, 70)])
def test_pixels_of_the_frame_are_pasted_as_they_are(x, y):
    """A foreground that is cut from the frame in whole pixels, of whatever size, meets the plate by Eq. 9 and by nothing else."""
    rgb = RNG.integers(0, 256, (40, 52, 3)).astype(np.uint8)
    matte = RNG.integers(0, 256, (40, 52)).astype(np.uint8)
    matte[:3] = 0
    row = box_to_crop(np.array([x, y, x + 52.0, y + 40.0]), (40, 52))
    assert is_cut(row)
    padded, alpha = np.zeros((250, 250, 3), np.uint8), np.zeros((250, 250), np.uint8)
    padded[50 + y : 90 + y, 50 + x : 102 + x], alpha[50 + y : 90 + y, 50 + x : 102 + x] = rgb, matte
    plain = composite(padded[50:140, 50:170], alpha[50:140, 50:170], PLATE)
    assert np.array_equal(compose_full(rgb, matte, row, {}, whole, PLATE), plain)
    before = rgb.copy()
    patch = {"face": (np.full((8, 8, 3), 50, np.int16), np.array([50.0, 50, 58, 58]))}
    compose_full(rgb, matte, row, patch, whole, PLATE)
    assert np.array_equal(rgb, before)


@pytest.mark.parametrize("row", [[[1, 0, 0.5], [0, 1, 0]], [[0.5, 0, 3], [0, 0.5, 3]], [[1, 0.1, 3], [0, 1, 3]]])
def test_anything_but_a_whole_shift_is_resampled(row):
    assert not is_cut(np.array(row, np.float64))


def test_a_foreground_of_any_shape_lands_where_its_row_says():
    rgb, matte = np.full((32, 64, 3), 200, np.uint8), np.full((32, 64), 255, np.uint8)
    fused = compose_full(rgb, matte, box_to_crop(np.array([10.0, 20, 74, 52]) + 0.0, (32, 64)), {}, whole, PLATE)
    assert (fused[20:52, 10:74] == 200).all()
    larger = compose_full(rgb, matte, box_to_crop(np.array([4.0, 20, 100, 68]), (32, 64)), {}, whole, PLATE)
    assert (larger[22:66, 6:98] == 200).all()
    larger[17:71, 1:103] = PLATE[17:71, 1:103]
    assert np.array_equal(larger, PLATE)


def test_paste_residual_and_fuse_are_what_composition_uses():
    full = np.zeros((4, 4, 3), np.float32)
    paste_residual(full, np.full((4, 4, 3), 7, np.int16), np.array([0.0, 0, 4, 4]), np.ones((4, 4), np.float32))
    assert (composite(full, np.full((4, 4), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)) == 7).all()
