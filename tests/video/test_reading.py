"""Laws of reading video: every container, exact timestamps, upright pictures, and one clear line for what is broken."""

import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import media
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.video.reading import probe, read_video

CONTAINERS = [
    ("clip.mp4", "libx264", "yuv420p"),
    ("clip.mov", "libx264", "yuv420p"),
    ("clip.mkv", "libx264", "yuv444p"),
    ("clip.webm", "libvpx-vp9", "yuv420p"),
    ("clip.avi", "mpeg4", "yuv420p"),
    ("clip.ts", "libx264", "yuv420p"),
    ("clip.gif", "gif", "rgb8"),
]


def read(path: Path, **options) -> tuple[np.ndarray, list[int] | None]:
    blocks = list(read_video(path, **options))
    stamps = None if blocks[0].pts is None else [p for block in blocks for p in block.pts or []]
    return np.concatenate([block.frames for block in blocks]), stamps


def corners(image: np.ndarray) -> np.ndarray:
    """Colours (2 2 3) amid the four quarters."""
    h, w = image.shape[0] // 4, image.shape[1] // 4
    return np.array([[image[y, x] for x in (w, -w)] for y in (h, -h)], int)


@pytest.mark.parametrize(("name", "codec", "pixels"), CONTAINERS)
def test_every_container(tmp_path, name, codec, pixels):
    base = Fraction(1, 25) if name.endswith("gif") else media.BASE
    path = media.write_clip(tmp_path / name, media.scenes(), codec, pixels, base=base)
    frames, pts = read(path)
    info = probe(path)
    assert frames.shape == (media.FRAMES, media.HEIGHT, media.WIDTH, 3)
    assert info.size_hw == (media.HEIGHT, media.WIDTH)
    tolerance = 60 if pixels == "rgb8" else 14
    for t in (0, media.FRAMES - 1):
        assert np.abs(corners(frames[t]) - corners(media.scene(t))).max() <= tolerance
    seconds = [p * Fraction(info.time_base) for p in pts]
    assert np.allclose([float(s - seconds[0]) for s in seconds], [float(t * base) for t in range(media.FRAMES)], atol=6e-4)


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("m2v", "mpeg2video")])
@pytest.mark.parametrize("base", [Fraction(1, 30), Fraction(1001, 30000), Fraction(1, 50)])
def test_a_bare_stream_has_the_rate_of_its_own_headers(tmp_path, suffix, codec, base):
    path = media.write_clip(tmp_path / f"a.{suffix}", media.scenes(), codec, base=base)
    info, said = probe(path), []
    _, pts = read(path, say=said.append)
    assert Fraction(info.fps) == 1 / base
    assert [(p - pts[0]) * Fraction(info.time_base) for p in pts] == [t * base for t in range(media.FRAMES)]
    assert f"{float(1 / base):.6g} frames/s were taken" in " ".join(said)


def test_timestamps_are_exact_and_fractional(tmp_path):
    info = probe(media.write_clip(tmp_path / "a.mp4", media.scenes(), base=Fraction(1001, 60000)))
    _, pts = read(tmp_path / "a.mp4")
    assert info.fps == "60000/1001"
    assert [p * Fraction(info.time_base) for p in pts] == [t * Fraction(1001, 60000) for t in range(media.FRAMES)]


def test_variable_rate_keeps_its_times(tmp_path):
    stamps = [0, 10, 15, 40, 41, 90]
    path = media.write_clip(tmp_path / "vfr.mp4", media.scenes(6), pts=stamps, base=Fraction(1, 600))
    _, pts = read(path)
    assert [p * Fraction(probe(path).time_base) for p in pts] == [Fraction(s, 600) for s in stamps]


def test_late_start_and_edit_list_are_kept(tmp_path):
    path = media.write_clip(tmp_path / "late.mp4", media.scenes(4), pts=[300, 320, 340, 360], base=Fraction(1, 600))
    _, pts = read(path)
    assert pts[0] * Fraction(probe(path).time_base) == Fraction(1, 2)


def test_odd_sizes(tmp_path):
    path = media.write_clip(tmp_path / "odd.mkv", media.scenes(3, 33, 47), "ffv1", "yuv420p")
    frames, _ = read(path)
    assert frames.shape == (3, 33, 47, 3)
    assert np.abs(corners(frames[1]) - corners(media.scene(1, 33, 47))).max() <= 6


