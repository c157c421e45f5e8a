"""Laws of footage as cameras, telephones and programs write it: stacks, animations, spare bits, fields, sounds of an unknown kind."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import media
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.video.reading import probe, read_video
from pipeline.video.sound import extract_sound

N = 20


def read(path: Path, **options) -> tuple[np.ndarray, list[int] | None, list[str]]:
    said: list[str] = []
    blocks = list(read_video(path, say=said.append, **options))
    stamps = None if blocks[0].pts is None else [p for block in blocks for p in block.pts or []]
    return np.concatenate([block.frames for block in blocks]), stamps, said


def bgr(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.ascontiguousarray(image[..., ::-1]) for image in images]


def write_stack(path: Path, n: int = N) -> Path:
    assert cv2.imwritemulti(str(path), bgr(media.scenes(n)))
    return path


class TestOfSeveralPicturesInOneFile:
    def test_tiffs_with_tags_that_ffmpeg_does_not_know_are_read(self, tmp_path):
        for t in range(3):
            cv2.imwrite(str(tmp_path / f"{t}.tif"), media.scene(t)[..., ::-1])  # OpenCV writes SampleFormat (339)
        frames, pts, said = read(tmp_path)
        assert np.array_equal(frames, media.scenes(3))
        assert (pts, said) == (None, [])
        assert (probe(tmp_path).codec, probe(tmp_path).frames) == ("tiff", 3)

    def test_all_pages_of_a_tiff_are_frames(self, tmp_path):
        path = write_stack(tmp_path / "a.tif")
        info, (frames, pts, _) = probe(path), read(path)
        assert (info.frames, info.fps, info.size_hw) == (N, None, (media.HEIGHT, media.WIDTH))
        assert np.array_equal(frames, media.scenes(N))
        assert pts is None
        assert read(path, images_fps="25")[1] == list(range(N))
        assert np.array_equal(read(path, span=(3, 18))[0], media.scenes(N)[3:19])
        with pytest.raises(InputError, match="has the frames 0 to 19, the clip's span ends at 20"):
            read(path, span=(3, 20))

    def test_thumbnails_beside_a_page_are_no_frames(self, tmp_path):
        path = write_stack(tmp_path / "a.tif", 3)
        content = bytearray(path.read_bytes())
        entry = content.rfind(bytes([254, 0, 4, 0, 1, 0, 0, 0]))  # NewSubfileType of the last page, as libtiff writes it
        content[entry + 8] = 1
        path.write_bytes(content)
        assert np.array_equal(read(path)[0], media.scenes(2))

    @pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
    def test_a_cut_stack_is_refused(self, tmp_path, share):
        path = write_stack(tmp_path / "a.tif")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(InputError, match=r"a\.tif (is cut short|breaks at picture)"):
            read(path)

    def test_a_tiff_with_a_videos_name_is_read_as_a_tiff(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.tif"), media.scene(4)[..., ::-1])
        renamed = (tmp_path / "a.tif").rename(tmp_path / "a.mp4")
        assert (probe(renamed).codec, probe(renamed).frames, probe(renamed).fps) == ("tiff", 1, None)
        assert np.array_equal(read(renamed)[0], media.scenes(5)[4:])
        renamed.write_bytes(renamed.read_bytes()[:-40])  # in its list of pictures, or its pixels: FFmpeg would fill them
        with pytest.raises(InputError, match=r"a\.mp4 (is cut short|breaks at)"):
            read(renamed)

    @pytest.mark.parametrize("share", [0.3, 0.95])
    @pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
    def test_a_cut_jpeg_is_refused_whatever_its_name(self, tmp_path, name, share):
        """Of a picture as large as those of cameras: of a small one FFmpeg refuses what is left anyway."""
        whole = cv2.imencode(".jpg", cv2.resize(media.scene(4), (640, 480)))[1].tobytes()
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"breaks (at|before) its first frame"):
            read(tmp_path / name)

    def test_numbers_that_are_no_levels_are_refused(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.tif"), np.ones((8, 8), np.float32))
        with pytest.raises(InputError, match="must hold grey or RGB pictures of 8 or 16 bits, found float32"):
            read(tmp_path / "a.tif")

    def test_an_animated_png_is_a_video(self, tmp_path):
        path = media.write_clip(tmp_path / "a.apng", media.scenes(), "apng", "rgb24", base=Fraction(1, 10)).rename(tmp_path / "a.png")
        frames, pts, _ = read(path)
        assert np.array_equal(frames, media.scenes())
        assert [p * Fraction(probe(path).time_base) for p in pts] == [Fraction(t, 10) for t in range(media.FRAMES)]
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.95)])
        with pytest.raises(InputError, match="cut short"):
            read(path)

    def test_an_animated_webp_is_a_video(self, tmp_path):
        path = write_webp(tmp_path / "a.webp", [100, 40, 40, 300, 0])
        info, (frames, pts, _) = probe(path), read(path)
        assert (info.frames, info.time_base, info.codec) == (5, "1/1000", "webp")
        assert pts == [0, 100, 140, 180, 480]
        for frame, scene in zip(frames, media.scenes(5), strict=True):
            assert np.abs(frame[4:10, 4:10].astype(int) - scene[4:10, 4:10]).max() <= 12
            assert abs(int(frame[24, 36, 0]) - int(scene[24, 36, 0])) <= 12
        assert np.array_equal(read(path, span=(2, 3))[0], frames[2:4])
        assert read(path, span=(2, 3))[1] == [140, 180]
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(InputError, match="is cut short: it is smaller than it declares"):
            probe(path)

    @pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png"])
    def test_among_images_a_file_of_several_pictures_is_refused(self, tmp_path, name):
        if name == "a.png":
            media.write_clip(tmp_path / "a.apng", media.scenes(5), "apng", "rgb24").rename(tmp_path / name)
        else:
            (write_stack if name == "a.tif" else write_webp)(tmp_path / name, *([5] if name == "a.tif" else [[40] * 5]))
        with pytest.raises(InputError, match=r"holds 5 pictures, in a folder an image must hold one: make this file the clip"):
            read(tmp_path)


    def test_a_video_named_as_an_image_is_refused(self, tmp_path):
        media.write_clip(tmp_path / "a.mp4", media.scenes(3)).rename(tmp_path / "a.png")
        for path in (tmp_path / "a.png", tmp_path):
            with pytest.raises(InputError, match=r"a\.png is named as an image, found the format mov"):
                read(path)


def write_webp(path: Path, durations: list[int]) -> Path:
    animation = cv2.Animation()
    animation.frames, animation.durations = bgr(media.scenes(len(durations))), durations
    assert cv2.imwriteanimation(str(path), animation)
    return path


class TestOfSixteenBits:
    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    @pytest.mark.parametrize("grey", [False, True])
    def test_spare_bits_are_told_and_stretched_by_a_value(self, tmp_path, name, grey):
        scene = media.scene(9)[..., 0] if grey else media.scene(9)
        cv2.imwrite(str(tmp_path / name), (scene if grey else scene[..., ::-1]).astype(np.uint16) * 16)
        frames, _, said = read(tmp_path)
        assert frames.max() <= 13
        assert said == [
            f"{tmp_path} has 16-bit pictures whose brightest value is 3200 of 65535, as of a camera of 12 bits: "
            "they will be dark; set frames.bits to 12 in params.yaml to stretch them"
        ]
        frames, _, said = read(tmp_path, bits=12)
        assert np.abs(frames[0].astype(int) - (scene[..., None] if grey else scene)).max() <= 1
        assert said == []
        with pytest.raises(InputError, match=r"holds the 16-bit value 3200, more than frames.bits = 10 can have: correct it"):
            read(tmp_path, bits=10)

    def test_pictures_that_use_their_bits_are_left_alone(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.png"), media.scene(9)[..., ::-1].astype(np.uint16) * 257)
        plain, _, said = read(tmp_path)
        assert said == []
        assert np.abs(plain[0].astype(int) - media.scene(9)).max() <= 1
        cv2.imwrite(str(tmp_path / "a.png"), media.scene(9)[..., ::-1])
        assert np.array_equal(read(tmp_path, bits=12)[0][0], media.scene(9))  # 8 bits are no 16


def ball(t: float, height: int = 96, width: int = 128) -> np.ndarray:
    """A bright block that moves 4 px a unit of time over a striped ground that stands still."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[::4] = 90
    x = 8 + round(4 * t)
    image[20:76, x : x + 30] = 220
    return image


