"""What a matting network is shown of a frame, and where its answer lies."""

import cv2
import numpy as np
import pytest
from figure import static_background

from pipeline.matting.views import enlarged, look, part_of, within

IMAGE = cv2.GaussianBlur(static_background((150, 190), seed=5), (0, 0), 2)


def brightness(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32).mean(axis=2) / 255


@pytest.mark.parametrize("square_px", [32, 16, 50])
@pytest.mark.parametrize("box", [(40.3, 30, 100, 110.9), (-10, -40, 60, 70), (120, 100, 230, 190), (-50, -50, 400, 400)])
def test_the_answer_lies_on_what_was_asked(box, square_px):
    sizes = []

    def see(image: np.ndarray) -> np.ndarray:
        sizes.append(image.shape)
        return brightness(image)

    view = look(see, IMAGE, np.array(box, float), square_px)
    assert all(side % 32 == 0 for side in sizes[0][:2])
    x0, y0, x1, y1 = view.box
    assert (x0, y0) <= (max(0, box[0]), max(0, box[1]))
    assert x1 >= min(190, box[2])
    assert y1 >= min(150, box[3])
    assert within(view.box, IMAGE.shape) == view.box
    assert view.opacity.shape == (y1 - y0, x1 - x0)
    expected = brightness(IMAGE[part_of(view.box)])
    error = np.abs(view.opacity - expected).mean()
    assert error < (1e-6 if square_px == 32 else 0.35 * np.abs(np.roll(expected, 1, axis=1) - expected).mean())


def test_a_box_that_moves_within_its_squares_is_seen_the_same():
    views = [look(brightness, IMAGE, np.array([33.0 + d, 34, 90 + d, 95]), 32) for d in (0, 5)]
    assert views[0].box == views[1].box == (32, 32, 96, 96)
    np.testing.assert_array_equal(views[0].opacity, views[1].opacity)


def test_a_small_picture_is_enlarged_to_where_it_was():
    x = np.tile(np.arange(50, dtype=np.float32), (40, 1))  # a pixel of four full ones: centre 2 x + 0.5
    box = (21, 11, 61, 31)
    found = enlarged(x, box, np.array([0.5, 0.5]))
    np.testing.assert_allclose(found, np.tile((np.arange(21, 61) + 0.5) / 2 - 0.5, (20, 1)), atol=0.02)
    assert enlarged(np.stack([x, -x], axis=-1), box, np.array([0.5, 0.5])).shape == (20, 40, 2)


def test_parts_are_rows_and_columns():
    assert part_of((5, 7, 9, 20)) == np.s_[7:20, 5:9]
