import cv2
import numpy as np
import pytest

from pipeline.picture.sheets import GAP_PX, LABEL_PX, contact_sheet, encode, spread


@pytest.mark.parametrize(("t", "n", "expected"), [(0, 3, []), (1, 3, [0]), (10, 2, [0, 9]), (5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8])])
def test_spread_reaches_from_first_to_last(t: int, n: int, expected: list[int]) -> None:
    assert spread(t, n) == expected


def test_every_picture_stands_in_its_cell() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((20, 20, 3), colour, np.uint8) for colour in colours]
    sheet = contact_sheet(pictures, ["a", "b", "c"], columns=2, cell_px=20)
    cell = 20 + GAP_PX
    assert sheet.shape == (2 * (cell + LABEL_PX) + GAP_PX, 2 * cell + GAP_PX, 3)
    for i, colour in enumerate(colours):
        y, x = GAP_PX + (i // 2) * (cell + LABEL_PX) + LABEL_PX, GAP_PX + (i % 2) * cell
        assert (sheet[y : y + 20, x : x + 20] == colour).all()


def test_large_pictures_shrink_and_small_ones_grow_by_whole_factors() -> None:
    wide, small = np.zeros((50, 200), np.uint8), np.zeros((10, 10), np.uint8)
    sheet = contact_sheet([wide, small], ["", ""], cell_px=45)
    black = (sheet == 0).all(axis=-1)
    assert black.sum() == 45 * 11 + 40 * 40  # 200 x 50 at 0.225; 10 x 10 times 4


def test_pictures_stay_unchanged() -> None:
    picture = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    before = picture.copy()
    contact_sheet([picture], ["x"])
    assert (picture == before).all()


def test_no_picture_gives_an_empty_sheet() -> None:
    assert contact_sheet([], []).min() == 255


def test_png_round_trips_in_rgb_order() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    back = cv2.imdecode(np.frombuffer(encode(image), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert (back == image).all()