def fields(n: int, bottom_first: bool = False) -> list[np.ndarray]:
    """Frames whose two fields are half a frame apart."""
    frames = []
    for t in range(n):
        image = ball(t).copy()
        image[int(not bottom_first) :: 2] = ball(t + 0.5)[int(not bottom_first) :: 2]
        if bottom_first:
            image[1::2] = ball(t)[1::2]
        frames.append(image)
    return frames


def write_fields(path: Path, images: list[np.ndarray], order: str | None) -> Path:
    """H.264 without chroma subsampling, as good as lossless; order tff or bff marks the frames as interlaced."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.options = {"crf": "0", **({"flags": "+ildct+ilme"} if order else {})}
        marking = av.filter.Graph()
        nodes = [marking.add_buffer(width=128, height=96, format=av.VideoFormat("yuv444p"), time_base=Fraction(1, 25))]
        nodes += [marking.add("setfield", order or "prog"), marking.add("buffersink")]
        marking.link_nodes(*nodes).configure()
        for t, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = t, Fraction(1, 25)
            marking.push(frame)
            frame = marking.pull()
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestOfInterlacedVideo:
    @pytest.mark.parametrize("order", ["tff", "bff"])
    def test_marked_frames_are_deinterlaced_and_that_is_said(self, tmp_path, order):
        path = write_fields(tmp_path / "a.mkv", fields(N, order == "bff"), order)
        frames, pts, said = read(path)
        assert said == [f"{path} is interlaced: its frames are deinterlaced by bwdif, one picture a frame"]
        assert [p * Fraction(probe(path).time_base) for p in pts] == [Fraction(t, 25) for t in range(N)]
        for t in range(1, N - 1):  # the picture is that of the earlier field: beside the block's upper and lower end
            apart, later = (np.abs(frames[t].astype(int) - ball(u))[30:66].mean() for u in (t, t + 0.5))
            assert apart < 0.25 * later, t
        assert np.array_equal(read(path, span=(4, 9))[0], frames[4:10])

    def test_frames_without_marks_come_out_as_they_are(self, tmp_path):
        frames, _, said = read(write_fields(tmp_path / "a.mkv", [ball(t) for t in range(N)], None))
        assert said == []
        assert np.abs(frames[5].astype(int) - ball(5)).max() <= 2

    @pytest.mark.parametrize(("bottom_first", "name"), [(False, "top"), (True, "bottom")])
    def test_combs_without_marks_are_told(self, tmp_path, bottom_first, name):
        path = write_fields(tmp_path / "a.mkv", fields(N, bottom_first), None)
        _, _, said = read(path)
        assert len(said) == 1
        assert said[0].startswith(f"{path} looks interlaced, {name} field first, but is not marked so")
        assert f"setfield={name[0]}ff" in said[0]


def write_two_sounds(path: Path, unknown: Sequence[int]) -> Path:
    """A MOV with two AAC tracks, both default; those counted by unknown are renamed to a codec that nobody decodes, as apac is."""
    with av.open(str(path), "w", format="mov") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = media.HEIGHT, media.WIDTH, "yuv420p"
        tracks = [container.add_stream("aac", rate=44100) for _ in range(2)]
        for track in tracks:
            track.codec_context.layout = "mono"
            track.disposition = av.stream.Disposition.default
        for t in range(10):
            frame = av.VideoFrame.from_ndarray(media.scene(t), format="rgb24")
            frame.pts, frame.time_base = t, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for track in tracks:
            media._write_sine(container, track, 0.4)
    content = path.read_bytes()
    for number in sorted(unknown, reverse=True):
        for known, other in ((b"mp4a", b"apac"), (b"esds", b"xsds")):
            starts = [i for i in range(content.index(b"moov"), len(content)) if content.startswith(known, i)]
            starts = starts[:: len(starts) // 2] if number in (0, 1) and len(starts) > 1 else starts
            at = starts[min(number, len(starts) - 1)]
            content = content[:at] + other + content[at + 4 :]
    path.write_bytes(content)
    return path


class TestOfSoundsThatCannotBeDecoded:
    @pytest.mark.parametrize("unknown", [[0], [1]])
    def test_the_track_beside_is_taken(self, tmp_path, unknown):
        path = write_two_sounds(tmp_path / "a.mov", unknown)
        assert (probe(path).audio, probe(path).unheard) == ("aac", 0)
        (tmp_path / "sound.mp4").write_bytes(extract_sound(path))
        assert len(media.sound_of(tmp_path / "sound.mp4")) > 0.3 * 44100

    def test_without_another_the_clip_is_silent(self, tmp_path):
        path = write_two_sounds(tmp_path / "a.mov", [0, 1])
        assert (probe(path).audio, probe(path).unheard) == (None, 2)
        assert extract_sound(path) is None
        assert len(read(path)[0]) == 10
