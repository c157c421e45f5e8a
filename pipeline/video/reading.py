"""Video files, folders of images and stacks of pictures → upright RGB frames with exact timestamps, a block at a time.

Timestamps are the file's own, variable rates kept. A file that ends before its header says, breaks, or changes its size
is refused, naming the frame. Interlaced frames are deinterlaced.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from pipeline.errors import InputError
from pipeline.video.decoding import Decoding, frame_rate
from pipeline.video.depth import Depth
from pipeline.video.interlace import Combs, deinterlaced
from pipeline.video.opening import first_frame, open_media, sound_stream, video_stream
from pipeline.video.pictures import Folder, Stack, find_pictures
from pipeline.video.upright import Painter, shown_size, upright

Span = tuple[int, int]  # first and last frame of a video, both included, from 0

BLOCK_FRAMES = 16


@dataclass(frozen=True)
class VideoInfo:
    """What a video file or a folder of images is, before its frames are decoded.

    size_hw is the upright frame's with square pixels, before any cap. frames is what the file declares, None when it does
    not. fps and time_base are fractions as text, None for images without time. audio names the codec, None without sound;
    unheard counts the sound tracks of such a file that cannot be decoded.
    """

    path: Path
    size_hw: tuple[int, int]
    frames: int | None
    fps: str | None
    time_base: str | None
    codec: str
    pixel_format: str
    audio: str | None
    unheard: int = 0


class Block(NamedTuple):
    """Consecutive frames (n h w 3) uint8 RGB and their n timestamps in units of the clip's time_base; None without time."""

    frames: np.ndarray
    pts: list[int] | None


def probe(path: str | Path, images_fps: str | None = None) -> VideoInfo:
    """Look at a video file, a folder of images, or a file of several pictures; decodes one frame.

    InputError for what is missing, not a video, or empty.
    """
    path = Path(path)
    if pictures := find_pictures(path):
        frame, codec = pictures.first()
        with _named(path):
            clock, size_hw = pictures.clock(images_fps), shown_size(frame, None, Fraction(1), still=True)
        return VideoInfo(path, size_hw, len(pictures.names), clock.fps, clock.time_base, codec, frame.format.name, None)
    with open_media(path) as container:
        stream = video_stream(container, path)
        frame = first_frame(container, path)
        sound = sound_stream(container)
        with _named(path):
            size_hw = shown_size(frame, None, _pixel_aspect(stream), _is_drawn(stream))
        return VideoInfo(
            path=path,
            size_hw=size_hw,
            frames=stream.frames or None,
            fps=_text(frame_rate(stream)),
            time_base=_text(stream.time_base),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            audio=None if sound is None else sound.codec_context.codec.canonical_name,
            unheard=0 if sound else len(container.streams.audio),
        )


def read_video(
    path: str | Path,
    max_height_px: int | None = None,
    images_fps: str | None = None,
    span: Span | None = None,
    bits: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Block]:
    """Yield the frames of read_frames() in blocks of equal length, the last one shorter; each has memory of its own."""
    block, pts = np.empty(0), []
    for image, stamp in read_frames(path, max_height_px, images_fps, span, bits, say):
        if not pts:
            block = np.empty((BLOCK_FRAMES, *image.shape), np.uint8)
        block[len(pts)] = image
        pts.append(stamp)
        if len(pts) == BLOCK_FRAMES:
            yield Block(block, None if pts[0] is None else pts)
            pts = []
    if pts:
        yield Block(block[: len(pts)], None if pts[0] is None else pts)