def test_ten_bits(tmp_path):
    frames, _ = read(media.write_clip(tmp_path / "ten.mkv", media.scenes(3), "ffv1", "yuv422p10le"))
    assert np.abs(corners(frames[2]) - corners(media.scene(2))).max() <= 3


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_is_applied(tmp_path, angle):
    path = media.write_clip(tmp_path / "turned.mp4", media.scenes(2), rotation=angle)
    with av.open(str(path)) as container:
        matrix = next(container.decode(video=0)).rotation
    frames, _ = read(path)
    # FFmpeg's angle is counter-clockwise, as numpy's.
    upright = np.rot90(media.scene(1), matrix // 90)
    assert frames[1].shape == upright.shape == (*probe(path).size_hw, 3)
    assert np.abs(corners(frames[1]) - corners(upright)).max() <= 14


def test_pixels_are_made_square(tmp_path):
    path = media.write_clip(tmp_path / "wide.mp4", media.scenes(2), aspect=Fraction(4, 3))
    frames, _ = read(path)
    assert frames.shape[1:3] == probe(path).size_hw == (media.HEIGHT, 64)
    assert np.abs(corners(frames[0]) - corners(media.scene(0))).max() <= 14


@pytest.mark.parametrize(("matrix", "spread"), [(1, 1), (1, 2), (5, 1), (9, 1)])
def test_colour_matrix_and_range_are_the_files(tmp_path, matrix, spread):
    frames, _ = read(_write_yuv(tmp_path / "colour.mkv", media.scene(3), matrix, spread, tag=matrix))
    assert np.abs(frames[0].astype(int) - media.scene(3)).max() <= 2


@pytest.mark.parametrize(
    ("height", "width", "matrix"),
    [(720, 960, 1), (1280, 720, 1), (544, 1280, 1), (1280, 544, 1), (718, 1278, 5), (576, 720, 5), (1024, 576, 5)],
)
def test_untagged_is_bt709_in_hd_and_bt601_below(tmp_path, height, width, matrix):
    scene = media.scene(3, height, width)
    untagged, _ = read(_write_yuv(tmp_path / "untagged.mkv", scene, matrix, 1, tag=2))
    other = 6 - matrix
    tagged, _ = read(_write_yuv(tmp_path / "tagged.mkv", scene, other, 1, tag=other))
    assert np.abs(untagged[0].astype(int) - scene).max() <= 2
    assert np.abs(tagged[0].astype(int) - scene).max() <= 2  # the tag wins over the size


def test_untagged_full_range_hd(tmp_path):
    scene = media.scene(3, 720, 1280)
    frames, _ = read(_write_yuv(tmp_path / "full.mkv", scene, 1, 2, tag=2))
    assert np.abs(frames[0].astype(int) - scene).max() <= 2


@pytest.mark.parametrize("size_hw", [(720, 1280), (32, 48)])
def test_colours_without_a_matrix_stay(tmp_path, size_hw):
    scene = media.scene(5, *size_hw)
    for name, codec, pixels in (("a.mkv", "ffv1", "bgra"), ("a.mov", "qtrle", "argb")):
        image = np.dstack([scene, np.full(size_hw, 255, np.uint8)])
        assert np.array_equal(read(media.write_clip(tmp_path / name, [image], codec, pixels))[0][0], scene)
    grey = np.repeat(scene[..., :1], 3, axis=2)
    assert np.abs(read(media.write_clip(tmp_path / "grey.mkv", [grey], "ffv1", "gray"))[0][0].astype(int) - grey).max() <= 1


def test_photographs_are_bt601_at_any_size(tmp_path):
    scene = media.scene(3, 720, 1280)
    cv2.imwrite(str(tmp_path / "a.jpg"), scene[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    cv2.imwrite(str(tmp_path / "b.webp"), scene[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 100])
    for image in read(tmp_path)[0]:
        assert np.abs(corners(image) - corners(scene)).max() <= 3


def _write_yuv(path: Path, image: np.ndarray, matrix: int, spread: int, tag: int) -> Path:
    """One frame in a given matrix and range, losslessly, its matrix tagged as `tag` (2: not at all)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, spread
        frame = av.VideoFrame.from_ndarray(_to_yuv(image, matrix, spread), format="yuv444p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _to_yuv(image: np.ndarray, matrix: int, spread: int) -> np.ndarray:
    red, blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    r, g, b = np.moveaxis(image.astype(float), -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    scaled = [y, u + 128, v + 128] if spread == 2 else [16 + y * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255]
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mov", "png", "rgba"), ("a.mov", "qtrle", "argb"), ("a.mkv", "ffv1", "bgra")])
def test_alpha_is_composited_over_black(tmp_path, name, codec, pixels):
    image = np.dstack([media.scene(4), np.full((media.HEIGHT, media.WIDTH), 128, np.uint8)])
    image[:8, :, 3] = 0
    frames, _ = read(media.write_clip(tmp_path / name, [image, image], codec, pixels))
    wanted = image[..., :3].astype(int) * image[..., 3:] / 255
    assert np.abs(frames[1] - wanted).max() <= 1.5


def test_alpha_layer_of_vp9(tmp_path):
    image = np.dstack([media.scene(4), np.full((media.HEIGHT, media.WIDTH), 128, np.uint8)])
    path = media.write_clip(tmp_path / "a.webm", [image] * 3, "libvpx-vp9", "yuva420p", metadata={"alpha_mode": "1"})
    frames, _ = read(path)
    assert np.abs(corners(frames[1]) - corners(media.scene(4)) * 128 / 255).max() <= 8


def test_fully_transparent_is_refused(tmp_path):
    image = np.dstack([media.scene(4), np.zeros((media.HEIGHT, media.WIDTH), np.uint8)])
    path = media.write_clip(tmp_path / "a.mkv", [image, image], "ffv1", "bgra")
    with pytest.raises(InputError, match="fully transparent"):
        read(path)


def test_height_cap_keeps_the_shape(tmp_path):
    path = media.write_clip(tmp_path / "a.mp4", media.scenes(2, 64, 96))
    frames, _ = read(path, max_height_px=32)
    assert frames.shape == (2, 32, 48, 3)
    assert np.abs(corners(frames[1]) - corners(media.scene(1))).max() <= 14
    assert np.array_equal(read(path, max_height_px=100)[0], read(path)[0])


def test_images_in_natural_order_without_time(tmp_path):
    for t in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"img{t}.png"), media.scene(t)[..., ::-1])
    (tmp_path / "labels.csv").write_text("not an image")
    frames, pts = read(tmp_path)
    assert pts is None
    assert probe(tmp_path).fps is None
    assert np.array_equal(frames, np.stack([media.scene(t) for t in (1, 2, 10)]))
    assert read(tmp_path, images_fps="30000/1001")[1] == [0, 1, 2]
    assert probe(tmp_path, images_fps="30000/1001").time_base == "1001/30000"


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "ffv1"), ("a.webm", "libvpx-vp9"), ("a.ts", "libx264")])
@pytest.mark.parametrize("span", [(0, 18), (5, 5), (17, 39)])
def test_a_span_is_a_piece_of_the_whole(tmp_path, name, codec, span):
    path = media.write_clip(tmp_path / name, media.scenes(40), codec)
    frames, pts = read(path)
    part, part_pts = read(path, span=span)
    assert np.array_equal(part, frames[span[0] : span[1] + 1])
    assert part_pts == pts[span[0] : span[1] + 1]


def test_a_span_of_pictures_counts_them_in_natural_order(tmp_path):
    for t in range(12):
        cv2.imwrite(str(tmp_path / f"img{t}.png"), media.scene(t)[..., ::-1])
    frames, pts = read(tmp_path, span=(2, 10), images_fps="25")
    assert np.array_equal(frames, np.stack([media.scene(t) for t in range(2, 11)]))
    assert pts == list(range(2, 11))
    assert read(tmp_path, span=(2, 10))[1] is None
    with pytest.raises(InputError, match=r"has the frames 0 to 11, the clip's span ends at 12: correct it in params.yaml"):
        read(tmp_path, span=(3, 12))


@pytest.mark.parametrize("span", [(0, 12), (11, 12), (12, 12), (50, 60)])
def test_a_span_beyond_the_end_is_told(tmp_path, span):
    path = media.write_clip(tmp_path / "a.mp4", media.scenes(12))
    with pytest.raises(InputError, match=rf"a\.mp4 has the frames 0 to 11, the clip's span ends at {span[1]}"):
        read(path, span=span)


def test_what_lies_beside_a_span_does_not_matter(tmp_path):
    """Frames of another size before and after; a file that breaks off later."""
    parts = [media.write_clip(tmp_path / f"{i}.ts", media.scenes(4, *size)) for i, size in enumerate([(48, 64), (32, 48), (48, 64)])]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert read(path, span=(4, 7))[0].shape == (4, 32, 48, 3)
    with pytest.raises(InputError, match="changes its size at frame 8: 48x32 px before, 64x48 after"):
        read(path, span=(4, 8))
    images = [np.random.default_rng(t).integers(0, 256, (64, 96, 3)).astype(np.uint8) for t in range(30)]
    path = media.write_clip(tmp_path / "a.mp4", images, options={"movflags": "+faststart"})
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert np.array_equal(read(path, span=(2, 6))[0], whole[2:7])


def test_reading_is_repeatable_and_leaves_the_file(tmp_path):
    path = media.write_clip(tmp_path / "a.mp4", media.scenes())
    before = path.read_bytes()
    assert np.array_equal(read(path)[0], read(path)[0])
    assert path.read_bytes() == before


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        probe(tmp_path / "no.mp4")


def test_text_renamed(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("Dear reader, this is no video.\n" * 40)
    with pytest.raises(InputError, match=r"a\.mp4 (is not a video|must be a video)"):
        probe(path)


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="is empty"):
        probe(tmp_path / "a.mp4")


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=44100)
        track.codec_context.layout = "mono"
        media._write_sine(container, track, 0.3)
    with pytest.raises(InputError, match="must hold a video stream, found: audio"):
        probe(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_zero_frames(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = media.WIDTH, media.HEIGHT, "yuv420p"
        container.start_encoding()
    with pytest.raises(InputError, match=r"holds no frames|found: nothing"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("fast.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9")],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_truncated(tmp_path, name, codec, share):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(50)]
    options = {"movflags": "+faststart"} if name == "fast.mp4" else None
    path = media.write_clip(tmp_path / name, images, codec, base=Fraction(1, 25), options=options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    wanted = "index is missing" if name == "a.mp4" else r"cut short|damaged|breaks"
    with pytest.raises(InputError, match=wanted):
        read(path)


def test_truncation_names_the_frame(tmp_path):
    images = [np.random.default_rng(t).integers(0, 256, (64, 96, 3)).astype(np.uint8) for t in range(30)]
    path = media.write_clip(tmp_path / "a.mp4", images, options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"after frame \d+|\d+ of 30 frames"):
        read(path)


def test_size_change_in_the_middle(tmp_path):
    parts = []
    for i, size in enumerate([(32, 48), (48, 64)]):
        part = media.write_clip(tmp_path / f"{i}.ts", media.scenes(4, *size))
        parts.append(part.read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    with pytest.raises(InputError, match="changes its size at frame 4: 48x32 px before, 64x48 after"):
        read(path)


def test_images_of_two_sizes(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), media.scene(0))
    cv2.imwrite(str(tmp_path / "b.png"), media.scene(0, 40, 48))
    with pytest.raises(InputError, match=r"b\.png is 48x40 px, a\.png is 48x32"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_image(tmp_path, suffix):
    rng = np.random.default_rng(1)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), rng.integers(0, 256, (64, 64, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=rf"a\.{suffix}"):
        read(tmp_path)


HELD = {  # what EXIF's number has done to an upright picture
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("orientation", HELD)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_photographs_are_turned_upright(tmp_path, suffix, orientation):
    exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, orientation, 0)
    stored = np.ascontiguousarray(HELD[orientation](media.scene(4)))
    options = [cv2.IMWRITE_JPEG_QUALITY, 98] if suffix == "jpg" else []
    kinds = [cv2.IMAGE_METADATA_EXIF]
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwriteWithMetadata(str(path), stored[..., ::-1], kinds, [np.frombuffer(exif, np.uint8)], options)
    frames, _ = read(tmp_path)
    assert frames[0].shape == media.scene(4).shape
    assert np.abs(corners(frames[0]) - corners(media.scene(4))).max() <= 8


def with_profile(png: bytes) -> bytes:
    """A PNG with a colour profile of some name, after its header."""
    chunk = b"iCCP" + b"Display P3\0\0" + zlib.compress(bytes(500))
    return png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


@pytest.mark.parametrize("name", ["folder/a.png", "a.png", "a.apng"])
def test_a_colour_profile_does_no_harm(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    images = [media.scene(t) for t in range(3)]
    if path.suffix == ".apng":
        media.write_clip(path, images, "apng", "rgb24")
    else:
        cv2.imwrite(str(path), images[0][..., ::-1])
    path.write_bytes(with_profile(path.read_bytes()))
    clip, saved = path.parent if name.startswith("folder") else path, tmp_path / "found.npy"
    code = "import sys, numpy as np; from pipeline.video.reading import read_video; import gc; path, saved = sys.argv[1:]; "
    code += "np.save(saved, np.concatenate([b.frames for b in read_video(path)])); gc.collect()"
    # In a process of its own: what went wrong ended Python.
    done = subprocess.run([sys.executable, "-c", code, str(clip), str(saved)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.load(saved)
    assert np.array_equal(found, images[: 3 if path.suffix == ".apng" else 1])


def test_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="folder without images"):
        probe(tmp_path)
