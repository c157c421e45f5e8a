"""Laws of writing video: the given timestamps, honest colours and tags, the driver's sound, whole or refused."""

import io
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.video.clock import Clock
from pipeline.video.reading import probe, read_video
from pipeline.video.sound import extract_sound
from pipeline.video.writing import write_video

TAGS = {"title": "Generated video", "comment": "not real"}
SOUNDS = [
    ("a.mp4", "libx264", "aac", "aac"),
    ("a.mov", "libx264", "pcm_s16le", "aac"),
    ("a.mkv", "libx264", "flac", "flac"),
    ("a.webm", "libvpx-vp9", "libopus", "opus"),
    ("a.avi", "mpeg4", "libmp3lame", "mp3"),
    ("a.ts", "libx264", "aac", "aac"),
]


def write(path, images, clock, crf=4, **options):
    with write_video(path, images[0].shape[:2], clock, crf, "veryfast", TAGS, **options) as video:
        video.append(np.stack(images))
    return path


@pytest.mark.parametrize("stamps", [list(range(0, 12 * 1001, 1001)), [0, 7, 8, 100, 101, 2000], [900, 1000, 1100], [5]])
def test_timestamps_are_the_clocks(tmp_path, stamps):
    clock = Clock("30000/1001", "1/30000", tuple(stamps))
    path = write(tmp_path / "a.mp4", media.scenes(len(stamps)), clock)
    assert media.seconds_of(path) == [Fraction(s, 30000) for s in stamps]


@pytest.mark.parametrize("base", ["1001/30000", "1/1000", "1/90000", "1/1000000"])
def test_time_bases(tmp_path, base):
    clock = Clock("30/1", base, (3, 44, 60, 61))
    path = write(tmp_path / "a.mp4", media.scenes(4), clock)
    assert media.seconds_of(path) == [p * Fraction(base) for p in clock.pts]


def test_colours_survive_and_are_tagged(tmp_path):
    path = write(tmp_path / "a.mp4", media.scenes(), Clock.regular("25", media.FRAMES))
    frames = next(read_video(path)).frames
    for y, x in ((8, 12), (8, 36), (24, 12), (24, 36)):
        assert np.abs(frames[5, y, x].astype(int) - media.scene(5)[y, x]).max() <= 4
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
        assert frame.format.name == "yuv420p"
        assert {k: container.metadata[k] for k in TAGS} == TAGS
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    assert b"colrnclx\0\1\0\1\0\1" in head  # the container's tag, for players that look no further


def test_odd_sizes_are_padded_by_their_edge(tmp_path):
    path = write(tmp_path / "a.mp4", media.scenes(2, 33, 47), Clock.regular("25", 2))
    frames = next(read_video(path)).frames
    assert frames.shape == (2, 34, 48, 3)
    assert np.abs(frames[1, 33].astype(int) - frames[1, 32]).max() <= 12


@pytest.mark.parametrize(("name", "codec", "sound", "carried"), SOUNDS)
def test_sound_is_carried(tmp_path, name, codec, sound, carried):
    source = media.write_clip(tmp_path / name, media.scenes(30), codec, sound=sound, sound_s=1.0)
    info = probe(source)
    pts = [p for block in read_video(source) for p in block.pts]
    kept = extract_sound(source)
    path = write(tmp_path / "out.mp4", media.scenes(30), Clock(info.fps, info.time_base, tuple(pts)), sound=kept)
    assert probe(path).audio == carried
    before, after = media.sound_of(source), media.sound_of(path)
    assert abs(len(before) - len(after)) <= 2 * 1152
    assert 0.5 < after[8000:30000].std() / before[8000:30000].std() < 2
    rate = np.argmax(np.abs(np.fft.rfft(after[8000:30000]))) * 44100 / 22000
    assert rate == pytest.approx(440, abs=4)
    with av.open(str(source)) as a, av.open(str(path)) as b:
        lag = [float(c.streams.audio[0].start_time * c.streams.audio[0].time_base) for c in (a, b)]
        first = float(a.start_time / av.time_base) if name.endswith("ts") else 0.0
    assert lag[1] == pytest.approx(lag[0] - first, abs=0.03)


def without_sound(path: Path, start: float, stop: float) -> Path:
    """A copy of a file that lacks the packets of sound from start to stop (s), as a broadcast whose reception broke off."""
    lacking = path.with_stem("lacking")
    with av.open(str(path)) as source, av.open(str(lacking), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in source.streams]
        first = float((source.start_time or 0) / av.time_base)
        for packet in source.demux():
            lost = packet.stream.type == "audio" and packet.pts is not None and start <= float(packet.pts * packet.time_base) - first < stop
            if packet.dts is not None and not lost:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return lacking


def sound_ends_s(sound: bytes) -> float:
    with av.open(io.BytesIO(sound)) as container:
        return max(float((frame.pts + frame.samples) * frame.time_base) for frame in container.decode(audio=0))


@pytest.mark.parametrize(("name", "sound", "heard"), [("a.ts", "mp2", None), ("a.mp4", "aac", (Fraction(0), Fraction(9)))])
def test_sound_behind_a_gap_keeps_its_time(tmp_path, name, sound, heard):
    whole = media.write_clip(tmp_path / name, media.scenes(60), sound=sound, sound_s=2.0)
    lacking = without_sound(whole, 0.4, 1.0)
    assert sound_ends_s(extract_sound(lacking, heard)) == pytest.approx(sound_ends_s(extract_sound(whole, heard)), abs=0.03)
@pytest.mark.parametrize("sound", ["aac", "mp2"])
def test_sound_of_joined_recordings_goes_on(tmp_path, sound):
    part = media.write_clip(tmp_path / "a.ts", media.scenes(60), sound=sound, sound_s=2.0)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    (tmp_path / "sound.mp4").write_bytes(extract_sound(joined))
    assert len(media.sound_of(tmp_path / "sound.mp4")) / 44100 == pytest.approx(4.0, abs=0.12)


def test_silence_and_images_have_no_sound(tmp_path):
    assert extract_sound(media.write_clip(tmp_path / "a.mp4", media.scenes(2))) is None
    assert extract_sound(tmp_path) is None


def test_extracted_sound_is_the_same_bytes_each_time(tmp_path):
    path = media.write_clip(tmp_path / "a.mkv", media.scenes(), sound="pcm_s16le")
    assert extract_sound(path) == extract_sound(path)


def test_frames_must_match_the_clock(tmp_path):
    with pytest.raises(ValueError, match="2 frames written, the clock has 3"):
        write(tmp_path / "a.mp4", media.scenes(2), Clock.regular("25", 3))
    with pytest.raises(ValueError, match="expected 1 frames"):
        write(tmp_path / "a.mp4", media.scenes(2), Clock.regular("25", 1))


def test_input_is_unchanged(tmp_path):
    images = media.scenes(3, 33, 47)
    write(tmp_path / "a.mp4", images, Clock.regular("25", 3))
    assert all(np.array_equal(image, media.scene(t, 33, 47)) for t, image in enumerate(images))


def test_a_full_disk_is_one_clear_line(tmp_path):
    script = f"""
import resource, numpy as np
from pathlib import Path
from pipeline.video.clock import Clock
from pipeline.video.writing import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
with write_video(Path({str(tmp_path / "a.mp4")!r}), (128, 128), Clock.regular("25", 60), 10, "veryfast", {{}}) as video:
    for _ in range(60):
        video.append(rng.integers(0, 256, (1, 128, 128, 3)).astype(np.uint8))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "InputError" in run.stderr
    assert "could not be written" in run.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20000
    assert InputError.__name__ in run.stderr.splitlines()[-1]
