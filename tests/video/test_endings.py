"""Containers of which FFmpeg takes a cut file for a shorter one: that it was cut is told, and nothing is said of whole ones."""

from pathlib import Path

import av
import media
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.video.endings import mxf_is_whole, nut_has_index, ts_ends_with_a_packet
from pipeline.video.reading import read_video

N, PACKET = 10, 188
CLIPS = {
    "a.y4m": ("wrapped_avframe", "yuv420p", None), "grey.y4m": ("wrapped_avframe", "gray", None),
    "a.nut": ("ffv1", "yuv444p", None), "pcm.nut": ("ffv1", "yuv444p", "pcm_s16le"), "h264.nut": ("libx264", "yuv420p", None),
    "a.mxf": ("mpeg2video", "yuv420p", None), "pcm.mxf": ("mpeg2video", "yuv420p", "pcm_s16le"),
    "prores.mxf": ("prores_ks", "yuv422p10le", None),
    "a.ts": ("libx264", "yuv420p", None), "aac.ts": ("libx264", "yuv420p", "aac"), "mpeg2.ts": ("mpeg2video", "yuv420p", "mp2"),
    "hevc.ts": ("libx265", "yuv420p", None), "a.m2ts": ("libx264", "yuv420p", "ac3"),
}  # fmt: skip
REFUSED = ("y4m", "mxf")  # of the others recordings may break off anywhere


def clip(path: Path, n: int = N, height: int = 96) -> Path:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 40, (height, 128, 3)) for _ in range(n)]
    images = [np.clip(media.scene(t, height, 128) + noise[t], 0, 255).astype(np.uint8) for t in range(n)]
    codec, pixels, sound = CLIPS[path.name]
    return media.write_clip(path, images, codec, pixels, sound=sound)


def read(path: Path) -> tuple[int, list[str]]:
    said: list[str] = []
    return sum(len(block.frames) for block in read_video(path, say=said.append)), said


def frames_and_all_told(path: Path) -> tuple[int, str]:
    """Frames that were read (-1: refused), and what was said or raised."""
    try:
        n, said = read(path)
    except InputError as error:
        return -1, str(error)
    return n, "\n".join(said)


@pytest.mark.parametrize("n", [4, 26])
@pytest.mark.parametrize("name", CLIPS)
def test_of_a_whole_one_nothing_is_said(name, n, tmp_path):
    assert read(clip(tmp_path / name, n)) == (n, [])


@pytest.mark.parametrize("name", CLIPS)
def test_a_cut_one_is_told_wherever_it_was_cut(name, tmp_path):
    """At any byte but a border between packets of MPEG-TS, where a recording may end, and between frames of y4m, which knows no end."""
    content = clip(tmp_path / name).read_bytes()
    packet = 192 if name.endswith("m2ts") else PACKET
    for share in (0.999, 0.97, 0.8, 0.61, 0.47):
        size = int(len(content) * share)
        size -= 5 if size % packet in range(6) else 0
        (tmp_path / name).write_bytes(content[:size])
        n, told = frames_and_all_told(tmp_path / name)
        assert name in told, size
        assert len(told.splitlines()) <= 2  # in a broadcast stream damaged frames have a line of their own
        if name.endswith(REFUSED):
            assert n == -1, size
            assert "cut short" in told


def test_frames_of_a_y4m_that_are_whole_are_read(tmp_path):
    content = clip(tmp_path / "a.y4m").read_bytes()
    frame = len(b"FRAME\n") + 96 * 128 * 3 // 2
    (tmp_path / "a.y4m").write_bytes(content[: -2 * frame])
    assert read(tmp_path / "a.y4m") == (N - 2, [])
    (tmp_path / "a.y4m").write_bytes(content[: -2 * frame - 1])
    with pytest.raises(InputError, match=r"a\.y4m is cut short: it ends within frame 7\. Copy it again"):
        read(tmp_path / "a.y4m")


