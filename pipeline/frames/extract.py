"""Video file or folder of images → frames, in full pixels and with exact timestamps (§4.1.2)."""

from pathlib import Path

from pydantic import Field

from pipeline.artifacts.frames import create_frames, replace_clock
from pipeline.artifacts.sounds import write_sound
from pipeline.artifacts.store import require_free_bytes
from pipeline.clock import NO_TIME, Clock
from pipeline.params import Section
from pipeline.progress import Progress
from pipeline.sound import extract_sound
from pipeline.video_reading import image_files, probe, read_video

# Zstandard keeps about half of natural video's bytes; a clip whose length is not declared is taken for a minute's.
STORED_SHARE = 0.6
UNDECLARED_FRAMES = 1800


class FramesParams(Section):
    """Section `frames` of params.yaml."""

    max_height_px: int | None = Field(ge=16)
    images_fps: str | None = Field(pattern=r"^[1-9]\d*(/[1-9]\d*)?$")


def extract_frames(video: Path, out: Path, params: FramesParams) -> int:
    """Decode a clip into a frames artifact, its sound set aside in it, and return the number of frames.

    InputError when the clip is missing, broken or cut short, and before anything is written when the disk is too full.
    """
    info = probe(video, params.images_fps)
    expected = info.frames or UNDECLARED_FRAMES
    height, width = info.size_hw
    if params.max_height_px is not None and height > params.max_height_px:
        height, width = params.max_height_px, max(1, round(width * params.max_height_px / height))
    require_free_bytes(out, int(expected * height * width * 3 * STORED_SHARE))
    facts: dict[str, object] = {"source": video.name, "codec": info.codec, "pixel_format": info.pixel_format, "audio": info.audio}
    if images := image_files(video):
        facts["images"] = [image.name for image in images]  # labels may name pictures
    pts: list[int] = []
    length = 0
    with (
        create_frames(out, NO_TIME, (height, width), facts) as writer,
        Progress(expected, f"frames of {video.name}") as progress,
    ):
        for block in read_video(video, params.max_height_px, params.images_fps):
            writer.append(block.frames)
            length += len(block.frames)
            pts += block.pts or []
            progress.advance(len(block.frames))
        if info.audio is not None and (sound := extract_sound(video)) is not None:
            write_sound(writer, sound)
        replace_clock(writer, Clock(info.fps, info.time_base, tuple(pts)) if pts else NO_TIME)
    return length