def read_frames(
    path: str | Path,
    max_height_px: int | None = None,
    images_fps: str | None = None,
    span: Span | None = None,
    bits: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[tuple[np.ndarray, int | None]]:
    """Yield the frames (h w 3) uint8 RGB of a video file, of a folder of images in natural order, or of a stack, with their timestamps.

    A frame is valid until the next one is asked for; memory does not grow. Timestamps are in units of the clip's time_base, None
    without time. Frames higher than max_height_px are shrunk to it. A timestamp that is missing or does not grow is set to one frame
    after the one before. Of a span only its frames are read, with their own timestamps. bits: how many of 16 are used
    (None: all, see depth.py). say is called with what a user should know of the footage, each a line. InputError names the
    frame at which the file ends early, before its span does, breaks, or changes its size.
    """
    path, said = Path(path), say or (lambda line: None)
    depth = Depth(bits, str(path))
    if pictures := find_pictures(path):
        yield from _image_frames(pictures, max_height_px, bool(images_fps), span, depth)
    else:
        yield from _video_frames(path, max_height_px, span, depth, said)
    if remark := depth.remark():
        said(remark)


def _image_frames(
    pictures: Stack | Folder, max_height_px: int | None, timed: bool, span: Span | None, depth: Depth
) -> Iterator[tuple[np.ndarray, int | None]]:
    names = pictures.names
    start, last = span or (0, len(names) - 1)
    if last >= len(names):
        raise _ends_before(pictures.path, len(names), last)
    first, painter, seen = None, Painter(), False
    for i, frame in enumerate(pictures.frames(start, last), start):
        with _named(names[i]):
            image, visible = upright(depth.apply(frame), painter, max_height_px, Fraction(1), still=True)
        first, seen = first or image.shape, seen or visible
        if image.shape != first:
            raise InputError(
                f"{names[i]} is {image.shape[1]}x{image.shape[0]} px, {Path(names[start]).name} is {first[1]}x{first[0]}: "
                "all images of a clip must have one size."
            )
        yield image, pictures.pts[i] if pictures.pts else i if timed else None
    if not seen:
        raise _transparent(pictures.path, last + 1 - start)


def _video_frames(
    path: Path, max_height_px: int | None, span: Span | None, depth: Depth, say: Callable[[str], None]
) -> Iterator[tuple[np.ndarray, int]]:
    start, last = span or (0, None)
    with open_media(path) as container:
        stream = video_stream(container, path)
        watch, combs = Decoding(container, stream, path), Combs()
        aspect, still, first, seen, number = _pixel_aspect(stream), _is_drawn(stream), None, False, -1
        painter = Painter()  # one for all frames: it keeps its tables
        frames = deinterlaced(((frame, watch.pts) for frame in watch.decoded()), lambda line: say(f"{path} {line}"))
        for number, (frame, pts) in enumerate(frames):
            if number < start:  # frames are counted by decoding them: what files say of their frames' places is not to be trusted
                continue
            first = first or (frame.width, frame.height)
            if (frame.width, frame.height) != first:
                raise InputError(
                    f"{path} changes its size at frame {number}: {first[0]}x{first[1]} px before, "
                    f"{frame.width}x{frame.height} after. Cut it there, or re-encode it at one size."
                )
            watch.require_decoded(frame, number)
            combs.look(frame)
            with _named(path):
                image, visible = upright(depth.apply(frame), painter, max_height_px, aspect, still)
            seen = seen or visible
            yield image, pts
            if number == last:
                break
        else:
            if not watch.frames:
                raise InputError(f"{path} holds no frames. Record or copy it again.")
            watch.require_whole()
            if last is not None:
                raise _ends_before(path, watch.frames, last)
        if not seen:
            raise _transparent(path, number + 1 - start)
        for remark in (combs.remark(), *watch.remarks(start)):
            if remark:
                say(f"{path} {remark}")


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Say of which file it is what the frame alone does not know."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{path} {error}.") from error


def _transparent(path: Path, frames: int) -> InputError:
    return InputError(f"{path} is fully transparent (alpha 0 in all {frames} frames). Re-encode it without alpha.")


def _ends_before(path: Path, frames: int, last: int) -> InputError:
    return InputError(f"{path} has the frames 0 to {frames - 1}, the clip's span ends at {last}: correct it in params.yaml.")


def _is_drawn(stream: av.VideoStream) -> bool:
    """Whether a stream is made of PNGs, animated ones too."""
    return stream.codec_context.codec.canonical_name in ("png", "apng")


def _pixel_aspect(stream: av.VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect else Fraction(1)


def _text(fraction: Fraction | None) -> str | None:
    return None if not fraction else f"{fraction.numerator}/{fraction.denominator}"