class TestBroadcasts:
    def test_a_recording_may_end_at_any_border_of_packets(self, tmp_path):
        """Here within the sound that comes last: all pictures are whole."""
        content = clip(tmp_path / "aac.ts").read_bytes()
        (tmp_path / "aac.ts").write_bytes(content[:-PACKET])
        assert read(tmp_path / "aac.ts") == (N, [])

    def test_and_begin_within_a_packet(self, tmp_path):
        content = clip(tmp_path / "a.ts").read_bytes()
        for size, whole in ((0, True), (1, False), (PACKET - 1, False), (PACKET, True)):
            (tmp_path / "a.ts").write_bytes(content[-20 * PACKET - 77 : len(content) - size])
            assert ts_ends_with_a_packet(tmp_path / "a.ts") == whole

    @pytest.mark.parametrize("name", ["a.ts", "mpeg2.ts"])
    def test_a_picture_that_ends_with_the_recording_is_told_each_time(self, name, tmp_path):
        content = clip(tmp_path / name, height=240).read_bytes()  # high enough for FFmpeg to share a frame's rows among threads
        last, made_up = len(content) // PACKET, 0
        for packets in range(last - 3, last // 3, -max(1, last // 30)):
            if not all(read_until(tmp_path / name, content, packets * PACKET).values()):
                assert "cannot be decoded whole" in frames_and_all_told(tmp_path / name)[1], packets
                made_up += 1
        assert made_up > 3

    def test_what_is_no_row_of_packets_is_not_judged(self, tmp_path):
        for content in (b"", b"G", bytes(5000), b"G" * PACKET):
            (tmp_path / "a").write_bytes(content)
            assert ts_ends_with_a_packet(tmp_path / "a")


def read_until(path: Path, content: bytes, size: int) -> dict[int, bool]:
    """Of each frame, by its time, that a cut file gives, whether it is as in the whole one."""
    found = []
    for end in (len(content), size):
        path.write_bytes(content[:end])
        blocks = list(read_video(path))
        found.append(dict(zip([pts for b in blocks for pts in b.pts or ()], np.concatenate([b.frames for b in blocks]), strict=True)))
    return {pts: pts in found[0] and np.array_equal(image, found[0][pts]) for pts, image in found[1].items()}


class OneWay:
    """What nobody can go back in, as a pipe or a network."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += bytes(data)
        return len(data)


def streamed(path: Path) -> bytes:
    """A file's packets written to where nothing written before can be corrected."""
    pipe = OneWay()
    with av.open(str(path)) as source, av.open(pipe, "w", format=path.suffix[1:]) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return bytes(pipe.content)


PICTURE = bytes.fromhex("060e2b34010201010d010301")  # how the keys of an MXF file's pictures begin


class TestMxf:
    def test_a_recording_whose_header_knows_no_footer(self, tmp_path):
        path = clip(tmp_path / "a.mxf")
        content = streamed(path)
        assert content[24 + 20 :][:8] == bytes(8) != path.read_bytes()[24 + 20 :][:8]  # the footer's place
        path.write_bytes(content)
        assert read(path) == (N, [])
        picture = content.rindex(PICTURE)
        path.write_bytes(content[:picture])
        assert mxf_is_whole(path)
        for more in (1, 15, 17, 40):
            path.write_bytes(content[: picture + more])
            assert not mxf_is_whole(path)

    def test_one_whose_header_knows_a_footer_does_not_end_with_a_picture(self, tmp_path):
        content = clip(tmp_path / "a.mxf").read_bytes()
        (tmp_path / "a.mxf").write_bytes(content[: content.rindex(PICTURE)])
        with pytest.raises(InputError, match=r"a\.mxf is cut short after frame \d \(0\.\d+ s\)\. Copy it again"):
            read(tmp_path / "a.mxf")

    def test_bytes_around_it_are_nothing(self, tmp_path):
        content = clip(tmp_path / "a.mxf").read_bytes()
        for other in (content + bytes(512), content + b"made by", b"a run-in" + content):
            (tmp_path / "a.mxf").write_bytes(other)
            assert mxf_is_whole(tmp_path / "a.mxf")
        (tmp_path / "a.mxf").write_bytes(b"no such file")
        assert mxf_is_whole(tmp_path / "a.mxf")

    def test_one_that_cannot_be_opened_for_it_says_so(self, tmp_path):
        """FFmpeg opens some files that lack a part of their footer and refuses others."""
        content = clip(tmp_path / "a.mxf").read_bytes()
        told = set()
        for lacking in range(1, 2000, 61):
            (tmp_path / "a.mxf").write_bytes(content[:-lacking])
            told.add(frames_and_all_told(tmp_path / "a.mxf"))
        assert {n for n, _ in told} == {-1}
        assert {line.partition("a.mxf ")[2].partition(":")[0] for _, line in told} >= {"starts as an MXF file, but its end is missing"}
        assert all("cut short" in line for _, line in told)


def test_an_index_ends_a_nut_file_however_it_was_written(tmp_path):
    path = clip(tmp_path / "a.nut")
    assert nut_has_index(path)
    path.write_bytes(streamed(path))
    assert read(path) == (N, [])
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path)[1] == [
        f"{path} has no index at its end, as a NUT file that is cut short or whose recording broke off: "
        "look at its last frames, or copy it again"
    ]
    for content in (b"", bytes(12), bytes(40), b"\xff" * 40):
        path.write_bytes(content)
        assert not nut_has_index(path)
