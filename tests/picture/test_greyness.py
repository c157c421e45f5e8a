"""Footage without colour is told from footage with one, and what loses its colour keeps its brightness."""

import numpy as np
import pytest

from pipeline.picture.greyness import are_grey, without_colour


def picture(seed: int = 0) -> np.ndarray:
    return np.repeat(np.random.default_rng(seed).integers(0, 256, (20, 30, 1), dtype=np.uint8), 3, axis=-1)


def test_equal_channels_are_grey_even_with_a_codec_s_noise():
    noisy = picture()
    noisy[::2, ::2, 1] ^= 1
    assert are_grey([picture(), noisy])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_tint_or_one_coloured_image_is_colour(channel):
    tinted = picture().clip(0, 250)
    tinted[..., channel] += 5
    assert not are_grey([picture(), tinted])
    coloured = picture()
    coloured[:10, :10, channel] = 255 - coloured[:10, :10, channel]
    assert not are_grey([coloured])


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_without_colour_all_channels_are_their_mean(kind):
    values = np.random.default_rng(1).integers(0, 200, (4, 5, 3)).astype(kind)
    found = without_colour(values if kind is np.uint8 else values - 100)
    assert found.dtype == kind
    assert (np.ptp(found, axis=-1) == 0).all()
    assert np.abs(found[..., 0] - (values.mean(-1) - (0 if kind is np.uint8 else 100))).max() <= 0.5


def test_what_is_grey_stays_as_it_is():
    assert np.array_equal(without_colour(picture()), picture())
