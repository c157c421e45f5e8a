"""Crop boxes: what a crop must show, and when it must not move."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.picture.framing import STEP_PX, body_boxes, crop_shape, driven_crop, matching_crop, training_crop
from pipeline.picture.geometry import apply_affine, box_to_crop, crop_to_box, invert_affine

SIZE = 128
WIDE = (600, 4000)  # a frame (h, w) whose edges are far from every track below


def roaming(t: int = 60, step: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """A body 40 px wide and 80 px high that walks right."""
    body = np.array([[0.0, 0.0], [39.0, 0.0], [0.0, 79.0], [39.0, 79.0]])
    points = body + 200 + np.stack([step * np.arange(t), np.zeros(t)], axis=1)[:, None]
    return points, np.ones(t, bool)


def seen_by(points, present, mode="fixed", margin=1.25, size_hw=WIDE, timed=True):
    return training_crop(points, present, size_hw, mode, margin, SIZE, timed)


def boxes_of(framing_or_rows, crop_hw=None) -> np.ndarray:
    rows, hw = (framing_or_rows.rows, framing_or_rows.crop_hw) if crop_hw is None else (framing_or_rows, crop_hw)
    return np.stack([crop_to_box(row, hw) for row in rows])


def shown(points: np.ndarray, rows: np.ndarray, crop_hw: tuple[int, int]) -> bool:
    seen = np.stack([apply_affine(row, p) for row, p in zip(rows, points, strict=True)])
    low, high = np.nanmin(seen, axis=(0, 1)), np.nanmax(seen, axis=(0, 1))
    return bool((low >= -0.5).all() and (high <= np.array(crop_hw[::-1]) - 0.5).all())


def within(rows: np.ndarray, crop_hw: tuple[int, int], size_hw: tuple[int, int]) -> bool:
    boxes = boxes_of(rows, crop_hw)
    return bool(boxes[:, :2].min() >= -1e-6 and (boxes[:, 2:].max(axis=0) <= np.array(size_hw[::-1]) + 1e-6).all())


def test_fixed_box_is_the_tracks_box_with_its_shape():
    points, present = roaming()
    framing = seen_by(points, present)
    assert framing.rows.shape == (60, 2, 3)
    assert framing.rows.dtype == np.float64
    assert (framing.rows == framing.rows[0]).all()
    # Edges: x from 200 to 200 + 39 + 59 * 5 + 1 = 535, y from 200 to 280; a quarter of 335 more on both axes: 418.75 x 163.75.
    # At 128 px for 418.75 the height is 50.05 px, hence 64 px, which show 209.375.
    assert framing.crop_hw == (64, 128)
    assert boxes_of(framing)[0] == pytest.approx([367.5 - 209.375, 240 - 104.6875, 367.5 + 209.375, 240 + 104.6875])
    assert framing.body_px == pytest.approx(80 * 128 / 418.75)


@pytest.mark.parametrize(
    ("extent", "margin", "crop_hw"),
    [
        ((100, 100), 1.25, (128, 128)),
        ((20, 100), 1.25, (128, 64)),  # (20 + 25) / 125 of 128 = 46.1
        ((100, 20), 1.25, (64, 128)),
        ((1, 1000), 1.2, (128, 32)),  # (1 + 200) / 1200 of 128 = 21.4
        ((7, 95), 1.25, (128, 64)),  # (7 + 23.75) / 118.75 of 128 = 33.1
        ((0, 100), 1.25, (128, 32)),  # 25 / 125 of 128 = 25.6
        ((0, 100), 1.5, (128, 64)),  # 50 / 150 = 42.7
        ((75, 100), 1.25, (128, 128)),  # 102.4
        ((68.75, 100), 1.25, (128, 96)),  # exactly 96
        ((0, 0), 1.5, (128, 64)),
    ],
)
def test_the_shorter_side_follows_the_extent_in_steps(extent, margin, crop_hw):
    found, scale = crop_shape(np.array(extent, float), margin, SIZE)
    assert found == crop_hw
    assert scale == pytest.approx(SIZE / (max(*extent, 2) * margin))
    room = np.array(crop_hw[::-1]) / scale - np.array(extent)
    assert (room >= (margin - 1) * max(extent) - 1e-9).all()  # at least so much more on either axis


def test_every_shape_has_sides_that_networks_halve():
    rng = np.random.default_rng(0)
    for size_px in (32, 64, 96, 512):
        for extent in rng.uniform(1, 500, (50, 2)):
            (h, w), _ = crop_shape(extent, 1.1, size_px)
            assert max(h, w) == size_px
            assert min(h, w) >= STEP_PX
            assert h % STEP_PX == w % STEP_PX == 0
            assert (h >= w) == (extent[1] >= extent[0]) or h == w


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_pixels_stay_square_and_points_come_back(mode):
    points, present = roaming()
    rows = seen_by(points, present, mode).rows
    assert (rows[:, 0, 0] == rows[:, 1, 1]).all()
    assert (rows[:, 0, 0] == rows[0, 0, 0]).all()
    assert not rows[:, [0, 1], [1, 0]].any()
    back = [apply_affine(invert_affine(r), apply_affine(r, p)) for r, p in zip(rows, points, strict=True)]
    assert np.abs(np.stack(back) - points).max() < 0.01


def test_following_keeps_scale_and_body():
    points, present = roaming(step=20.0)
    framing = seen_by(points, present, "follow")
    assert framing.rows[0, 0, 0] == pytest.approx(SIZE / (80 * 1.25))
    assert framing.crop_hw == (128, 96)  # (40 + 20) / 100 of 128 = 76.8
    assert shown(points, framing.rows, framing.crop_hw)


def test_absent_frames_take_the_nearest_present_row():
    points, present = roaming()
    points[20:30] = np.nan
    present[20:30] = False
    rows = seen_by(points, present, "follow", 1.5).rows
    assert (rows[20:25] == rows[19]).all()
    assert (rows[25:30] == rows[30]).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_moving_and_scaling_the_track_moves_and_scales_the_crop(mode):
    points, present = roaming()
    framing = seen_by(points, present, mode)
    moved = seen_by(points + np.array([30, -12]), present, mode)
    assert np.abs(boxes_of(framing) + np.array([30, -12, 30, -12]) - boxes_of(moved)).max() < 1e-6
    doubled = seen_by((points + 0.5) * 2 - 0.5, present, mode, size_hw=(1200, 8000))
    assert moved.crop_hw == doubled.crop_hw == framing.crop_hw
    assert np.abs(boxes_of(doubled) - 2 * boxes_of(framing)).max() < 3  # a joint stays one pixel wide


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_exchanging_the_axes_exchanges_them_in_the_crop(mode):
    points, present = roaming()
    framing = seen_by(points, present, mode)
    turned = seen_by(points[..., ::-1], present, mode, size_hw=WIDE[::-1])
    assert turned.crop_hw == framing.crop_hw[::-1]
    assert np.abs(boxes_of(turned)[:, [1, 0, 3, 2]] - boxes_of(framing)).max() < 1e-9


# --- inside the frame -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fixed", "follow"])
@pytest.mark.parametrize("size_hw", [(290, 4000), (600, 545), (285, 540)])
def test_a_crop_that_fits_lies_inside_the_frame(mode, size_hw):
    points, present = roaming()  # its box is 200..535 x 200..280, near the edges of these frames
    framing = seen_by(points, present, mode, size_hw=size_hw)
    free = seen_by(points, present, mode)
    assert framing.crop_hw == free.crop_hw
    assert (framing.rows[:, 0, 0] == free.rows[0, 0, 0]).all()  # moved, not resized
    assert within(framing.rows, framing.crop_hw, size_hw)
    assert shown(points, framing.rows, framing.crop_hw)
    assert (driven_crop(points, present, framing.rows, framing.crop_hw, size_hw) == framing.rows).all()


def test_a_crop_larger_than_the_frame_takes_a_shape_inside_it():
    points, present = roaming()
    box = boxes_of(seen_by(points, present, size_hw=(281, 4000)))[0]  # 209 px high: fits and is moved up
    assert box[3] == pytest.approx(281)
    points[:, :2, 1] -= 160  # from 40 to 280 px: 240 and a quarter of 335 more are higher than the frame
    framing = seen_by(points, present, size_hw=(300, 4000))
    # Wanted 418.75 x 323.75, of which the frame has 300. At 64 px in height all 300 take 600 px in width; 96 px take 400, too few.
    assert framing.crop_hw == (64, 128)
    assert boxes_of(framing)[0] == pytest.approx([367.5 - 300, 0, 367.5 + 300, 300])
    framing = seen_by(points, present, size_hw=(300, 560))  # too narrow for 600 px: the crop that loses 19 of 419 px in width
    assert framing.crop_hw == (96, 128)
    assert boxes_of(framing)[0] == pytest.approx([160, 0, 560, 300])
    assert shown(points, framing.rows, framing.crop_hw)
    assert (driven_crop(points, present, framing.rows, framing.crop_hw, (300, 560)) == framing.rows).all()


def test_a_crop_that_no_shape_makes_fit_is_centred_on_the_frame():
    points, present = roaming()
    points[:, :2, 1] -= 160
    points -= [200, 35]  # 0..335 x 5..245 in 250 x 340: 128 x 64 px of it are too low, 128 x 96 px too narrow
    framing = seen_by(points, present, size_hw=(250, 340))
    x0, y0, x1, y1 = boxes_of(framing)[0]
    assert x1 - x0 == pytest.approx(418.75)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((170, 125))
    assert shown(points, framing.rows, framing.crop_hw)


@pytest.mark.parametrize("seed", range(6))
def test_a_crop_is_full_of_real_pixels_wherever_a_shape_allows_it(seed):
    rng = np.random.default_rng(seed)
    size_hw = tuple(int(side) for side in rng.integers(200, 700, 2))
    for _ in range(20):
        extent = rng.uniform(0.05, 1.0, 2) * size_hw[::-1]
        crop_hw, scale = crop_shape(extent, 1.25, 256, size_hw, whole_px=rng.uniform(0, 900))
        sides = np.array(crop_hw[::-1]) / scale
        assert max(crop_hw) == 256
        assert (sides >= extent - 1e-6).all()
        fits = (sides <= np.array(size_hw[::-1]) + 1e-6).all()
        shapes = [(256, s) for s in range(32, 257, 32)] + [(s, 256) for s in range(32, 257, 32)]
        possible = any(max(extent / shape) <= min(np.array(size_hw[::-1]) / shape) for shape in shapes)
        assert fits or not possible


def test_the_margin_is_a_share_of_the_whole_body():
    points, present = roaming(step=0.0)  # 40 x 80 px
    framing = seen_by(points, present)
    assert (framing.rows == training_crop(points, present, WIDE, "fixed", 1.25, SIZE, whole_px=80.0).rows).all()
    wider = training_crop(points, present, WIDE, "fixed", 1.25, SIZE, whole_px=200.0)
    assert boxes_of(wider)[0][[1, 3]] == pytest.approx([240 - 40 - 25, 240 + 40 + 25])  # a quarter of 200 more


def test_joints_outside_the_picture_do_not_count():
    points, present = roaming(step=0.0)
    far = points.copy()
    far[:, 3] = [5000.0, 300.0]  # a guessed ankle far outside a frame that ends at x = 260
    cut = points.copy()
    cut[:, 3] = [259.0, 300.0]
    a, b = (seen_by(p, present, size_hw=(600, 260)) for p in (far, cut))
    assert a.crop_hw == b.crop_hw
    assert (a.rows == b.rows).all()
    assert (driven_crop(far, present, a.rows, a.crop_hw, (600, 260)) == a.rows).all()


def test_a_body_outside_the_frame_is_not_seen():
    points, present = roaming()
    gone = points.copy()
    gone[40:] += 5000
    rows = seen_by(gone, present, "follow").rows
    assert (rows[40:] == rows[39]).all()
    with pytest.raises(InputError, match="at least one frame with the subject inside it, found none in 60 frames"):
        seen_by(points - 1000, present)
    assert body_boxes(gone, WIDE)[39] == pytest.approx([395, 200, 435, 280])
    assert np.isnan(body_boxes(gone, WIDE)[40:]).all()
    assert np.isfinite(body_boxes(gone)).all()


# --- which mode -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(("step", "mode"), [(0.0, "fixed"), (1.0, "fixed"), (2.0, "fixed"), (2.1, "follow"), (30.0, "follow")])
def test_auto_follows_a_body_that_fills_less_than_half_of_its_way(step, mode, timed):
    points, present = roaming(step=step)  # 40 + 59 × step wide: 158 at 2.0, 163.9 at 2.1; half of it against the body's 80
    framing = seen_by(points, present, "auto", timed=timed)
    assert framing.mode == mode
    assert (framing.rows == seen_by(points, present, mode, timed=timed).rows).all()


# --- driven motions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_own_motion_leaves_every_row_bit_for_bit(mode):
    points, present = roaming(step=9.0)
    points[5, 0] -= 40
    points[11:14], present[11:14] = np.nan, False
    framing = seen_by(points, present, mode)
    assert (driven_crop(points, present, framing.rows, framing.crop_hw, WIDE) == framing.rows).all()


@pytest.mark.parametrize("mode", ["fixed", "follow"])
@pytest.mark.parametrize("seed", range(8))
def test_own_motion_leaves_every_row_wherever_the_frame_ends(mode, seed):
    rng = np.random.default_rng(seed)
    size_hw = (int(rng.integers(90, 400)), int(rng.integers(90, 400)))
    path = np.cumsum(rng.normal(0, 6, (50, 1, 2)), axis=0) + rng.uniform(0, size_hw[::-1])
    points, present = path + rng.uniform(-60, 60, (50, 6, 2)), rng.random(50) > 0.1
    for margin in (1.1, 1.25, 3.0):
        framing = training_crop(points, present, size_hw, mode, margin, 96)
        assert (driven_crop(points, present, framing.rows, framing.crop_hw, size_hw) == framing.rows).all()
        sides = np.array(framing.crop_hw[::-1]) / framing.rows[0, 0, 0]
        for box in boxes_of(framing):
            for axis in (0, 1):
                end = size_hw[1 - axis]
                low, high = box[axis], box[axis + 2]
                if sides[axis] <= end:
                    assert low >= -1e-6
                    assert high <= end + 1e-6
                else:
                    assert (low + high) / 2 == pytest.approx(end / 2)


def test_motion_of_another_length_inside_a_fixed_crop_gets_its_row():
    points, present = roaming()
    framing = seen_by(points, present)
    driven = driven_crop(points[10:25], present[10:25], framing.rows, framing.crop_hw, WIDE)
    assert driven.shape == (15, 2, 3)
    assert (driven == framing.rows[0]).all()


def test_leaving_motion_is_kept_in_view_by_a_smooth_shift_at_the_same_scale():
    points, present = roaming(step=0.5)
    framing = seen_by(points, present, margin=1.3)
    rows = framing.rows
    far = points.copy()
    far[30:] += np.stack([np.linspace(0, 120, 30), np.zeros(30)], axis=1)[:, None]
    driven = driven_crop(far, present, rows, framing.crop_hw, WIDE)
    assert shown(far, driven, framing.crop_hw)
    assert not shown(far, rows, framing.crop_hw)
    assert (driven[:10] == rows[:10]).all()
    assert (driven[:, 0, 0] == rows[0, 0, 0]).all()
    shift = -np.diff(driven[:, 0, 2]) / rows[0, 0, 0]
    assert shift.max() < 8
    assert (driven[:, 1] == rows[:, 1]).all()


def test_motion_at_the_frames_edge_is_shown_without_leaving_the_frame():
    points, present = roaming(step=0.5)
    size_hw = (600, 420)
    framing = seen_by(points, present, size_hw=size_hw)
    far = points.copy()
    far[30:] += np.stack([np.linspace(0, 150, 30), np.zeros(30)], axis=1)[:, None]  # its toes touch x = 418
    driven = driven_crop(far, present, framing.rows, framing.crop_hw, size_hw)
    assert within(driven, framing.crop_hw, size_hw)
    assert shown(far, driven, framing.crop_hw)
    assert boxes_of(driven, framing.crop_hw)[-1, 2] == pytest.approx(420)


def test_body_larger_than_the_crop_fills_it():
    points, present = roaming(step=0.0)
    framing = seen_by(points, present)
    large = (points - 200) * 3 + 200
    driven = driven_crop(large, present, framing.rows, framing.crop_hw, WIDE)
    for (x0, y0, x1, y1), box in zip(boxes_of(driven, framing.crop_hw), body_boxes(large), strict=True):
        assert y0 >= box[1] - 0.05 * 100
        assert y1 <= box[3] + 0.05 * 100
        assert (x1 - x0, y1 - y0) == pytest.approx((75, 100))


def test_following_motion_of_another_length_is_followed():
    points, present = roaming(step=12.0)
    framing = seen_by(points, present, "follow")
    other, seen = roaming(t=25, step=-8.0)
    driven = driven_crop(other, seen, framing.rows, framing.crop_hw, WIDE)
    assert shown(other, driven, framing.crop_hw)
    assert (driven[:, 0, 0] == framing.rows[0, 0, 0]).all()


def test_pictures_without_time_are_followed_one_by_one():
    points, present = roaming(step=12.0)
    framing = seen_by(points, present, "follow")
    other, seen = roaming(t=25, step=-8.0)
    order = np.random.default_rng(0).permutation(25)
    arguments = framing.rows, framing.crop_hw, WIDE
    driven = driven_crop(other, seen, *arguments, timed=False)
    assert np.array_equal(driven_crop(other[order], seen[order], *arguments, timed=False), driven[order])
    assert not np.allclose(driven_crop(other[order], seen[order], *arguments), driven[order])


def test_nobody_is_an_error_for_training_and_keeps_the_row_when_driven():
    points, present = roaming()
    framing = seen_by(points, present)
    nothing, absent = np.full_like(points, np.nan), np.zeros(60, bool)
    with pytest.raises(InputError, match="at least one frame with the subject"):
        seen_by(nothing, absent)
    assert (driven_crop(nothing, absent, framing.rows, framing.crop_hw, WIDE) == framing.rows).all()


def test_inputs_stay_as_they_were_and_one_joint_makes_a_box():
    points, present = roaming()
    points[:, 1:] = np.nan
    before = points.copy()
    rows = seen_by(points, present, "follow").rows
    assert np.isfinite(rows).all()
    assert np.array_equal(points, before, equal_nan=True)
    assert body_boxes(points)[0] == pytest.approx([200, 200, 201, 201])
    assert np.isnan(body_boxes(np.full((1, 3, 2), np.nan))).all()


def test_a_follower_without_time_centres_each_frame():
    rng = np.random.default_rng(3)
    points = rng.uniform(50, 400, (30, 1, 2)) + np.array([[-10.0, -5.0], [10.0, 5.0]])
    framing = training_crop(points, np.ones(30, bool), (500, 500), "follow", 1.5, 64, timed=False)
    boxes = boxes_of(framing)
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, points.mean(axis=1) + 0.5, atol=1e-9)


def test_a_crop_that_nobody_trained_is_kept_where_the_motion_fits():
    """A row that reaches beyond the frame, as made by hand, is not moved into it: the motion inside has the row bit for bit."""
    points, present = roaming()
    row = box_to_crop(np.array([100.0, -100.0, 600.0, 400.0]), (96, 96))
    rows = np.broadcast_to(row, (60, 2, 3))
    assert (driven_crop(points, present, rows, (96, 96), (300, 560)) == rows).all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_another_clips_track_is_seen_as_large_in_a_crop_of_the_same_shape(factor):
    points, present = roaming(20, step=1.0)
    own = seen_by(points, present)
    other, size_hw = (points + 0.5) * factor - 0.5 + 70, (1200, 4000)
    found = matching_crop(other, present, size_hw, own.crop_hw, own.rows[0, 0, 0] / factor)
    assert found.mode == "fixed"
    assert found.crop_hw == own.crop_hw
    assert np.allclose(found.rows[:, 0, 0], own.rows[0, 0, 0] / factor)
    heights = [np.ptp(apply_affine(row[0], clip[0])[:, 1]) for row, clip in ((own.rows, points), (found.rows, other))]
    assert heights[0] == pytest.approx(heights[1])
    assert shown(other, found.rows, found.crop_hw)


def test_another_clips_track_that_is_too_long_for_the_crop_is_followed():
    own = seen_by(*roaming(20, step=1.0))
    points, present = roaming(120)
    found = matching_crop(points, present, WIDE, own.crop_hw, float(own.rows[0, 0, 0]))
    assert found.mode == "follow"
    assert (found.rows[:, 0, 0] == own.rows[0, 0, 0]).all()
    assert shown(points, found.rows, found.crop_hw)
    assert within(found.rows, found.crop_hw, WIDE)
