"""Media files, opened so that no file but the named one is read."""

from pathlib import Path

import av
from av.container import InputContainer
from av.error import EOFError as FFmpegEOFError
from av.error import FFmpegError

from pipeline.errors import InputError, require_plain

# FFmpeg takes any text for ANSI art; nobody means a video by that.
TEXT_FORMATS = ("tty", "srt", "ass", "webvtt")
# Lists of other files and addresses, which FFmpeg would open in turn: by the first bytes, before it can, and by its own name.
PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"<?xml", b"<MPD", b"<ASX", b"<asx", b"<smil", b"RTSPtext")
PLAYLIST_FORMATS = ("hls", "concat", "sdp", "dash", "imf", "rtsp", "rtp", "sap", "lavfi", "webm_dash_manifest")
# file: alone, and no pattern of numbered images for a name with % in it.
OPTIONS = {"protocol_whitelist": "file", "pattern_type": "none"}


def open_media(path: str | Path) -> InputContainer:
    """Open a media file with FFmpeg; InputError when it is none, or a list of others, or no file."""
    path = Path(path)
    require_plain(path)
    if path.is_dir():
        raise InputError(f"{path} must be a video or an image, found a folder. Name a file in it.")
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(PLAYLIST_STARTS):
        raise _is_a_list(path)
    try:
        # the prefix keeps a colon in the name from being taken for a protocol
        container = av.open(f"file:{path}", options=dict(OPTIONS), metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise InputError(_why_unreadable(path, error)) from error
    names = container.format.name.split(",")
    if names[0] in TEXT_FORMATS or any(name in PLAYLIST_FORMATS for name in names):
        container.close()
        if names[0] in TEXT_FORMATS:
            raise InputError(f"{path} must be a video or an image, found text. Put the real file there.")
        raise _is_a_list(path)
    return container


def _is_a_list(path: Path) -> InputError:
    return InputError(f"{path} must be a video itself, found a playlist or a description of one. Put the video that it names there.")


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
