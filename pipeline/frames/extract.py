"""Video file or folder of images → frames, in full pixels and with exact timestamps (§4.1.2)."""

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from pipeline.artifacts.frames import Layout, create_frames, replace_clock
from pipeline.artifacts.sounds import write_sound
from pipeline.artifacts.store import require_free_bytes
from pipeline.errors import InputError, warn
from pipeline.params import Section, read_value
from pipeline.progress import Progress
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.lossless import MOST_PX
from pipeline.video.pictures import image_files
from pipeline.video.reading import Span, VideoInfo, probe, read_frames
from pipeline.video.sound import extract_sound

# How much of natural video's bytes is kept, at most; a clip whose length is not declared is taken for a minute's.
STORED_SHARE: dict[Layout, float] = {"video": 0.3, "zstd": 0.6}
UNDECLARED_FRAMES = 1800
RATE = re.compile(r"^[1-9]\d*(/[1-9]\d*)?$", re.ASCII)
LEAST_FPS, MOST_FPS = 0.01, 1_000_000


class FramesParams(Section):
    """Section `frames` of params.yaml."""

    max_height_px: int | None = Field(ge=16)
    images_fps: str | None = Field(pattern=RATE.pattern)
    bits: int | None = Field(ge=8, le=16)
    layout: Layout

    @field_validator("images_fps", mode="before")
    @classmethod
    def _as_text(cls, rate: Any) -> Any:
        """A rate written as a number, 30 or 29.97, is meant as the text would be."""
        if rate is None:
            return None
        number = Fraction(rate) if isinstance(rate, str) and RATE.fullmatch(rate) else rate
        known = isinstance(number, (int, float, Fraction)) and not isinstance(number, bool) and LEAST_FPS <= number <= MOST_FPS
        if not known or (isinstance(number, Fraction) and number.denominator > MOST_FPS):
            raise ValueError(f'must be frames/s from {LEAST_FPS} to {MOST_FPS:,}, 30 or "30000/1001", or null')
        if isinstance(number, Fraction):
            return rate
        whole = Fraction(rate).limit_denominator(1001)
        return f"{whole.numerator}/{whole.denominator}" if whole.denominator > 1 else str(whole.numerator)


def read_span(params: str | os.PathLike[str], clip: str) -> Span | None:
    """Return clips.<clip>.span, the first and last frame of the video that the clip is, None for all of it; InputError for another value.

    A key that may be left out is none that DVC could watch: the whole entry of the clip is a dependency of its stage.
    """
    entry = read_value(params, f"clips.{clip}")
    span = entry.get("span") if isinstance(entry, dict) else None
    if span is None:
        return None
    if not (isinstance(span, list) and len(span) == 2 and all(type(n) is int for n in span) and 0 <= span[0] <= span[1]):
        raise InputError(
            f"{params}: clips.{clip}.span must be the numbers of the first and the last frame, [first, last] counted from 0, "
            f"found {span}: correct it, or leave it out for the whole video."
        )
    return span[0], span[1]


def extract_frames(video: Path, out: Path, params: FramesParams, span: Span | None = None) -> int:
    """Decode a clip into a frames artifact, its sound set aside in it, and return the number of frames.

    A span starts at time 0, and its sound with it. InputError when the clip is missing, broken, cut short or shorter than
    the span, and before anything is written when the disk is too full.
    """
    info = probe(video, params.images_fps)
    declared = info.frames or UNDECLARED_FRAMES
    expected = min(span[1] - span[0] + 1, declared) if span else declared
    height, width = info.size_hw
    if params.max_height_px is not None and height > params.max_height_px:
        height, width = params.max_height_px, max(1, round(width * params.max_height_px / height))
    if params.layout == "video" and max(height, width) > MOST_PX:
        raise InputError(
            f"{video} has frames of {width}x{height} px, frames.layout video takes {MOST_PX} px a side at most: "
            "set frames.max_height_px to less, or frames.layout to zstd, in params.yaml."
        )
    require_free_bytes(out, int(expected * height * width * 3 * STORED_SHARE[params.layout]))
    facts: dict[str, object] = {"source": video.name, "codec": info.codec, "pixel_format": info.pixel_format, "audio": info.audio}
    if images := image_files(video):
        facts["images"] = [image.name for image in (images[span[0] : span[1] + 1] if span else images)]  # labels may name pictures
    if span:
        facts["span"] = list(span)  # labels count the video's frames
    pts: list[int] = []
    length = 0
    with (
        create_frames(out, NO_TIME, (height, width), facts, layout=params.layout) as writer,
        Progress(expected, f"frames of {video.name}") as progress,
    ):
        for image, stamp in read_frames(video, params.max_height_px, params.images_fps, span, params.bits, warn):
            writer.append(image[None])
            length += 1
            pts += [] if stamp is None else [stamp]
            progress.advance()
        if info.audio is not None and (sound := extract_sound(video, _heard(info, pts) if span else None)) is not None:
            write_sound(writer, sound)
        if info.unheard:
            warn(f"{video} has {info.unheard} sound track{'s' * (info.unheard > 1)}, none of which can be decoded: the clip is silent")
        pts = [stamp - pts[0] for stamp in pts] if span else pts
        replace_clock(writer, Clock(info.fps, info.time_base, tuple(pts)) if pts else NO_TIME)
    return length


def _heard(info: VideoInfo, pts: list[int]) -> tuple[Fraction, Fraction]:
    """From when to when (seconds of the video) a span's frames are shown, the last one as long as the one before."""
    base = Fraction(info.time_base or 1)
    rest = pts[-1] - pts[-2] if len(pts) > 1 else round(1 / (Fraction(info.fps or 25) * base))
    return pts[0] * base, (pts[-1] + rest) * base
