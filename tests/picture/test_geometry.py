"""Geometry: the conventions, by hand-made numbers and round trips."""

import cv2
import numpy as np
import pytest

from pipeline.picture.geometry import (
    apply_affine,
    box_of_points,
    box_to_crop,
    compose_affine,
    crop_to_box,
    disc,
    invert_affine,
    paste_crop,
    sample_crop,
    scaling,
    similarity_from_points,
)

TURN = np.array([[0.8, -0.6, 12.5], [0.6, 0.8, -3.25]])
STRETCH = np.array([[2.0, 0.5, -1.0], [0.0, 0.25, 7.0]])
POINTS = np.array([[0.0, 0.0], [10.0, -4.0], [3.5, 99.0]])


def texture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_a_map_by_hand():
    assert apply_affine(STRETCH, np.array([4.0, 8.0])).tolist() == [2 * 4 + 0.5 * 8 - 1, 0.25 * 8 + 7]


def test_a_scaled_picture_has_its_corners_where_they_were():
    """The first pixel begins at -0.5, and its middle is 0, at either size."""
    for scale in (0.25, 1.0, 3.0):
        corners = np.array([[-0.5, -0.5], [9.5, 19.5]])
        assert np.allclose(apply_affine(scaling(scale), corners), (corners + 0.5) * scale - 0.5)
    image = texture(40, 60)
    means = image.reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(sample_crop(image, scaling(0.5), (20, 30)) - means).max() <= 0.5 + 1e-6


def test_a_disc_is_round_about_its_middle():
    kernel = disc(5)
    assert kernel.shape == (11, 11)
    assert (kernel == kernel[::-1]).all()
    assert kernel[5].all()
    assert kernel[0].sum() == 1


def test_points_keep_their_shape():
    assert apply_affine(TURN, np.zeros((4, 5, 2))).shape == (4, 5, 2)
    assert apply_affine(TURN, np.zeros((0, 2))).shape == (0, 2)


def test_there_and_back():
    for matrix in (TURN, STRETCH):
        assert apply_affine(invert_affine(matrix), apply_affine(matrix, POINTS)) == pytest.approx(POINTS, abs=1e-9)
        assert compose_affine(invert_affine(matrix), matrix) == pytest.approx(np.eye(2, 3), abs=1e-12)


def test_a_composition_applies_the_second_first():
    assert apply_affine(compose_affine(TURN, STRETCH), POINTS) == pytest.approx(apply_affine(TURN, apply_affine(STRETCH, POINTS)))
    assert not np.allclose(compose_affine(TURN, STRETCH), compose_affine(STRETCH, TURN))


def test_nan_in_nan_out():
    points = np.array([[1.0, 2.0], [np.nan, 2.0], [np.nan, np.nan]])
    assert np.isfinite(apply_affine(TURN, points)).all(axis=1).tolist() == [True, False, False]


def test_a_box_fills_its_crop():
    matrix = box_to_crop(np.array([10.0, 20.0, 50.0, 60.0]), (8, 8))  # 40 px → 8 px: scale 0.2
    # The box's edges 10 and 50 are the crop's edges 0 and 8; as pixel centres -0.5: 9.5 → -0.5 and 49.5 → 7.5.
    assert apply_affine(matrix, np.array([[9.5, 19.5], [49.5, 59.5]])) == pytest.approx(np.array([[-0.5, -0.5], [7.5, 7.5]]))
    # The first 5 × 5 pixels, whose middle is pixel (12, 22), are the crop's pixel (0, 0).
    assert apply_affine(matrix, np.array([12.0, 22.0])) == pytest.approx([0, 0])


def test_the_box_of_its_own_size_is_a_shift():
    assert box_to_crop(np.array([3.0, 4.0, 19.0, 20.0]), (16, 16)).tolist() == [[1, 0, -3], [0, 1, -4]]


