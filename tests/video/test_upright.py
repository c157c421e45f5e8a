"""Laws of the conversion to RGB: the quick way gives FFmpeg's own bytes, and is taken for those frames alone for which it does."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from pipeline.video.upright import EXACT, PLANAR, Painter, upright

OTHERS = ("yuv410p", "gray", "rgb24")


def noise(name: str, size_hw: tuple[int, int], matrix: int, spread: int) -> av.VideoFrame:
    frame = av.VideoFrame(size_hw[1], size_hw[0], name)
    rng = np.random.default_rng(0)
    for plane in frame.planes:
        values = np.frombuffer(plane, np.uint8)
        values[:] = rng.integers(0, 256, values.size)
        if "10le" in name:
            values[1::2] &= 3
    frame.colorspace, frame.color_range = matrix, spread
    return frame


@pytest.mark.parametrize(("size_hw", "matrix", "spread"), [((46, 33), 1, 1), ((48, 64), 5, 2), ((17, 30), 5, 1), ((2, 1), 2, 1)])
def test_every_picture_is_what_ffmpeg_makes_of_it(size_hw, matrix, spread):
    painter = Painter()
    for name in (*sorted(PLANAR), *OTHERS):
        frame = noise(name, size_hw, matrix, spread)
        told = None if matrix != 2 or name in ("rgb24", "gbrp") else Colorspace.ITU709 if size_hw[1] >= 1280 else Colorspace.ITU601
        expected = VideoReformatter().reformat(
            frame, size_hw[1], size_hw[0], "rgb24", told, interpolation=Interpolation.BILINEAR | EXACT
        )  # fmt: skip
        found, visible = upright(frame, painter, None, Fraction(1))
        assert visible
        assert np.array_equal(found, expected.to_ndarray()), name


def test_what_is_made_smaller_too():
    for name in ("yuv420p", "yuv444p"):
        frame = noise(name, (48, 64), 5, 1)
        expected = VideoReformatter().reformat(frame, 43, 32, "rgb24", interpolation=Interpolation.BICUBIC | EXACT)
        assert np.array_equal(upright(frame, Painter(), 32, Fraction(1))[0], expected.to_ndarray()), name


def test_the_quick_way_is_taken(monkeypatch):
    """Or the law above would say nothing of it."""
    wanted = []
    painter = Painter()
    converted = painter._converted
    monkeypatch.setattr(painter, "_converted", lambda *args: wanted.append(args[2]) or converted(*args))
    for name, size_hw in (("yuv420p", (48, 64)), ("yuv420p", (47, 64)), ("gray", (48, 64))):
        upright(noise(name, size_hw, 5, 1), painter, None, Fraction(1))
    assert wanted == ["gbrp", "rgb24", "rgb24"]
