import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.evaluation.fidelity import IDENTICAL_DB, person_pixels, psnr, sharpness, ssim


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def test_psnr_of_a_constant_offset(image):
    # every squared difference is 10² = 100, so 10 log10(255² / 100) = 28.1308 dB
    true = np.clip(image, 0, 245)
    assert psnr(true, true + 10) == pytest.approx(28.130804, abs=1e-6)
    assert psnr(true + 10, true) == pytest.approx(28.130804, abs=1e-6)


def test_psnr_of_opposite_images_is_zero_and_does_not_wrap_round():
    # 0 - 255 is 1 in uint8, which would give 48.13 dB; the mean squared error is 255², which gives 0 dB
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert psnr(black, white) == pytest.approx(0.0)


def test_psnr_of_identical_images_is_a_number(image):
    assert psnr(image, image.copy()) == IDENTICAL_DB


def test_psnr_counts_only_the_chosen_pixels(image):
    where = np.zeros(image.shape[:2], bool)
    where[4:8, 4:8] = True
    pred = np.where(where[..., None], np.clip(image, 0, 245) + 10, 255 - image).astype(np.uint8)
    assert psnr(np.clip(image, 0, 245), pred, where) == pytest.approx(28.130804, abs=1e-6)
    assert np.isnan(psnr(image, pred, np.zeros_like(where)))


def test_ssim_is_one_for_equal_images_and_absent_for_tiny_ones(image):
    assert ssim(image, image.copy()) == pytest.approx(1.0)
    assert ssim(image, 255 - image) < 0.1
    assert np.isnan(ssim(image[:6], image[:6]))


def test_the_person_reaches_four_pixels_further():
    matte = np.zeros((21, 21), np.uint8)
    matte[10, 10], matte[3, 3] = 255, 127
    person = person_pixels(matte, 4)
    # lattice points within distance 4 of one point: 49
    assert person.sum() == 49
    assert person[10, 14]
    assert person[6, 10]
    assert not person[10, 15]
    assert not person[7, 7]
    assert person_pixels(matte, 0).sum() == 1
    assert not person_pixels(np.zeros_like(matte), 4).any()


def test_inputs_are_left_as_they_were(image):
    before = image.copy()
    psnr(image, 255 - image)
    ssim(image, 255 - image)
    person_pixels(image[..., 0], 4)
    assert np.array_equal(image, before)


def test_golden_psnr_and_ssim():
    folder = os.environ.get("MOTION_COPY_ORACLES")
    if not folder:
        pytest.skip("MOTION_COPY_ORACLES names no folder of reference data")
    golden = np.load(Path(folder) / "metrics_golden.npz")
    values = json.loads(str(golden["meta"]))["values"]
    a, b = golden["img_a"], golden["img_b"]
    assert psnr(a, b) == pytest.approx(values["psnr_skimage_uint8"], abs=1e-9)
    assert ssim(a, b) == pytest.approx(values["ssim_skimage_default_win7"], abs=1e-9)
    hole = np.zeros(a.shape[:2], bool)
    hole[16:48, 20:60] = True
    assert psnr(a, b, hole) == pytest.approx(values["psnr_hole_only(rows16:48,cols20:60)"], abs=1e-9)


def test_sharpness_is_one_for_the_same_and_falls_with_blur():
    image = np.random.default_rng(4).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    matte = np.zeros((40, 40), np.uint8)
    matte[10:30, 10:30] = 255
    blurred = [cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (0.5, 1, 2)]
    found = [sharpness(image, pred, matte) for pred in (image, *blurred)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.3
    assert sharpness(image, np.full_like(image, 90), matte) == 0
    assert sharpness(blurred[0], image, matte) > 1  # more is noise


def test_blurred_edges_are_less_sharp_though_their_gradients_add_up_to_the_same():
    step = np.full((40, 60, 3), 50, np.uint8)
    step[:, 30:] = 200
    blurred = cv2.GaussianBlur(step, (0, 0), 3)
    assert np.abs(np.diff(blurred[20, :, 0].astype(int))).sum() == np.abs(np.diff(step[20, :, 0].astype(int))).sum()
    assert sharpness(step, blurred, np.full((40, 60), 255, np.uint8)) < 0.3


def test_sharpness_counts_inside_the_person_alone():
    stripes = np.tile((np.arange(40, dtype=np.uint8) % 4 * 20)[None, :, None], (40, 1, 3))
    matte = np.zeros((40, 40), np.uint8)
    matte[:, 5:20] = 200
    spoilt = stripes.copy()
    spoilt[:, 25:] = 255 - 2 * spoilt[:, 25:]
    assert sharpness(stripes, spoilt, matte) == 1
    assert sharpness(stripes, 2 * stripes, matte) == pytest.approx(2)
    assert np.isnan(sharpness(stripes, stripes, matte * 0))
    assert np.isnan(sharpness(np.full_like(stripes, 9), stripes, matte))