@pytest.mark.parametrize(
    ("box", "crop_hw"),
    [
        ([0, 0, 16, 16], (128, 128)),
        ([-30.25, 7.5, 99.75, 137.5], (128, 128)),
        ([5, 5, 6, 6], (64, 64)),
        ([3.5, -2, 23.5, 8], (32, 64)),
        ([-7, 1, 2, 19], (96, 48)),
    ],
)
def test_box_to_crop_and_back(box, crop_hw):
    box = np.array(box, np.float64)
    matrix = box_to_crop(box, crop_hw)
    assert crop_to_box(matrix, crop_hw) == pytest.approx(box)
    assert matrix[0, 0] == matrix[1, 1] == pytest.approx(crop_hw[0] / (box[3] - box[1]))  # pixels stay square
    corner = np.array(crop_hw[::-1]) - 0.5
    assert apply_affine(matrix, box[2:] - 0.5) == pytest.approx(corner)


def test_a_box_of_another_shape_is_not_stretched_but_refused():
    with pytest.raises(ValueError, match="a box of 20 x 10 has not the aspect of a crop of 32 x 32"):
        box_to_crop(np.array([0.0, 0.0, 20.0, 10.0]), (32, 32))


def test_a_resize_moves_a_point_as_the_convention_says():
    points = np.array([[0.0, 0.0], [7.0, 3.0]])
    matrix = box_to_crop(np.array([0.0, 0.0, 32.0, 32.0]), (64, 64))
    assert apply_affine(matrix, points) == pytest.approx((points + 0.5) * 2 - 0.5)


def test_box_of_points_is_square_about_them():
    # Pixels 10..29 × 40..49: edges 10..30 and 40..50, middle (20, 45); larger extent of centres 19, times 1.5.
    box = box_of_points(np.array([[10.0, 40.0], [29.0, 49.0], [np.nan, 0.0]]), 1.5)
    assert box == pytest.approx([20 - 14.25, 45 - 14.25, 20 + 14.25, 45 + 14.25])


def test_box_of_one_point_has_a_size_and_of_none_is_nan():
    assert box_of_points(np.array([[5.0, 6.0]]), 2.0).tolist() == [4.5, 5.5, 6.5, 7.5]
    assert np.isnan(box_of_points(np.full((3, 2), np.nan), 2.0)).all()
    assert np.isnan(box_of_points(np.zeros((0, 2)), 2.0)).all()


def test_a_whole_pixel_crop_is_a_cut():
    image = texture()
    cut = sample_crop(image, box_to_crop(np.array([7.0, 5.0, 41.0, 29.0]), (24, 34)), (24, 34))
    assert (cut == image[5:29, 7:41]).all()


