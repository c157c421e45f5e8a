"""Media files, opened so that no file but the named one is read."""

from pathlib import Path

import av
from av.container import InputContainer

from pipeline.errors import InputError, require_plain

# Lists of other files and addresses, which FFmpeg would open in turn: by the first bytes, before it can, and by its own name.
PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"<?xml", b"<MPD", b"<ASX", b"<asx", b"<smil", b"RTSPtext")
PLAYLIST_FORMATS = ("hls", "concat", "sdp", "dash", "imf", "rtsp", "rtp", "sap", "lavfi", "webm_dash_manifest")
# file: alone, and no pattern of numbered images for a name with % in it.
OPTIONS = {"protocol_whitelist": "file", "pattern_type": "none"}


def open_alone(path: str | Path) -> InputContainer:
    """Open a media file with FFmpeg, whose errors pass; InputError for a list of other files, and for what is no file."""
    path = Path(path)
    require_plain(path)
    if path.is_dir():
        raise InputError(f"{path} must be a video or an image, found a folder. Name a file in it.")
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(PLAYLIST_STARTS):
        raise _is_a_list(path)
    # the prefix keeps a colon in the name from being taken for a protocol
    container = av.open(f"file:{path}", options=dict(OPTIONS), metadata_errors="replace")
    if any(name in PLAYLIST_FORMATS for name in container.format.name.split(",")):
        container.close()
        raise _is_a_list(path)
    return container


def _is_a_list(path: Path) -> InputError:
    return InputError(f"{path} must be a video itself, found a playlist or a description of one. Put the video that it names there.")
