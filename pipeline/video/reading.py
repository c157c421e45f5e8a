"""Video files and folders of images → upright RGB frames with exact timestamps, a block at a time.

Timestamps are the file's own, variable rates kept. A file that ends before its header says, breaks, or changes its size
is refused, naming the frame.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as FFmpegEOFError
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from pipeline.errors import InputError, require_plain
from pipeline.video.alone import open_alone
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.upright import shown_size, upright

Span = tuple[int, int]  # first and last frame of a video, both included, from 0

BLOCK_FRAMES = 16
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
# FFmpeg takes any text for ANSI art; nobody means a video by that.
TEXT_FORMATS = ("tty", "srt", "ass", "webvtt")
# The native decoders drop the alpha layer of VP8 and VP9; libvpx keeps it.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class VideoInfo:
    """What a video file or a folder of images is, before its frames are decoded.

    size_hw is the upright frame's with square pixels, before any cap. frames is what the file declares, None when it does
    not. fps and time_base are fractions as text, None for images without time. audio names the codec, None without sound.
    """

    path: Path
    size_hw: tuple[int, int]
    frames: int | None
    fps: str | None
    time_base: str | None
    codec: str
    pixel_format: str
    audio: str | None


class Block(NamedTuple):
    """Consecutive frames (n h w 3) uint8 RGB and their n timestamps in units of the clip's time_base; None without time."""

    frames: np.ndarray
    pts: list[int] | None


def probe(path: str | Path, images_fps: str | None = None) -> VideoInfo:
    """Look at a video file, or a folder of images; decodes one frame.

    InputError for what is missing, not a video, or empty.
    """
    path = Path(path)
    images = image_files(path)
    if images:
        with _open(images[0]) as container:
            frame = _first_frame(container, images[0])
            size_hw = shown_size(frame, None, Fraction(1))
            clock = Clock.regular(images_fps, 0) if images_fps else NO_TIME
            codec, pixel_format = container.streams.video[0].codec_context.codec.canonical_name, frame.format.name
        return VideoInfo(path, size_hw, len(images), clock.fps, clock.time_base, codec, pixel_format, None)
    with _open(path) as container:
        stream = _video_stream(container, path)
        frame = _first_frame(container, path)
        audio = container.streams.best("audio")
        return VideoInfo(
            path=path,
            size_hw=shown_size(frame, None, _pixel_aspect(stream)),
            frames=stream.frames or None,
            fps=_text(_rate(stream)),
            time_base=_text(stream.time_base),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            audio=None if audio is None else audio.codec_context.codec.canonical_name,
        )


def read_video(
    path: str | Path, max_height_px: int | None = None, images_fps: str | None = None, span: Span | None = None
) -> Iterator[Block]:
    """Yield the frames of a video file, or of a folder of images in natural order, in blocks; memory does not grow.

    Frames higher than max_height_px are shrunk to it. A timestamp that is missing or does not grow is set to one frame
    after the one before. Of a span only its frames are read, with their own timestamps. InputError names the frame at
    which the file ends early, before its span does, breaks, or changes its size.
    """
    path = Path(path)
    images = image_files(path)
    frames = _image_frames(images, max_height_px, bool(images_fps), span) if images else _video_frames(path, max_height_px, span)
    block, pts = [], []
    for image, stamp in frames:
        block.append(image)
        pts.append(stamp)
        if len(block) == BLOCK_FRAMES:
            yield Block(np.stack(block), None if pts[0] is None else pts)
            block, pts = [], []
    if block:
        yield Block(np.stack(block), None if pts[0] is None else pts)


def image_files(path: Path) -> list[Path]:
    """Images of a folder in natural order (img2 before img10), or the one image that path is; empty for a video file."""
    if not path.exists():
        raise InputError(f"{path} does not exist: put the video file, or a folder of images, there.")
    require_plain(path)
    if path.is_file():
        return [path] if path.suffix.lower() in IMAGE_SUFFIXES else []
    images = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not images:
        raise InputError(f"{path} is a folder without images: it must hold {', '.join(IMAGE_SUFFIXES)} files.")
    return sorted(images, key=_natural)


