"""Opening media files with FFmpeg: what is no video, and what cannot be decoded, is told in one line."""

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import EOFError as FFmpegEOFError
from av.error import FFmpegError
from av.stream import Disposition

from pipeline.errors import InputError
from pipeline.video.alone import open_alone
from pipeline.video.endings import MXF_PART, mxf_is_whole

# FFmpeg takes any text for ANSI art; nobody means a video by that.
TEXT_FORMATS = ("tty", "srt", "ass", "webvtt")
LFS_POINTER = b"version https://git-lfs"
PICTURES = ("_pipe", "image2")  # how its names of formats of pictures end


def open_media(path: str | Path) -> InputContainer:
    """Open a media file with FFmpeg; InputError when it is none."""
    path = Path(path)
    try:
        container = open_alone(path)
    except (FFmpegError, ValueError) as error:
        raise InputError(_why_unreadable(path, error)) from error
    if container.format.name.split(",")[0] in TEXT_FORMATS:
        container.close()
        raise InputError(f"{path} must be a video or an image, found text. Put the real file there.")
    return container


def video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The stream of pictures that players show; InputError when there is none, or a cover of a sound file only."""
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(s.type for s in container.streams) or "nothing"
        raise InputError(f"{path} must hold a video stream, found: {kinds}.")
    # Whether a frame was decoded whole is known in time only of one that no other is decoded beside; of broadcasts it is only told.
    stream.thread_type = "SLICE" if "mpegts" in container.format.name else "AUTO"
    if "mpegts" in container.format.name and stream.codec_context.name == "h264":
        stream.codec_context.thread_count = 1  # beside each other its slices are not looked at for errors at all
    if container.format.name.endswith(PICTURES):
        stream.codec_context.options = {"err_detect": "explode"}  # without this a cut JPEG is filled with grey, not refused
    return stream


def sound_stream(container: InputContainer) -> av.AudioStream | None:
    """The track that players choose among those that can be decoded; None without any.

    Telephones put a track of a codec of their own (apac, spatial sound) beside the one that everybody reads.
    """
    tracks = [track for track in container.streams.audio if track.codec_context is not None]
    best = container.streams.best("audio")
    chosen = [track for track in tracks if track is best or (best is not None and track.index == best.index)]
    defaults = [track for track in tracks if track.disposition & Disposition.default]
    return next(iter([*chosen, *defaults, *tracks]), None)


def first_frame(container: InputContainer, path: Path) -> av.VideoFrame:
    """Decode the first frame; InputError when that fails or there is none."""
    try:
        frame = next(iter(container.decode(video_stream(container, path))), None)
    except (FFmpegError, ValueError) as error:
        raise InputError(f"{path} breaks at its first frame ({error}). Copy it again or re-encode it.") from error
    if frame is None:
        raise InputError(f"{path} holds no frames, or none that can be decoded without earlier ones. Record or copy it again.")
    return frame


def stream_origin_s(container: InputContainer) -> Fraction:
    """Seconds to take off every timestamp: broadcast streams (MPEG-TS) start their clock anywhere, files at 0."""
    if "mpegts" in container.format.name or container.format.name == "mpeg":
        return Fraction(container.start_time or 0, av.time_base)
    return Fraction(0)


def _why_unreadable(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty (0 bytes). Copy it again."
    with path.open("rb") as file:
        head = file.read(64)
    if isinstance(error, FFmpegEOFError):
        return f"{path} holds no frames. Record or copy it again."
    if head.startswith(LFS_POINTER):
        return f"{path} is Git LFS's pointer to a file, not the file itself. Run git lfs pull where it comes from."
    if head[4:8] == b"ftyp":
        return f"{path} starts as an MP4/MOV file, but its index is missing: it was cut short. Copy or record it again."
    if head.startswith(MXF_PART) and not mxf_is_whole(path):
        return f"{path} starts as an MXF file, but its end is missing: it was cut short. Copy or record it again."
    why = getattr(error, "strerror", None) or error
    return f"{path} is not a video or image that FFmpeg can read ({why}). Put a file there that plays."
