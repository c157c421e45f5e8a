"""Laws of lossless groups: every bit back, from any frame of a group, the same bytes each time, and damage is an error."""

import numpy as np
import pytest

from pipeline.video.lossless import decode_group, encode_group

SIZES_HW = [(1, 1), (2, 3), (7, 5), (15, 16), (17, 31), (48, 64)]


def filmed(n: int, size_hw: tuple[int, int] = (40, 56), seed: int = 0) -> np.ndarray:
    """Frames (n h w 3) of something that moves over a still ground, with grain; all values 0 to 255 occur."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(size_hw)
    ground = np.stack([x * 5 % 256, y * 6 % 256, (x + y) * 3 % 256], axis=-1)
    frames = np.stack([np.where(((x - 3 * t) % 23 < 7)[..., None], 255 - ground, ground) for t in range(n)])
    return ((frames + rng.integers(-2, 3, frames.shape)) % 256).astype(np.uint8)


def decoded(packets: list[bytes], size_hw: tuple[int, int], *wanted: int) -> np.ndarray:
    frames = np.full((len(wanted), *size_hw, 3), 77, np.uint8)
    decode_group(packets, dict(zip(wanted, frames, strict=True)))
    return frames


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_bit_comes_back_at_any_size(n, size_hw):
    rng = np.random.default_rng(n)
    for frames in (filmed(n, size_hw), rng.integers(0, 256, (n, *size_hw, 3), np.uint8), np.zeros((n, *size_hw, 3), np.uint8)):
        assert np.array_equal(decoded(encode_group(frames), size_hw, *range(n)), frames)


def test_every_pair_of_green_and_another_colour_comes_back():
    """All differences of colours, which wrap around at 256."""
    green, other = np.indices((256, 256), np.uint8)
    frames = np.stack([np.stack([other, green, other[::-1]], axis=-1), np.stack([green.T, other.T, green], axis=-1)])
    assert np.array_equal(decoded(encode_group(frames), (256, 256), 0, 1), frames)


def test_any_frame_of_a_group_alone_and_in_any_order():
    frames = filmed(6)
    packets = encode_group(frames)
    assert len(packets) == 6
    for t in range(6):
        assert np.array_equal(decoded(packets, (40, 56), t)[0], frames[t])
        assert np.array_equal(decoded(packets[: t + 1], (40, 56), t)[0], frames[t])  # what stands behind it is not read
    assert np.array_equal(decoded(packets, (40, 56), 4, 1), frames[[4, 1]])
    decode_group(packets, {})


def test_equal_frames_give_equal_bytes_whatever_was_encoded_before():
    frames = filmed(5)
    first = encode_group(frames)
    encode_group(filmed(3, seed=1))
    assert encode_group(frames) == first
    assert encode_group(np.asfortranarray(frames)) == first
    assert encode_group(frames[::-1]) != first


def test_grey_costs_a_third_of_colours_and_what_stands_still_next_to_nothing():
    frames = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), np.uint8)
    grey = np.repeat(frames[..., :1], 3, axis=3)
    size = len(b"".join(encode_group(frames)))
    assert len(b"".join(encode_group(grey))) < 0.4 * size
    still = encode_group(np.repeat(frames[:1], 4, axis=0))
    assert sum(map(len, still[1:])) < 0.01 * len(still[0])


def test_the_encoders_name_is_not_among_the_bytes():
    """Nor its settings, which would be most of what a small clip takes."""
    frames = np.full((2, 16, 16, 3), 99, np.uint8)
    packets = encode_group(frames)
    assert b"x264" not in b"".join(packets)
    assert sum(map(len, packets)) < 500


@pytest.mark.parametrize("packets", [[], [b""], [b"\0\0\1\x65no picture"], [b"nothing at all"]])
def test_what_is_no_picture_is_an_error(packets):
    with pytest.raises(ValueError, match=r"H\.264 breaks|are not in it"):
        decoded(packets, (40, 56), 0)


def test_pictures_of_another_size_are_an_error():
    with pytest.raises(ValueError, match=r"expected yuv444p of 56x40, found yuv444p of 20x30"):
        decoded(encode_group(filmed(1, (30, 20))), (40, 56), 0)
