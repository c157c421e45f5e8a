"""Laws of maps by the motions of a camera: they are found, and their doubt is how wrong they are where no feature tells."""

import cv2
import numpy as np
import pytest

from pipeline.picture.camera import apply_homography, corners_of
from pipeline.pose.turning import doubt_px, near, turned, turning

SIZE_HW = (540, 960)
TRUE = np.array([0.05, -0.03, 0.02, 0.08, 0.2])
NOISE_PX = 0.2


def features(low: float, high: float, n: int, seed: int = 0) -> np.ndarray:
    """Points (n 2) in the part of the picture between two shares of both sides."""
    return np.random.default_rng(seed).uniform(low, high, (n, 2)) * SIZE_HW[::-1]


def test_a_turn_and_a_zoom_are_found_with_their_lens():
    here = features(0, 1, 60)
    there = apply_homography(turning(SIZE_HW)(TRUE), here)
    found = turned(here, there, SIZE_HW)
    np.testing.assert_allclose(found, TRUE, atol=0.01)
    moved = [apply_homography(turning(SIZE_HW)(p), corners_of(SIZE_HW)) for p in (found, TRUE)]
    assert np.abs(moved[0] - moved[1]).max() < 0.1


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.6), (0.0, 1.0)])
def test_a_lens_that_nothing_tells_is_a_usual_one(low, high):
    """The camera stands still: noise alone is left to tell of its lens."""
    for seed in range(30):
        here = features(low, high, 20, seed)
        there = here + np.random.default_rng(100 + seed).normal(0, NOISE_PX, here.shape)
        assert abs(turned(here, there, SIZE_HW)[4]) < 0.3


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.55, 0.95)])
@pytest.mark.parametrize("kind", ["turning", "any"])
def test_doubt_is_how_far_maps_of_noisy_features_are_off(low, high, kind):
    """Root mean square error of the worst corner over many draws of noise, within a factor of two."""
    true, corners = turning(SIZE_HW)(np.array([0.02, 0.01, 0.01, 0.02, 0.0])), corners_of(SIZE_HW)
    here, rng, doubts, off = features(low, high, 40), np.random.default_rng(3), [], []
    for _ in range(40):
        there = apply_homography(true, here) + rng.normal(0, NOISE_PX, here.shape)
        if kind == "turning":
            family, parameters = turning(SIZE_HW), turned(here, there, SIZE_HW)
        else:
            family, parameters = near(_least_squares(here, there), SIZE_HW), np.zeros(8)
        doubts.append(doubt_px(family, parameters, here, there, SIZE_HW))
        off.append(np.linalg.norm(apply_homography(family(parameters), corners) - apply_homography(true, corners), axis=1))
    error = np.sqrt((np.array(off) ** 2).mean(axis=0)).max()
    assert 0.5 * error < np.median(doubts) < 2 * error


def test_a_homography_is_no_departure_from_itself():
    matrix = turning(SIZE_HW)(TRUE)
    points = features(0, 1, 9)
    np.testing.assert_allclose(apply_homography(near(matrix, SIZE_HW)(np.zeros(8)), points), apply_homography(matrix, points), atol=1e-6)


def _least_squares(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    return cv2.findHomography(here, there, 0)[0]
