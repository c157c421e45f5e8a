"""Laws of a camera undone: pictures lie where the maps say, nothing is shown that was not filmed, and what is stored comes back."""

import cv2
import numpy as np
import pytest
from filmed import SCENE_HW, SIZE_HW, path, scene

from pipeline.picture.camera import Camera, apply_homography, scale_at_middle

MAPS = path(5, pan=40, zoom=0.2, turn=0.05)
SHIFT = np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]])


def camera(maps: np.ndarray, size_hw: tuple[int, int], filmed_hw: tuple[int, int] = SIZE_HW) -> Camera:
    return Camera(maps, np.ones(len(maps), bool), filmed_hw, size_hw, 0)


def test_a_frame_seen_in_the_scenes_pixels_is_the_scene():
    truth = scene()
    back = camera(np.linalg.inv(MAPS), SCENE_HW)
    for t, matrix in enumerate(MAPS):
        frame = cv2.warpPerspective(truth, matrix, SIZE_HW[::-1], flags=cv2.INTER_CUBIC)
        seen, shown = back.picture(t, frame), back.shown(t)
        assert 0.1 < shown.mean() < 0.9
        inside = cv2.erode(shown.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert np.abs(seen.astype(int) - truth)[inside].mean() < 1.5
        assert (seen[~shown] == 0).all()
        assert (back.picture(t, frame, truth)[~shown] == truth[~shown]).all()


def test_what_is_shown_are_the_pixels_whose_places_were_filmed():
    shown = camera(MAPS[:1] @ np.linalg.inv(MAPS[1]), SIZE_HW).shown(0)
    places = np.stack(np.meshgrid(np.arange(SIZE_HW[1]), np.arange(SIZE_HW[0])), axis=-1)
    from_frame = apply_homography(MAPS[1] @ np.linalg.inv(MAPS[0]), places)
    inside = ((from_frame >= 0) & (from_frame <= np.array(SIZE_HW[::-1]) - 1)).all(axis=-1)
    assert (shown == inside).mean() > 0.99
    assert not (shown & ~inside & ~(cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)).any()


def test_a_shift_by_whole_pixels_changes_no_pixel():
    frame = scene()[:240, :320]
    moved = camera(SHIFT[None], SIZE_HW)
    seen = moved.picture(0, frame)
    assert np.array_equal(seen[:-7, 12:], frame[7:, :-12])
    assert np.array_equal(moved.shown(0)[:-7, 12:], np.ones((233, 308), bool))
    assert not moved.shown(0)[-7:].any()
    assert not moved.shown(0)[:, :12].any()
    assert moved.picture(0, frame[..., 0]).shape == SIZE_HW


def test_shrinking_averages():
    """A fine chequerboard is grey from afar, not a pattern of its own."""
    board = (np.indices((240, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    third = np.array([[1 / 3, 0, -1 / 3], [0, 1 / 3, -1 / 3], [0, 0, 1]])
    seen = camera(third[None], (78, 104)).picture(0, board)
    assert np.abs(seen[2:-2, 2:-2].astype(int) - 127).max() < 35


def test_nothing_is_shown_where_the_map_is_not_trusted():
    lost = Camera(np.repeat(np.eye(3)[None], 2, axis=0), np.array([True, False]), SIZE_HW, SIZE_HW, 0)
    assert lost.shown(0).all()
    assert not lost.shown(1).any()
    assert not lost.picture(1, scene()[:240, :320]).any()


def test_points_follow_the_map_and_missing_ones_stay_missing():
    moved = camera(SHIFT[None], SIZE_HW).points(0, np.array([[3.0, 9.0], [np.nan, np.nan]]))
    np.testing.assert_array_equal(moved, [[15.0, 2.0], [np.nan, np.nan]])


def test_a_camera_is_stored_and_comes_back():
    stored = Camera(MAPS, np.array([True, False, True, True, False]), SIZE_HW, (300, 401), 2)
    back = Camera.from_attributes(stored.to_attributes())
    assert np.array_equal(back.maps, MAPS)
    assert np.array_equal(back.trusted, stored.trusted)
    assert (back.filmed_hw, back.size_hw, back.reference) == (SIZE_HW, (300, 401), 2)


@pytest.mark.parametrize("size", [0.25, 1.0, 3.0])
def test_scale_is_of_lengths(size):
    assert scale_at_middle(np.diag([size, size, 1.0]), SIZE_HW) == pytest.approx(size)
