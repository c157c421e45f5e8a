"""Unmixing is Eq. 9 solved for the foreground."""

import numpy as np

from pipeline.picture.mixing import composite
from pipeline.picture.unmixing import unmixed


def _drawn():
    draw = np.random.default_rng(1)
    frame_hw = (6, 7)
    colours, plate = (draw.integers(0, 256, (*frame_hw, 3)).astype(np.uint8) for _ in range(2))
    return colours, draw.integers(0, 256, frame_hw).astype(np.uint8), plate


def test_what_was_composited_comes_back():
    colours, matte, plate = _drawn()
    found = unmixed(composite(colours, matte, plate), matte, plate)
    true = colours * (matte[..., None] / 255.0)
    assert np.abs(found - true).max() <= 1.01  # both are rounded


def test_the_frame_is_made_again_where_the_plate_is_right():
    colours, matte, plate = _drawn()
    frame = composite(colours, matte, plate)
    again = unmixed(frame, matte, plate) + (1 - matte[..., None] / 255.0) * plate
    assert np.abs(again - frame).max() <= 1.01


def test_limits():
    colours, matte, plate = _drawn()
    assert (unmixed(colours, np.zeros_like(matte), plate) == 0).all()
    assert (unmixed(colours, np.full_like(matte, 255), plate) == colours).all()
    assert (unmixed(colours, matte, plate) <= matte[..., None]).all()  # a colour, whatever the plate says
