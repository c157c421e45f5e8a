"""Laws of series and of the range that a motion may take."""

import numpy as np
import pytest

from pipeline.motion.placement import allowed_range, keep_inside
from pipeline.motion.series import fill, smooth_mean

SECONDS = np.arange(50) / 25


def test_mean_by_hand():
    assert smooth_mean(np.array([0.0, 3, 6, np.nan]), 3) == pytest.approx([1.5, 3, 4.5, 6])
    assert smooth_mean(np.array([0.0, 3, 6, np.nan]), 9) == pytest.approx([3, 3, 3, 3])
    assert smooth_mean(np.full(3, np.nan), 1) == pytest.approx([0, 0, 0])


def test_fill_reuses_the_last_valid_value():
    assert fill(np.array([np.nan, 2, np.nan, 4])) == pytest.approx([2, 2, 2, 4])
    assert np.isnan(fill(np.full(2, np.nan))).all()


def walker(start: float, stop: float) -> np.ndarray:
    x = np.linspace(start, stop, 50)
    return np.stack([np.stack([x - 5, x * 0 + 20], -1), np.stack([x + 5, x * 0 + 80], -1)], axis=1)


def test_a_motion_inside_is_left_alone():
    allowed = np.array([[0.0, 0], [99, 99]])
    points, kept = keep_inside(walker(20, 80), allowed, 0, SECONDS)
    assert points is not None
    assert np.array_equal(points, walker(20, 80))
    assert kept == 1


def test_a_motion_that_fits_is_shifted():
    points, kept = keep_inside(walker(60, 120), np.array([[0.0, 0], [99, 99]]), 0, SECONDS)
    assert kept == 1
    shift = points - walker(60, 120)
    assert shift[..., 0] == pytest.approx(np.full((50, 2), shift[0, 0, 0]))
    assert 97 < points[..., 0].max() <= 100  # no farther than it must


def test_a_motion_too_wide_is_shortened_without_squeezing_the_body():
    points, kept = keep_inside(walker(0, 300), np.array([[0.0, 0], [99, 99]]), 0, SECONDS)
    assert 0.2 < kept < 0.4
    assert points[:, 1, 0] - points[:, 0, 0] == pytest.approx(np.full(50, 10.0))
    assert points[..., 0].min() > -5
    assert points[..., 0].max() < 104


def test_ranges_hold_the_targets_own_reach():
    target = walker(-10, 50)
    assert allowed_range(target, (100, 200), "free", 1.2) is None
    frame = allowed_range(target, (100, 200), "frame", 1.2)
    assert frame is not None
    assert frame[0, 0] < -10
    assert frame[1].tolist() == [199, 99]
    square = allowed_range(target, (100, 200), "target", 1.2)
    assert square is not None
    assert square[1, 0] < 65
