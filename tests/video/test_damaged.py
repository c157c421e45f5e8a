"""Footage that is damaged where its header does not tell, or that a user must be told of: refused or said, each with the file's name."""

import itertools
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import media
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.frames.extract import FramesParams, extract_frames
from pipeline.names import absence, natural_key
from pipeline.video.pictures import image_files
from pipeline.video.reading import probe, read_video
from pipeline.video.sound import extract_sound

N = 20
PARAMS = FramesParams(max_height_px=None, images_fps=None, bits=None, layout="video")


def noisy() -> list[np.ndarray]:
    """Frames whose bytes are many enough to be cut at any share."""
    rng = np.random.default_rng(0)
    return [np.clip(media.scene(t, 64, 64) + rng.integers(0, 40, (64, 64, 3)), 0, 255).astype(np.uint8) for t in range(N)]


def read(path: Path) -> tuple[np.ndarray, list[str]]:
    said: list[str] = []
    return np.concatenate([block.frames for block in read_video(path, say=said.append)]), said


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


def hollow(content: bytes) -> bytes:
    """Zeros in the place of a sixth of the bytes."""
    start, length = len(content) // 2, len(content) // 6
    return content[:start] + bytes(length) + content[start + length :]


CLIPS = {
    "a.avi": ("mpeg4", "yuv420p"), "a.wmv": ("wmv2", "yuv420p"), "a.flv": ("flv", "yuv420p"), "a.mkv": ("mpeg4", "yuv420p"),
    "a.gif": ("gif", "rgb8"), "a.mp4": ("libx264", "yuv420p"), "a.mov": ("mpeg4", "yuv420p"),
}  # fmt: skip
DAMAGES = {"cut early": cut(0.2), "cut": cut(0.6), "cut late": cut(0.93), "hollow": hollow}
# Their headers' length is coarse, and whole packets are lost: a shorter video.
SHORTER = {("a.mkv", "cut late"), ("a.wmv", "cut late"), ("a.wmv", "hollow")}


@pytest.mark.parametrize("name", CLIPS)
def test_a_whole_one_is_read_and_nothing_is_said(name, tmp_path):
    frames, said = read(media.write_clip(tmp_path / name, noisy(), *CLIPS[name]))
    assert (len(frames), said) == (N, [])


@pytest.mark.parametrize(("name", "damage"), [case for case in itertools.product(CLIPS, DAMAGES) if case not in SHORTER])
def test_no_part_of_a_picture_is_made_up(name, damage, tmp_path):
    path = media.write_clip(tmp_path / name, noisy(), *CLIPS[name])
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(InputError, match=rf"{name} .*(Copy it again|Record or copy|Copy or record|Put a file)"):
        read(path)


def test_a_gif_may_lack_its_closing_mark_or_have_more_after_it(tmp_path):
    path = media.write_clip(tmp_path / "a.gif", noisy(), *CLIPS["a.gif"])
    content = path.read_bytes()
    assert content[-1:] == b";"
    for other in (content[:-1], content + b"made by a program"):
        path.write_bytes(other)
        assert len(read(path)[0]) == N


