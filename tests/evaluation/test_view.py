"""The view: constant in size, about the person, inside the frame, never finer than the source."""

import numpy as np
import pytest

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.evaluation.view import box_of_mask, follow_person, person_boxes
from pipeline.video.clock import Clock

HW = (540, 960)


def walk(centres_x, side=(80, 200), top=150) -> np.ndarray:
    """Boxes (t 4) of a person of one size (w, h) whose middle is at centres_x."""
    x = np.asarray(centres_x, float)
    return np.stack([x - side[0] / 2, np.full_like(x, top), x + side[0] / 2, np.full_like(x, top + side[1])], axis=1)


def test_the_view_is_the_largest_box_with_a_margin_and_watch_px_long():
    boxes = walk([300, 400, 500])
    boxes[1] += [-10, 0, 10, 0]  # arms out: 100 px wide
    view = follow_person(boxes, HW, 125)
    assert view is not None
    assert view.size_hw == (125, 62)  # of 250 x 125 full px
    assert view.scale == 0.5
    assert follow_person(boxes, HW, 90).size_hw == (90, 45)


def test_it_follows_and_stays_inside_the_frame():
    boxes = walk(np.linspace(45, 915, 30))
    view = follow_person(boxes, HW, 100)
    seen = np.array([view.box(t) for t in range(30)])
    assert (seen[:, :2] >= 0).all()
    assert (seen[:, 2:] <= HW[::-1]).all()
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in seen}) == 1
    assert (seen[:, :2] <= boxes[:, :2]).all()
    assert (seen[:, 2:] >= boxes[:, 2:]).all()
    inside = slice(2, -2)  # where no edge of the frame moves it
    assert np.abs((seen[:, 0] + seen[:, 2] - boxes[:, 0] - boxes[:, 2])[inside]).max() <= 2
    assert seen[0, 0] == 0
    assert seen[-1, 2] == HW[1]


def test_who_walks_far_is_not_made_small():
    near, far = (follow_person(walk(np.linspace(*way, 20)), HW, 384) for way in ((470, 490), (60, 900)))
    assert (near.size_hw, near.scale) == (far.size_hw, far.scale)


@pytest.mark.parametrize("watch_px", [250, 384])
def test_a_source_smaller_than_watch_px_is_neither_enlarged_nor_resampled(watch_px):
    view = follow_person(walk([300.5, 411.0]), HW, watch_px)
    assert view.scale == 1
    assert view.size_hw == (250, 100)
    picture = np.random.default_rng(0).integers(0, 256, (*HW, 3)).astype(np.uint8)
    for t in range(2):
        x0, y0, x1, y1 = view.box(t)
        assert np.array_equal(view.see(picture, t), picture[y0:y1, x0:x1])


def test_who_is_larger_than_the_frame_is_seen_in_the_whole_of_it():
    view = follow_person(np.array([[0.0, 0, 900, 530]]), HW, 384)
    assert view.box(0) == (0, 0, 960, 540)
    assert view.size_hw == (216, 384)


def test_shrinking_averages_areas():
    view = follow_person(walk([400.0]), HW, 125)
    chequers = np.where(np.indices(HW).sum(0) % 2, 200, 100).astype(np.uint8)
    assert (np.abs(view.see(chequers, 0).astype(int) - 150) <= 1).all()


def test_a_frame_without_a_box_is_seen_between_its_neighbours():
    boxes = walk([200, 300, 400])
    boxes[1] = np.nan
    view = follow_person(boxes, HW, 384)
    assert view.box(1) == follow_person(walk([200, 300, 400]), HW, 384).box(1)
    assert follow_person(np.full((3, 4), np.nan), HW, 384) is None


def test_boxes_are_those_of_the_opaque_matte_of_who_is_there(tmp_path):
    mattes = np.zeros((20, 30, 40), np.uint8)
    mattes[:, 5:20, 8:12] = 128
    mattes[1, 0, 0] = 127  # not opaque
    mattes[3] = 0
    with create_frames(tmp_path / "m.zarr", Clock.regular("25", 20), (30, 40), kind="mattes") as writer:
        writer.append(mattes)
    present = np.ones(20, bool)
    present[17] = False
    boxes = person_boxes(open_frames(tmp_path / "m.zarr", "mattes"), present)
    assert np.flatnonzero(np.isnan(boxes).any(axis=1)).tolist() == [3, 17]
    assert (boxes[[0, 1, 19]] == [8, 5, 12, 20]).all()
    assert np.isnan(box_of_mask(np.zeros((3, 3), bool))).all()
