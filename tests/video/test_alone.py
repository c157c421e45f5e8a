"""Laws of opening: one file is read and no other; what is no file is refused at once."""

import os
import socket
from pathlib import Path

import pytest
from media import scenes, write_clip

from pipeline.errors import InputError, require_plain
from pipeline.frames.extract import FramesParams, extract_frames
from pipeline.video.opening import open_media
from pipeline.video.pictures import image_files
from pipeline.video.reading import probe, read_video

SECRET = "secret.ts"
LISTS = {
    "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{SECRET}\n#EXT-X-ENDLIST\n",
    "a.mp4": f"\n #EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{SECRET}\n#EXT-X-ENDLIST\n",
    "a.ffconcat": f"ffconcat version 1.0\nfile {SECRET}\n",
    "a.mkv": f"ffconcat version 1.0\nfile {SECRET}\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "a.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>\n',
    "a.pls": f"[playlist]\nFile1={SECRET}\nNumberOfEntries=1\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_playlist_is_no_video_whatever_its_name(name, tmp_path):
    write_clip(tmp_path / SECRET, scenes(3), "mpeg2video")
    (tmp_path / name).write_text(LISTS[name])
    with pytest.raises(InputError, match="must be a video itself, found a playlist"):
        probe(tmp_path / name)


def test_a_playlist_behind_a_tag_is_none_either(tmp_path):
    """FFmpeg skips an ID3 tag before it looks at the bytes."""
    write_clip(tmp_path / SECRET, scenes(3), "mpeg2video")
    (tmp_path / "a.mp4").write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + LISTS["a.m3u8"].encode())
    with pytest.raises(InputError, match=r"found a playlist|not a video or image"):
        probe(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a:b.mp4", "https:x.mp4", "img%03d.png", "a b?c#d.mp4"])
def test_a_name_is_only_a_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = write_clip(Path("img001.png"), scenes(1, 16, 16), "png", "rgb24")
    write_clip(tmp_path / "x.mp4", scenes(2)).rename(name)
    if name.endswith(".png"):
        Path(name).write_bytes(write_clip(Path("y.png"), scenes(1, 32, 48), "png", "rgb24").read_bytes())
    with open_media(name) as container:
        assert container.streams.video[0].width == 48
    assert other.is_file()


def special(kind: str, folder: Path) -> Path:
    """A thing in a folder that is neither file nor folder."""
    path = folder / "clip.mp4"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(folder)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
        os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(("kind", "says"), [("pipe", "a named pipe"), ("socket", "a socket"), ("device", "a device")])
def test_what_is_no_file_is_refused_at_once(kind, says, tmp_path):
    path = special(kind, tmp_path)
    for look in (require_plain, image_files, open_media, probe, lambda p: next(read_video(p))):
        with pytest.raises(InputError, match=f"must be a file or a folder, found {says}: put the file itself there"):
            look(path)
    path.rename(tmp_path / "1.png")
    with pytest.raises(InputError, match=f"found {says}"):
        probe(tmp_path)


def test_nothing_is_published_of_a_playlist(tmp_path):
    write_clip(tmp_path / SECRET, scenes(3), "mpeg2video")
    (tmp_path / "a.m3u8").write_text(LISTS["a.m3u8"])
    params = FramesParams(max_height_px=None, images_fps=None, bits=None, layout="video")
    with pytest.raises(InputError, match="playlist"):
        extract_frames(tmp_path / "a.m3u8", tmp_path / "out.zarr", params)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.m3u8", SECRET]


NOISE = bytes(range(7, 256)) * 8
HEADS = [
    b"", b"II*\0", b"II*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\0\0\0\x08\0\0\0\0\0\x08",
    b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + b"\xff" * 8, b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffacTL",
    b"\x89PNG\r\n\x1a\n\0\0\0\x08acTL\xff\xff\xff\xff", b"RIFF\xff\xff\xff\xffWEBP", b"RIFF\x20\0\0\0WEBPANMF\xff\xff\xff\xff",
    b"\xff\xd8\xff\xe0", b"BM", b"\0\0\0\x18ftypmp42", b"RIFF\0\0\0\0AVI ", b"\x1aE\xdf\xa3", b"ID3\x04", b"GIF89a", b"FLV\x01", b"OggS",
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg", ".mp4", ".mkv", ""])
def test_heads_of_files_without_the_rest_are_refused(suffix, tmp_path):
    for i, head in enumerate(HEADS):
        for rest in (b"", NOISE):
            for path in (tmp_path / f"clip{i}{suffix}", tmp_path / f"folder{i}" / f"1{suffix}"):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(head + rest)
                with pytest.raises(InputError, match=str(tmp_path)):
                    list(read_video(path if path.parent == tmp_path else path.parent))