def test_of_a_broadcast_stream_damaged_frames_are_named(tmp_path):
    path = media.write_clip(tmp_path / "a.ts", noisy())
    content = cut(0.2)(path.read_bytes())
    path.write_bytes(content[: len(content) // 188 * 188])  # whole packets
    frames, said = read(path)
    assert said == [f"{path} has frames that cannot be decoded whole, {len(frames) - 1}: look at them"]


def test_a_start_between_key_frames_is_told(tmp_path):
    media.write_clip(tmp_path / "whole.avi", media.scenes(N), "mpeg4")
    with av.open(str(tmp_path / "whole.avi")) as source, av.open(str(tmp_path / "a.avi"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[3:-1]:
            packet.stream = stream
            target.mux(packet)
    frames, said = read(tmp_path / "a.avi")
    assert len(frames) == N - 3
    assert [line for line in said if "starts between two key frames" in line] == said != []
    assert read(tmp_path / "whole.avi")[1] == []


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG"), (1, None)])
def test_hdr_is_told(curve, name, tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p10le"
        stream.codec_context.color_trc = curve
        frame = av.VideoFrame.from_ndarray(media.scene(1, 32, 64), format="rgb24").reformat(format="yuv420p10le")
        frame.pts, frame.color_trc = 0, curve
        container.mux([*stream.encode(frame), *stream.encode(None)])
    said = read(tmp_path / "a.mkv")[1]
    assert len(said) == (0 if name is None else 1)
    assert name is None or f"a.mkv is filmed in HDR ({name})" in said[0]


def test_a_turn_that_is_no_quarter_names_the_file(tmp_path):
    path = media.write_clip(tmp_path / "a.mp4", media.scenes(2), rotation=45)
    for look in (probe, read):
        with pytest.raises(InputError, match=r"a\.mp4 must be turned by a multiple of 90 degrees, found 45"):
            look(path)


def test_frames_wider_than_the_lossless_layout_takes(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 16_385, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png has frames of 16385x2 px, frames\.layout video takes 16384 .* frames\.layout to zstd"):
        extract_frames(tmp_path / "a.png", tmp_path / "a.zarr", PARAMS)
    assert extract_frames(tmp_path / "a.png", tmp_path / "a.zarr", PARAMS.model_copy(update={"layout": "zstd"})) == 1


def test_a_span_far_beyond_the_end_is_not_taken_for_a_full_disk(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(3))
    with pytest.raises(InputError, match=r"has the frames 0 to 2, the clip's span ends at 10000000000"):
        extract_frames(clip, tmp_path / "a.zarr", PARAMS, (1, 10**10))


@pytest.mark.parametrize(("rate", "taken"), [(1000, 7350), (8000, 8000), (37_800, 44_100), (96_000, 48_000)])
def test_sound_of_any_rate_is_kept(rate, taken, tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        track = container.add_stream("pcm_s16le", rate=rate)
        track.codec_context.layout = "mono"
        frame = av.VideoFrame.from_ndarray(media.scene(0), format="rgb24").reformat(format="yuv444p")
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
        samples = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.int16), format="s16", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
        container.mux([*track.encode(samples), *track.encode(None)])
    sound = tmp_path / "sound.mp4"
    sound.write_bytes(extract_sound(tmp_path / "a.mkv") or b"")
    with av.open(str(sound)) as container:
        assert container.streams.audio[0].rate == taken


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "a.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match=r"a\.mp4 is Git LFS's pointer .* git lfs pull"):
        probe(tmp_path / "a.mp4")


class TestFolders:
    def test_what_is_no_picture_is_passed_over(self, tmp_path):
        cv2.imwrite(str(tmp_path / "0.png"), media.scene(0))
        (tmp_path / "1.png").mkdir()
        for name in ("Thumbs.db", "._0.png", "notes.txt"):
            (tmp_path / name).write_bytes(b"x")
        assert [image.name for image in image_files(tmp_path)] == ["0.png"]

    def test_a_link_that_leads_nowhere_is_named(self, tmp_path):
        cv2.imwrite(str(tmp_path / "0.png"), media.scene(0))
        (tmp_path / "1.png").symlink_to("lost.png")
        with pytest.raises(InputError, match=r"1\.png is a link to lost\.png, where nothing lies"):
            image_files(tmp_path)

    def test_pictures_that_show_nothing_are_refused(self, tmp_path):
        for t in range(2):
            cv2.imwrite(str(tmp_path / f"{t}.png"), np.zeros((8, 8, 4), np.uint8))
        with pytest.raises(InputError, match=r"is fully transparent \(alpha 0 in all 2 frames\)"):
            read(tmp_path)

    def test_names_that_differ_in_capitals_alone_have_one_order(self, tmp_path):
        names = ["A1.png", "a01.png", "a1.png", "a1.PNG", "a2.png", "a10.png"]
        assert len({tuple(sorted(order, key=natural_key)) for order in itertools.permutations(names)}) == 1
        assert sorted(names, key=natural_key)[-2:] == ["a2.png", "a10.png"]

    def test_digits_that_are_no_numbers_are_letters(self):
        assert sorted(["a²10.png", "a²2.png", "①1.png"], key=natural_key)[:2] == ["a²2.png", "a²10.png"]


@pytest.mark.parametrize(
    ("there", "asked"),
    [("Cafe\u0301.mp4", "Café.mp4"), ("Café.mp4", "Cafe\u0301.mp4"), ("IMG_1.MOV", "img_1.mov"), ("Clips/a.mp4", "clips/a.mp4")],
)
def test_a_name_that_looks_alike_is_pointed_out(there, asked, tmp_path):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        image_files(tmp_path / asked)
    assert f"does not exist, but {there.split('/')[0]!a} lies there" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_link_without_its_file_is_no_missing_file(tmp_path):
    os.symlink("../annex/a.mp4", tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"a\.mp4 is a link to \.\./annex/a\.mp4, where nothing lies: put the video file"):
        image_files(tmp_path / "a.mp4")
    assert absence(tmp_path / "b.mp4") == absence(tmp_path / "no/b.mp4") == "does not exist"