def open_media(path: str | Path) -> InputContainer:
    """Open a media file with FFmpeg; InputError when it is none."""
    return _open(Path(path))


def stream_origin_s(container: InputContainer) -> Fraction:
    """Seconds to take off every timestamp: broadcast streams (MPEG-TS) start their clock anywhere, files at 0."""
    if "mpegts" in container.format.name or container.format.name == "mpeg":
        return Fraction(container.start_time or 0, av.time_base)
    return Fraction(0)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), part) if part.isdigit() else (0, 0, part.lower()) for part in parts]


def _open(path: Path) -> InputContainer:
    try:
        container = open_alone(path)
    except (FFmpegError, ValueError) as error:
        raise InputError(_why_unreadable(path, error)) from error
    if container.format.name.split(",")[0] in TEXT_FORMATS:
        container.close()
        raise InputError(f"{path} must be a video or an image, found text. Put the real file there.")
    return container


def _why_unreadable(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty (0 bytes). Copy it again."
    with path.open("rb") as file:
        head = file.read(12)
    if isinstance(error, FFmpegEOFError):
        return f"{path} holds no frames. Record or copy it again."
    if head[4:8] == b"ftyp":
        return f"{path} starts as an MP4/MOV file, but its index is missing: it was cut short. Copy or record it again."
    why = getattr(error, "strerror", None) or error
    return f"{path} is not a video or image that FFmpeg can read ({why}). Put a file there that plays."


def _video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(s.type for s in container.streams) or "nothing"
        raise InputError(f"{path} must hold a video stream, found: {kinds}.")
    stream.thread_type = "AUTO"
    return stream


def _first_frame(container: InputContainer, path: Path) -> av.VideoFrame:
    try:
        frame = next(iter(container.decode(_video_stream(container, path))), None)
    except (FFmpegError, ValueError) as error:
        raise InputError(f"{path} breaks at its first frame ({error}). Copy it again or re-encode it.") from error
    if frame is None:
        raise InputError(f"{path} holds no frames. Record or copy it again.")
    return frame


def _image_frames(images: list[Path], max_height_px: int | None, timed: bool, span: Span | None) -> Iterator[tuple[np.ndarray, int | None]]:
    first, reformatter = None, VideoReformatter()
    start, last = span or (0, len(images) - 1)
    if last >= len(images):
        raise _ends_before(images[0].parent, len(images), last)
    for i, path in enumerate(images[start : last + 1], start):
        with _open(path) as container:
            # Without this a cut JPEG is filled with grey instead of being refused.
            _video_stream(container, path).codec_context.options = {"err_detect": "explode"}
            image, _ = upright(_first_frame(container, path), reformatter, max_height_px, Fraction(1))
        first = first or image.shape
        if image.shape != first:
            raise InputError(
                f"{path} is {image.shape[1]}x{image.shape[0]} px, {images[start].name} is {first[1]}x{first[0]}: "
                "all images of a folder must have one size."
            )
        yield image, i if timed else None


def _video_frames(path: Path, max_height_px: int | None, span: Span | None) -> Iterator[tuple[np.ndarray, int]]:
    start, last = span or (0, None)
    with _open(path) as container:
        stream = _video_stream(container, path)
        watch = _Watch(container, stream, path)
        aspect, first, seen = _pixel_aspect(stream), None, False
        reformatter = VideoReformatter()  # one for all frames: it keeps its tables
        for frame in watch.decoded():
            number = watch.frames - 1
            if number < start:  # frames are counted by decoding them: what files say of their frames' places is not to be trusted
                continue
            first = first or (frame.width, frame.height)
            if (frame.width, frame.height) != first:
                raise InputError(
                    f"{path} changes its size at frame {number}: {first[0]}x{first[1]} px before, "
                    f"{frame.width}x{frame.height} after. Cut it there, or re-encode it at one size."
                )
            image, visible = upright(frame, reformatter, max_height_px, aspect)
            seen = seen or visible
            yield image, watch.pts
            if number == last:
                break
        else:
            if not watch.frames:
                raise InputError(f"{path} holds no frames. Record or copy it again.")
            watch.require_whole()
            if last is not None:
                raise _ends_before(path, watch.frames, last)
        if not seen:
            shown = watch.frames - start
            raise InputError(f"{path} is fully transparent (alpha 0 in all {shown} frames). Re-encode it without alpha.")


def _ends_before(path: Path, frames: int, last: int) -> InputError:
    return InputError(f"{path} has the frames 0 to {frames - 1}, the clip's span ends at {last}: correct it in params.yaml.")


class _Watch:
    """Decodes a stream, keeps its timestamps growing, and notices when the file ends before it should."""

    def __init__(self, container: InputContainer, stream: av.VideoStream, path: Path) -> None:
        self.container, self.stream, self.path = container, stream, path
        self.decoder = _decoder(stream)
        self.frames = self.packets = self.pts = 0
        self.end_s = Fraction(0)
        base = stream.time_base or Fraction(1, 1000)
        rate = _rate(stream)
        self.step = max(1, round(1 / (rate * base))) if rate else 1
        self.origin = round(stream_origin_s(container) / base)
        self.indexed = len(stream.index_entries) if "mov" in container.format.name else 0

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Yield frames in order of display; `pts` and `frames` tell about the last one yielded."""
        try:
            for packet in self.container.demux():
                self._count(packet)
                if packet.stream.index == self.stream.index:  # stream_index is 0 in every flush packet
                    for frame in self.decoder.decode(packet if packet.size else None):
                        self._stamp(frame)
                        yield frame
        except (FFmpegError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{self.path} breaks {self._where()} ({reason}). Copy it again, or re-encode it.") from error

    def require_whole(self) -> None:
        """Raise InputError unless all that the file's header declares was there to read."""
        if self.indexed > self.packets:
            raise InputError(f"{self.path} is cut short: {self.packets} of {self.indexed} frames are there. Copy it again.")
        declared = Fraction(self.container.duration or 0, av.time_base)
        trusted = any(name in self.container.format.name for name in ("matroska", "avi", "flv"))
        slack = Fraction(1, 10) + 3 * self.step * (self.stream.time_base or 0)
        if trusted and self.end_s + slack < declared:
            raise InputError(f"{self.path} is cut short: it declares {float(declared):.2f} s and ends {self._where()}. Copy it again.")

    def _count(self, packet: av.Packet) -> None:
        # MPEG-TS marks every joint between recordings as corrupt; elsewhere the mark means that bytes are missing.
        if packet.is_corrupt and "mpegts" not in self.container.format.name:
            raise InputError(f"{self.path} is cut short or damaged {self._where()}. Copy it again.")
        if not packet.size:
            return
        self.packets += packet.stream.index == self.stream.index
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.time_base:
            start = self.container.start_time or 0
            self.end_s = max(self.end_s, (stamp + (packet.duration or 0)) * packet.time_base - Fraction(min(start, 0), av.time_base))

    def _stamp(self, frame: av.VideoFrame) -> None:
        stamp = None if frame.pts is None else frame.pts - self.origin
        if self.frames and (stamp is None or stamp <= self.pts):
            stamp = self.pts + self.step
        self.pts = stamp or 0
        self.frames += 1

    def _where(self) -> str:
        return f"after frame {self.frames - 1} ({float(self.end_s):.2f} s)" if self.frames else "before its first frame"


def _decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    name = ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1":
        return stream.codec_context
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    return decoder


def _pixel_aspect(stream: av.VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect else Fraction(1)


def _rate(stream: av.VideoStream) -> Fraction | None:
    return stream.average_rate or stream.guessed_rate or stream.base_rate


def _text(fraction: Fraction | None) -> str | None:
    return None if not fraction else f"{fraction.numerator}/{fraction.denominator}"
