"""Filling holes."""

import numpy as np
import pytest
from figure import static_background

from pipeline.background.backends.telea import load


@pytest.mark.parametrize(("size", "hole"), [((80, 100), 20), ((400, 500), 220)])
def test_holes_are_filled_from_around_and_nothing_else_changes(size, hole):
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramp = np.stack([columns * 200 / size[1], rows * 200 / size[0], np.full(size, 90.0)], axis=-1).astype(np.uint8)
    mask = np.zeros(size, bool)
    mask[30 : 30 + hole, 40 : 40 + hole] = True
    holed = ramp.copy()
    holed[mask] = 255
    before = holed.copy()
    filled = load()(holed, mask)
    assert (filled[~mask] == ramp[~mask]).all()
    assert np.abs(filled.astype(int) - ramp)[mask].mean() < 12
    assert (holed == before).all()


def test_hole_that_touches_the_border_and_many_specks():
    image = static_background((300, 300))
    mask = np.random.default_rng(0).random((300, 300)) < 0.02
    mask[:, :190] = True
    filled = load()(image, mask)
    assert (filled[~mask] == image[~mask]).all()
    assert filled.dtype == np.uint8