@pytest.mark.parametrize("scale", [2, 3, 5])
def test_a_whole_shrink_averages_areas(scale):
    image = texture(60, 90).astype(np.float32)
    crop_hw = 60 // scale, 90 // scale
    shrunk = sample_crop(image, box_to_crop(np.array([0.0, 0.0, 90.0, 60.0]), crop_hw), crop_hw)
    mean = image.reshape(60 // scale, scale, 90 // scale, scale, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - mean).max() < 0.01


def test_a_shrunk_byte_picture_is_the_rounded_mean():
    image = texture(32, 32)
    shrunk = sample_crop(image, box_to_crop(np.array([0.0, 0.0, 32.0, 32.0]), (16, 16)), (16, 16))
    mean = image.reshape(16, 2, 16, 2, 3).astype(float).mean(axis=(1, 3))
    assert shrunk.dtype == np.uint8
    assert np.abs(shrunk - mean).max() <= 0.5


@pytest.mark.parametrize("side", [13.7, 24.0, 61.3, 200.0])
def test_a_constant_stays_constant(side):
    image = np.full((40, 60, 3), 77, np.uint8)
    assert (sample_crop(image, box_to_crop(np.array([5.2, -3.1, 5.2 + side, -3.1 + side / 2]), (16, 32)), (16, 32)) == 77).all()


def test_fine_stripes_do_not_alias():
    image = np.tile(np.array([0, 255], np.uint8), (64, 32))
    shrunk = sample_crop(image, box_to_crop(np.array([0.0, 0.0, 64.0, 64.0]), (10, 10)), (10, 10))
    assert np.abs(shrunk[1:-1, 1:-1].astype(float) - 127.5).max() < 30  # nearest or linear sampling gives 0 or 255


def test_beyond_the_border_is_repeated_or_nothing():
    matte = np.full((20, 20), 255, np.uint8)
    matrix = box_to_crop(np.array([-20.0, -20.0, 20.0, 20.0]), (40, 40))
    assert (sample_crop(matte, matrix, (40, 40)) == 255).all()
    zero = sample_crop(matte, matrix, (40, 40), border="zero")
    assert (zero[20:, 20:] == 255).all()
    assert not zero[:20].any()
    assert not zero[:, :20].any()


def test_a_crop_pasted_back_is_the_picture_within_it():
    image = cv2.GaussianBlur(texture(48, 64), (0, 0), 3)
    matrix = box_to_crop(np.array([10.0, 8.0, 58.0, 40.0]), (64, 96))
    pasted = paste_crop(sample_crop(image, matrix, (64, 96)), matrix, (48, 64))
    assert pasted.dtype == np.float32
    assert np.abs(pasted[10:38, 12:56] - image[10:38, 12:56]).max() < 3
    outside = np.ones((48, 64), bool)
    outside[7:41, 9:59] = False
    assert not pasted[outside].any()


def test_pasting_a_whole_pixel_crop_is_exact():
    image = texture()
    matrix = box_to_crop(np.array([7.0, 5.0, 31.0, 29.0]), (24, 24))
    for interpolation in ("nearest", "linear", "cubic"):
        pasted = paste_crop(image[5:29, 7:31], matrix, (40, 60), interpolation)
        assert np.abs(pasted[5:29, 7:31] - image[5:29, 7:31]).max() < 1e-3


def test_a_similarity_is_found_again():
    source = np.random.default_rng(0).normal(0, 20, (6, 2))
    true = np.array([[1.5 * 0.8, -1.5 * 0.6, 4.0], [1.5 * 0.6, 1.5 * 0.8, -9.0]])
    assert similarity_from_points(source, apply_affine(true, source)) == pytest.approx(true)


def test_a_similarity_never_mirrors():
    source = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    found = similarity_from_points(source, source * [-1.0, 1.0])
    assert np.linalg.det(found[:, :2]) > 0
    assert found[0, 0] == pytest.approx(found[1, 1])
    assert found[0, 1] == pytest.approx(-found[1, 0])


def test_a_similarity_is_the_least_squares_one():
    rng = np.random.default_rng(5)
    source = rng.normal(0, 10, (8, 2))
    target = apply_affine(TURN, source) + rng.normal(0, 1, (8, 2))
    found = similarity_from_points(source, target)

    def error(matrix: np.ndarray) -> float:
        return float(((apply_affine(matrix, source) - target) ** 2).sum())

    for a, b, x, y in np.eye(4) * 1e-3:
        for sign in (-1, 1):
            assert error(found + sign * np.array([[a, -b, x], [b, a, y]])) > error(found)


def test_a_similarity_leaves_missing_points_out():
    source = np.array([[0.0, 0.0], [np.nan, 1.0], [4.0, 0.0], [7.0, 7.0]])
    target = np.array([[1.0, 1.0], [5.0, 5.0], [1.0, 5.0], [np.nan, 0.0]])
    assert similarity_from_points(source, target) == pytest.approx(np.array([[0, -1, 1], [1, 0, 1]]), abs=1e-12)


@pytest.mark.parametrize("source", [[[1.0, 2.0], [np.nan, 0.0]], [[1.0, 2.0], [1.0, 2.0]]])
def test_too_little_gives_no_similarity(source):
    assert np.isnan(similarity_from_points(np.array(source), np.array([[0.0, 0.0], [1.0, 1.0]]))).all()


def test_inputs_are_unchanged():
    matrix, points, image = TURN.copy(), POINTS.copy(), texture()
    box = np.array([1.0, 2.0, 33.0, 34.0])
    before = [a.copy() for a in (matrix, points, image, box)]
    apply_affine(matrix, points)
    invert_affine(matrix)
    compose_affine(matrix, matrix)
    sample_crop(image, box_to_crop(box, (16, 16)), (16, 16))
    paste_crop(image[:16, :16], matrix, (50, 50))
    box_of_points(points, 1.5)
    similarity_from_points(points, points)
    for now, then in zip((matrix, points, image, box), before, strict=True):
        assert (now == then).all()
