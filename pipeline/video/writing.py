"""RGB frames → an H.264 mp4 that plays everywhere: given timestamps, the driver's sound, tags that say what it is.

yuv420p with BT.709 matrix and limited range, tagged so; index in front (faststart). An odd side is padded to even by
repeating the last row or column. No clock goes into the file.
"""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from pipeline.errors import InputError
from pipeline.video.clock import Clock
from pipeline.video.sound import SoundMuxer

# Fixed, since what x264 writes depends on its number of threads.
ENCODER_THREADS = 4
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@contextlib.contextmanager
def write_video(
    path: str | Path,
    size_hw: tuple[int, int],
    clock: Clock,
    crf: int,
    preset: str,
    tags: dict[str, str],
    sound: bytes | None = None,
) -> Iterator["VideoWriter"]:
    """Write an mp4 frame by frame: `.append(block uint8 (n h w 3))`, as many frames as the clock has timestamps.

    crf 0..51, preset: x264's. tags: title, comment and the like. sound: from extract_sound. The caller publishes: on an error
    a part of the file is left at `path`. InputError when the disk refuses.
    """
    try:
        with contextlib.ExitStack() as stack:
            # The movie's own units default to ms, in which a late start would be rounded.
            units = str(Fraction(clock.time_base or 1).denominator)
            options = {"movflags": "+faststart", "movie_timescale": units}
            container = stack.enter_context(av.open(str(path), "w", format="mp4", options=options))
            container.metadata.update(tags)
            writer = VideoWriter(container, size_hw, clock, crf, preset, sound, stack)
            yield writer
            writer.finish()
    except FFmpegError as error:
        if isinstance(error, OSError) and error.filename and str(error.filename) != str(path):
            raise
        raise InputError(f"{path} could not be written ({error}). Make room on the disk and run again.") from error


class VideoWriter:
    """Encodes frames at the clock's timestamps, with the sound packets interleaved in time."""

    def __init__(
        self,
        container: OutputContainer,
        size_hw: tuple[int, int],
        clock: Clock,
        crf: int,
        preset: str,
        sound: bytes | None,
        stack: contextlib.ExitStack,
    ) -> None:
        if clock.pts is None or clock.time_base is None or clock.fps is None:
            raise ValueError("a video needs a clock with time")
        self._container, self._size_hw = container, size_hw
        self._pts, self._base = clock.pts, Fraction(clock.time_base)
        self._even_hw = (size_hw[0] + size_hw[0] % 2, size_hw[1] + size_hw[1] % 2)
        self._stream = self._add_video(Fraction(clock.fps), crf, preset)
        self._reformatter = VideoReformatter()
        self._sound = None if sound is None else SoundMuxer(sound, container, stack)
        self._written = 0

    def append(self, block: np.ndarray) -> None:
        """Add frames (n h w 3) uint8 RGB."""
        for image in block:
            if image.shape != (*self._size_hw, 3) or self._written >= len(self._pts):
                raise ValueError(f"frame {self._written} is {image.shape}; expected {len(self._pts)} frames of {self._size_hw}")
            self._encode(image)

    def finish(self) -> None:
        """Flush both streams; ValueError when frames are missing."""
        if self._written != len(self._pts):
            raise ValueError(f"{self._written} frames written, the clock has {len(self._pts)}")
        self._container.mux(self._stream.encode(None))
        if self._sound:
            self._sound.mux_until(None)

    def _add_video(self, fps: Fraction, crf: int, preset: str) -> av.VideoStream:
        options = {"crf": str(crf), "preset": preset, "threads": str(ENCODER_THREADS)}
        stream = self._container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = self._even_hw
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._base
        stream.time_base = self._base
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _encode(self, image: np.ndarray) -> None:
        (height, width), (even_h, even_w) = self._size_hw, self._even_hw
        if (height, width) != (even_h, even_w):
            image = np.pad(image, ((0, even_h - height), (0, even_w - width), (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT,
        )
        i = self._written
        frame.pts, frame.time_base, frame.duration = self._pts[i], self._base, self._duration(i)
        if self._sound:
            self._sound.mux_until(frame.pts * self._base)
        self._container.mux(self._stream.encode(frame))
        self._written += 1

    def _duration(self, i: int) -> int:
        i = min(i, len(self._pts) - 2)  # the last frame stays as long as the one before
        if i < 0:
            return max(1, round(1 / (self._stream.average_rate or Fraction(25)) / self._base))
        return self._pts[i + 1] - self._pts[i]
