"""Frames ↔ lossless H.264 in short groups, bit for bit.

The first picture of a group stands alone, each other one is predicted from the one before: a frame is there after as many pictures
as stand before it in its group. Planes are green, blue - green and red - green (mod 256, about 128): differences of colours are
smooth in filmed pictures and flat in grey ones. One thread encodes a group, so that equal frames give equal bytes; decoding is
exact by H.264's definition.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
from av.error import FFmpegError

LEAST_PX = 16  # smaller frames are padded
MOST_PX = 16_384  # a side, which is as much as the encoder takes
MIDDLE = np.uint8(128)
RATE = Fraction(25)  # an encoder wants one
# One thread and nothing that looks ahead or changes types: what a group becomes depends on its frames alone.
OPTIONS = {"preset": "ultrafast", "qp": "0", "threads": "1"}
FIXED = "scenecut=0:rc-lookahead=0:sync-lookahead=0:weightp=0:ref=1"
SLICES = 4  # parts of a picture that threads may decode at once
START, REMARK, PICTURE = b"\0\0\1", b"\0\0\1\6", b"\0\0\1\x65"  # of parts of a packet; those of remarks and whole pictures


def encode_group(frames: np.ndarray) -> list[bytes]:
    """The packet of each frame of a group (n h w 3) uint8 RGB, n >= 1."""
    n, height, width, _ = frames.shape
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width, encoder.pix_fmt = max(height, LEAST_PX), max(width, LEAST_PX), "yuv444p"
    encoder.time_base, encoder.framerate = 1 / RATE, RATE
    encoder.options = {**OPTIONS, "x264-params": f"keyint={n + 1}:slices={SLICES}:{FIXED}"}
    packets = [packet for t, frame in enumerate(frames) for packet in encoder.encode(_picture(frame, encoder.width, encoder.height, t))]
    packets += encoder.encode(None)
    if [packet.pts for packet in packets] != list(range(n)):
        raise ValueError(f"{n} frames became packets of the frames {[packet.pts for packet in packets]}")
    first, *others = (bytes(packet) for packet in packets)
    return [_without_remark(first), *others]


def decode_group(packets: Sequence[bytes], wanted: Mapping[int, np.ndarray], threads: int = 1) -> None:
    """Fill frames (h w 3) uint8, by their number in the group, from its packets; ValueError when these are damaged.

    threads: how many may decode parts of one picture, up to SLICES.
    """
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_type, decoder.thread_count = "SLICE", min(threads, SLICES)
    numbered = enumerate(packets[: max(wanted, default=-1) + 1])
    missing = set(wanted)
    try:
        for t, packet in numbered:
            for picture in decoder.decode(av.Packet(packet)):
                if t in missing:
                    _unpack(picture, wanted[t])
                    missing.remove(t)
    except FFmpegError as error:
        raise ValueError(f"H.264 breaks: {error}") from error
    if missing:
        raise ValueError(f"the frames {sorted(missing)} of a group are not in it")


def planes_of(picture: av.VideoFrame) -> list[np.ndarray]:
    """The planes (h w) uint8 of a picture in full size each, which share its memory."""
    found = []
    for plane in picture.planes:
        values = np.frombuffer(plane, np.uint8)  # pyright: ignore[reportCallIssue, reportArgumentType]
        found.append(values.reshape(plane.height, plane.line_size)[:, : picture.width])
    return found


def _picture(frame: np.ndarray, width: int, height: int, t: int) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, "yuv444p")
    h, w = frame.shape[:2]
    red, green, blue = cv2.split(frame)
    planes = planes_of(picture)
    for plane, colour in zip(planes, (green, blue, red)):
        if (h, w) != (height, width):
            plane[:] = MIDDLE
        if colour is green:
            plane[:h, :w] = green
        else:
            np.bitwise_xor(np.subtract(colour, green, out=colour), MIDDLE, out=plane[:h, :w])
    picture.pts, picture.time_base = t, 1 / RATE
    return picture


def _unpack(picture: av.VideoFrame, out: np.ndarray) -> None:
    h, w = out.shape[:2]
    if picture.format.name != "yuv444p" or picture.height < h or picture.width < w:
        raise ValueError(f"expected yuv444p of {w}x{h}, found {picture.format.name} of {picture.width}x{picture.height}")
    green, blue, red = (plane[:h, :w] for plane in planes_of(picture))
    middle = np.bitwise_xor(green, MIDDLE)
    cv2.merge([red + middle, np.ascontiguousarray(green), blue + middle], out)


def _without_remark(packet: bytes) -> bytes:
    """A group's first packet without the encoder's name and settings, 600 bytes."""
    start = packet.find(REMARK)
    end = packet.find(PICTURE, start)
    return packet if start < 0 or end < 0 else packet[:start] + packet[end:]
