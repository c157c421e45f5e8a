"""A fine matte gives its edges to a coarse one, and none of its losses. A figure of a trunk, an arm and a finger, known exactly."""

import cv2
import numpy as np
import pytest

from pipeline.matting.agreement import agreed, limbs_of

SIZE_HW = (180, 200)
BODY_PX = 150.0
JOINTS = np.array([[60.0, 25], [60, 160], [60, 60], [150, 60], [180, 60], [np.nan, np.nan]])
LIMBS = [(0, 1), (2, 3), (3, 4), (4, 5)]
ARM, FINGER = np.s_[40:80, 90:152], np.s_[40:80, 155:182]


def figure(trunk: float = 24, arm: float = 8, finger: float = 2) -> np.ndarray:
    """Its true matte (h w) float32: rounded bars, of half widths in px, along the limbs."""
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]].astype(np.float32)
    bars = ((60, 25, 60, 160, trunk), (60, 60, 150, 60, arm), (150, 60, 180, 60, finger))
    found = np.zeros(SIZE_HW, np.float32)
    for x0, y0, x1, y1, half in bars:
        away = np.hypot(x - x.clip(x0, x1), y - y.clip(y0, y1))
        found = np.maximum(found, np.clip(half + 0.5 - away, 0, 1))
    return found


TRUE = figure()
COARSE = cv2.GaussianBlur(TRUE, (0, 0), 1.6)
DRAWN = limbs_of(SIZE_HW, JOINTS, LIMBS, BODY_PX)


def apart(found: np.ndarray, part: tuple[slice, slice] = np.s_[:, :]) -> float:
    return float(np.abs(found - TRUE)[part].mean())


def without(part: tuple[slice, slice]) -> np.ndarray:
    fine = TRUE.copy()
    fine[part] = 0
    return fine


def test_confirmed_edges_are_taken_over():
    found = agreed(COARSE, TRUE, DRAWN)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (0, 1)
    assert apart(found) < 0.35 * apart(COARSE)
    soft = [np.count_nonzero((matte > 0.1) & (matte < 0.9)) for matte in (found, COARSE)]
    assert soft[0] < 0.5 * soft[1]


def test_haze_of_the_fine_matte_is_none_and_near_solid_is_solid():
    hazy = 0.03 + 0.94 * TRUE
    found = agreed(COARSE, hazy, DRAWN)
    assert found[:20, 120:].max() == 0
    assert found[100, 60] > 0.9999


@pytest.mark.parametrize("part", [ARM, FINGER, np.s_[:, :85], np.s_[:, :]], ids=["arm", "finger", "trunk", "everything"])
def test_no_limb_is_lost(part):
    """Not even one narrower than the blur by which both are compared."""
    found = agreed(COARSE, without(part), DRAWN)
    assert found[part].sum() > 0.97 * COARSE[part].sum()
    for x, y in JOINTS[np.isfinite(JOINTS[:, 0])].astype(int):
        assert found[y, x] > min(COARSE[y, x], 0.999) - 1e-6


def test_what_is_lost_in_one_place_costs_no_edges_elsewhere():
    found = agreed(COARSE, without(ARM), DRAWN)
    far = np.s_[110:, :]
    assert apart(found, far) < 0.4 * apart(COARSE, far)


def test_a_hole_is_not_taken_over_and_neither_is_what_the_coarse_matte_does_not_know():
    fine = TRUE.copy()
    fine[90:104, 66:80] = 0
    fine[140:165, 150:175] = 1
    found = agreed(COARSE, fine, DRAWN)
    assert found[92:102, 68:78].min() > 0.95
    assert found[140:165, 150:175].max() == 0


BOX = np.s_[100:120, 86:112]


def beside() -> tuple[np.ndarray, np.ndarray]:
    """A coarse matte with a box that stands beside the trunk, and what looks like the still background: all but the figure."""
    coarse = COARSE.copy()
    coarse[BOX] = np.maximum(coarse[BOX], 0.95)
    return coarse, (TRUE == 0).astype(np.float32)


def test_a_still_thing_that_the_fine_matte_denies_is_taken_out():
    coarse, still = beside()
    inside = np.s_[102:118, 90:110]
    assert agreed(coarse, TRUE, DRAWN, still)[inside].max() < 0.1
    assert agreed(coarse, TRUE, DRAWN)[inside].min() > 0.9  # without a still background nobody can tell
    assert agreed(coarse, TRUE, DRAWN, np.zeros(SIZE_HW, np.float32))[inside].min() > 0.9
    confirmed = np.maximum(TRUE, coarse > 0.9)
    assert agreed(coarse, confirmed, DRAWN, still)[inside].min() > 0.9


def test_who_misses_the_limbs_nearby_is_no_witness_against_a_still_thing():
    """A person before a background of the same colour looks still; a network that lost the trunk must not take it away."""
    coarse, still = beside()
    found = agreed(coarse, without(np.s_[:, :85]), DRAWN, np.ones_like(still))
    assert found[BOX].mean() > 0.9
    assert found[40:150, 45:75].min() > 0.95


def test_without_joints_there_is_no_witness_of_limbs_and_edges_still_agree():
    nobody = limbs_of(SIZE_HW, np.full_like(JOINTS, np.nan), LIMBS, BODY_PX)
    assert not nobody.lines.any()
    assert apart(agreed(COARSE, TRUE, nobody)) < 0.35 * apart(COARSE)
    far = limbs_of(SIZE_HW, JOINTS + 1e7, LIMBS, BODY_PX)  # beyond what the drawing can count
    assert not far.lines.any()
