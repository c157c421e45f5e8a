"""Crop boxes: what a crop must show, and when it must not move."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.framing import body_boxes, driven_crop, training_crop
from pipeline.geometry import apply_affine, crop_to_box, invert_affine

SIZE = 128


def roaming(t: int = 60, step: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """A body 40 px wide and 80 px high that walks right."""
    body = np.array([[0.0, 0.0], [39.0, 0.0], [0.0, 79.0], [39.0, 79.0]])
    points = body + 200 + np.stack([step * np.arange(t), np.zeros(t)], axis=1)[:, None]
    return points, np.ones(t, bool)


def inside(points: np.ndarray, rows: np.ndarray) -> bool:
    seen = np.stack([apply_affine(row, p) for row, p in zip(rows, points, strict=True)])
    return bool(np.nanmin(seen) >= -0.5 and np.nanmax(seen) <= SIZE - 0.5)


def test_fixed_box_is_the_tracks_box_times_the_margin():
    points, present = roaming()
    rows = training_crop(points, present, "fixed", 1.25, SIZE)
    assert rows.shape == (60, 2, 3)
    assert rows.dtype == np.float64
    assert (rows == rows[0]).all()
    # Edges: x from 200 to 200 + 39 + 59 * 5 + 1 = 535, y from 200 to 280; side (535 - 200) * 1.25.
    assert crop_to_box(rows[0], SIZE) == pytest.approx([367.5 - 209.375, 240 - 209.375, 367.5 + 209.375, 240 + 209.375])


def test_box_and_back_is_the_same_point():
    points, present = roaming()
    for mode in ("fixed", "follow"):
        rows = training_crop(points, present, mode, 1.25, SIZE)
        back = [apply_affine(invert_affine(r), apply_affine(r, p)) for r, p in zip(rows, points, strict=True)]
        assert np.abs(np.stack(back) - points).max() < 0.01


def test_following_keeps_scale_and_body():
    points, present = roaming(step=20.0)
    rows = training_crop(points, present, "follow", 1.25, SIZE)
    assert (rows[:, 0, 0] == rows[0, 0, 0]).all()
    assert rows[0, 0, 0] == pytest.approx(SIZE / (80 * 1.25))
    assert inside(points, rows)


def test_absent_frames_take_the_nearest_present_row():
    points, present = roaming()
    points[20:30] = np.nan
    present[20:30] = False
    rows = training_crop(points, present, "follow", 1.5, SIZE)
    assert (rows[20:25] == rows[19]).all()
    assert (rows[25:30] == rows[30]).all()
    assert np.isfinite(rows).all()


def test_moving_and_scaling_the_track_moves_and_scales_the_crop():
    points, present = roaming()
    for mode in ("fixed", "follow"):
        rows = training_crop(points, present, mode, 1.25, SIZE)
        moved = training_crop(points + np.array([30, -12]), present, mode, 1.25, SIZE)
        there = [crop_to_box(r, SIZE) for r in moved]
        assert np.abs(np.stack([crop_to_box(r, SIZE) for r in rows]) + np.array([30, -12, 30, -12]) - there).max() < 1e-6


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_own_motion_leaves_every_row_bit_for_bit(mode):
    points, present = roaming(step=9.0)
    points[5, 0] -= 40
    points[11:14], present[11:14] = np.nan, False
    rows = training_crop(points, present, mode, 1.25, SIZE)
    assert (driven_crop(points, present, rows, SIZE) == rows).all()


def test_motion_of_another_length_inside_a_fixed_crop_gets_its_row():
    points, present = roaming()
    rows = training_crop(points, present, "fixed", 1.25, SIZE)
    driven = driven_crop(points[10:25], present[10:25], rows, SIZE)
    assert driven.shape == (15, 2, 3)
    assert (driven == rows[0]).all()


def test_leaving_motion_is_kept_in_view_by_a_smooth_shift_at_the_same_scale():
    points, present = roaming(step=0.5)
    rows = training_crop(points, present, "fixed", 1.3, SIZE)
    far = points.copy()
    far[30:] += np.stack([np.linspace(0, 120, 30), np.zeros(30)], axis=1)[:, None]
    driven = driven_crop(far, present, rows, SIZE)
    assert inside(far, driven)
    assert not inside(far, rows)
    assert (driven[:10] == rows[:10]).all()
    assert (driven[:, 0, 0] == rows[0, 0, 0]).all()
    shift = -np.diff(driven[:, 0, 2]) / rows[0, 0, 0]
    assert shift.max() < 8
    assert (driven[:, 1] == rows[:, 1]).all()


def test_body_larger_than_the_crop_fills_it():
    points, present = roaming(step=0.0)
    rows = training_crop(points, present, "fixed", 1.25, SIZE)
    large = (points - 200) * 3 + 200
    for row, box in zip(driven_crop(large, present, rows, SIZE), body_boxes(large), strict=True):
        x0, y0, x1, y1 = crop_to_box(row, SIZE)
        assert y0 >= box[1] - 0.05 * 100
        assert y1 <= box[3] + 0.05 * 100
        assert x1 - x0 == pytest.approx(100)


def test_following_motion_of_another_length_is_followed():
    points, present = roaming(step=12.0)
    rows = training_crop(points, present, "follow", 1.25, SIZE)
    other, seen = roaming(t=25, step=-15.0)
    driven = driven_crop(other, seen, rows, SIZE)
    assert inside(other, driven)
    assert (driven[:, 0, 0] == rows[0, 0, 0]).all()


def test_pictures_without_time_are_followed_one_by_one():
    points, present = roaming(step=12.0)
    rows = training_crop(points, present, "follow", 1.25, SIZE)
    other, seen = roaming(t=25, step=-15.0)
    order = np.random.default_rng(0).permutation(25)
    driven = driven_crop(other, seen, rows, SIZE, timed=False)
    assert np.array_equal(driven_crop(other[order], seen[order], rows, SIZE, timed=False), driven[order])
    assert not np.allclose(driven_crop(other[order], seen[order], rows, SIZE), driven[order])


def test_nobody_is_an_error_for_training_and_keeps_the_row_when_driven():
    points, present = roaming()
    rows = training_crop(points, present, "fixed", 1.25, SIZE)
    nothing, absent = np.full_like(points, np.nan), np.zeros(60, bool)
    with pytest.raises(InputError, match="at least one frame with the subject"):
        training_crop(nothing, absent, "fixed", 1.25, SIZE)
    assert (driven_crop(nothing, absent, rows, SIZE) == rows).all()


def test_inputs_stay_as_they_were_and_one_joint_makes_a_box():
    points, present = roaming()
    points[:, 1:] = np.nan
    before = points.copy()
    rows = training_crop(points, present, "follow", 1.25, SIZE)
    assert np.isfinite(rows).all()
    assert np.array_equal(points, before, equal_nan=True)
    assert body_boxes(points)[0] == pytest.approx([200, 200, 201, 201])
    assert np.isnan(body_boxes(np.full((1, 3, 2), np.nan))).all()


def test_a_follower_without_time_centres_each_frame():
    rng = np.random.default_rng(3)
    points = rng.uniform(50, 400, (30, 1, 2)) + np.array([[-10.0, -5.0], [10.0, 5.0]])
    rows = training_crop(points, np.ones(30, bool), "follow", 1.5, 64, timed=False)
    centres = np.stack([(crop_to_box(row, 64)[:2] + crop_to_box(row, 64)[2:]) / 2 for row in rows])
    np.testing.assert_allclose(centres, points.mean(axis=1) + 0.5, atol=1e-9)
