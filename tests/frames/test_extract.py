"""Laws of extracting frames: whole or absent, byte-equal each time, memory that does not grow."""

import gc
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import media
import numpy as np
import pytest

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.sounds import read_sound
from pipeline.artifacts.store import remove
from pipeline.errors import InputError
from pipeline.frames.extract import FramesParams, extract_frames, read_span

PARAMS = FramesParams(max_height_px=None, images_fps=None, bits=None, layout="video")


def test_frames_clock_and_sound(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(), sound="aac")
    assert extract_frames(clip, tmp_path / "a.zarr", PARAMS) == media.FRAMES
    frames = open_frames(tmp_path / "a.zarr")
    assert frames.shape == (media.FRAMES, media.HEIGHT, media.WIDTH, 3)
    assert frames.size_hw == (media.HEIGHT, media.WIDTH)
    assert frames.clock.fps == "30000/1001"
    stamps = [p * Fraction(frames.clock.time_base) for p in frames.clock.pts]
    assert stamps == media.seconds_of(clip)
    assert len(read_sound(tmp_path / "a.zarr")) > 1000


@pytest.mark.parametrize("n", [1, 2, 16, 17])
def test_short_clips_and_block_borders(tmp_path, n):
    clip = media.write_clip(tmp_path / "a.mkv", media.scenes(n), "ffv1", "yuv444p")
    assert extract_frames(clip, tmp_path / "a.zarr", PARAMS) == n
    last = open_frames(tmp_path / "a.zarr")[n - 1]
    assert np.abs(last.astype(int) - media.scene(n - 1)).max() <= 3
    assert read_sound(tmp_path / "a.zarr") is None


def test_equal_bytes_each_time(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(), sound="aac")
    contents = []
    for _ in range(2):
        extract_frames(clip, tmp_path / "a.zarr", PARAMS)
        contents.append({p.relative_to(tmp_path): p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()})
        remove(tmp_path / "a.zarr")
    assert contents[0] == contents[1]


def test_height_cap(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(2, 64, 90))
    extract_frames(clip, tmp_path / "a.zarr", FramesParams(max_height_px=32, images_fps=None, bits=None, layout="video"))
    assert open_frames(tmp_path / "a.zarr").size_hw == (32, 45)


def test_what_a_user_should_know_of_the_footage_is_a_warning(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), media.scene(9)[..., ::-1].astype(np.uint16) * 16)
    extract_frames(folder, tmp_path / "a.zarr", PARAMS)
    assert open_frames(tmp_path / "a.zarr")[0].max() < 16
    assert f"warning: {folder} has 16-bit pictures whose brightest value is 3200" in capsys.readouterr().err
    extract_frames(folder, tmp_path / "b.zarr", FramesParams(max_height_px=None, images_fps=None, bits=12, layout="video"))
    assert open_frames(tmp_path / "b.zarr")[0].max() > 190
    assert "warning" not in capsys.readouterr().err


def test_a_span_starts_at_zero_and_keeps_its_steps(tmp_path):
    clip = media.write_clip(tmp_path / "vfr.mp4", media.scenes(7), pts=[300, 310, 315, 340, 341, 390, 400], base=Fraction(1, 600))
    extract_frames(clip, tmp_path / "whole.zarr", PARAMS)
    assert extract_frames(clip, tmp_path / "a.zarr", PARAMS, (2, 5)) == 4
    whole, frames = open_frames(tmp_path / "whole.zarr"), open_frames(tmp_path / "a.zarr")
    assert np.array_equal(frames[0:4], whole[2:6])
    assert frames.clock.pts == tuple(stamp - whole.clock.pts[2] for stamp in whole.clock.pts[2:6])
    assert frames.attributes["span"] == [2, 5]
    assert "span" not in whole.attributes


def test_a_span_of_pictures_keeps_their_names_and_starts_at_zero(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for t in range(6):
        cv2.imwrite(str(folder / f"{t}.png"), media.scene(t)[..., ::-1])
    extract_frames(folder, tmp_path / "a.zarr", FramesParams(max_height_px=None, images_fps="25", bits=None, layout="video"), (2, 4))
    frames = open_frames(tmp_path / "a.zarr")
    assert frames.attributes["images"] == ["2.png", "3.png", "4.png"]
    assert frames.clock.seconds().tolist() == [0, 0.04, 0.08]


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.mov", "pcm_s16le", 44100), ("a.mp4", "aac", 48000), ("a.mkv", "flac", 44100)])
@pytest.mark.parametrize("start_frame", [0, 10, 23])
def test_the_sound_of_a_span_keeps_step_with_its_frames(tmp_path, name, codec, rate, start_frame):
    """Clicks at 0.2 s, 0.6 s and 1.2 s of 2 s; of frames 10 to 39 at 25 a second, that is 0.4 to 1.6 s, two are heard."""
    clip = _write_clicks(tmp_path / name, codec, rate, (0.2, 0.6, 1.2), 2.0)
    extract_frames(clip, tmp_path / "a.zarr", PARAMS, (start_frame, 39))
    (tmp_path / "sound.mp4").write_bytes(read_sound(tmp_path / "a.zarr"))
    samples = np.abs(media.sound_of(tmp_path / "sound.mp4"))
    start = start_frame / 25
    assert len(samples) / 44100 == pytest.approx(1.6 - start, abs=0.025)  # a packet of AAC is 0.021 s
    for click in (0.2, 0.6, 1.2):
        heard = samples[round((click - start - 0.01) * 44100) : round((click - start + 0.01) * 44100)] if click > start else samples[:0]
        assert (heard.max(initial=0) > 0.2) == (click > start)
    quiet = samples[[t for t in range(len(samples)) if all(abs(t / 44100 + start - click) > 0.02 for click in (0.2, 0.6, 1.2))]]
    assert quiet.max() < 0.05


def test_a_span_in_which_nothing_is_heard_is_silent(tmp_path):
    clip = media.write_clip(tmp_path / "a.mov", media.scenes(40), sound="pcm_s16le", sound_s=0.5)
    extract_frames(clip, tmp_path / "a.zarr", PARAMS, (20, 39))
    assert read_sound(tmp_path / "a.zarr") is None


def _write_clicks(path: Path, codec: str, rate: int, clicks: Sequence[float], seconds: float) -> Path:
    """A clip of 25 frames a second whose sound is silence but for clicks of 4 ms."""
    wave = np.zeros(round(seconds * rate), np.int16)
    for click in clicks:
        wave[round(click * rate) : round((click + 0.004) * rate)] = 20000
    with av.open(str(path), "w") as container:
        video, track = container.add_stream("libx264", rate=25), container.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = media.WIDTH, media.HEIGHT, "yuv420p"
        track.codec_context.layout = "mono"
        for t in range(round(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(media.scene(t), format="rgb24")
            frame.pts, frame.time_base = t, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=track.codec_context.format.name, layout="mono", rate=rate, frame_size=1024)
        for part in [*resampler.resample(sound), *resampler.resample(None)]:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    return path


@pytest.mark.parametrize("entry", ["[3, 2]", "[-1, 4]", "[1]", "[1, 2, 3]", "[0.5, 2]", "[true, 2]", "5", "{a: 1}", "[1, null]", "'1-2'"])
def test_a_span_that_is_none_is_told_with_its_place(tmp_path, entry):
    (tmp_path / "params.yaml").write_text(f"clips: {{ana: {{video: a.mp4, span: {entry}}}}}\n")
    with pytest.raises(InputError, match=r"params\.yaml: clips\.ana\.span must be .*\[first, last\] counted from 0, found "):
        read_span(tmp_path / "params.yaml", "ana")


def test_a_span_is_read_from_its_clip(tmp_path):
    (tmp_path / "params.yaml").write_text("clips: {ana: {span: [0, 0]}, ben: {span: [3, 70]}, eve: {video: a.mp4}, bob: {span: null}}\n")
    assert [read_span(tmp_path / "params.yaml", clip) for clip in ("ana", "ben", "eve", "bob")] == [(0, 0), (3, 70), None, None]


def test_the_door_takes_the_span_of_its_clip(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(9))
    entries = f"ana: {{video: {clip}, span: [4, 7]}}, ben: {{video: {clip}, span: [4, 9]}}"
    params = f"frames: {{max_height_px: null, images_fps: null, bits: null, layout: video}}\nclips: {{{entries}}}\n"
    (tmp_path / "params.yaml").write_text(params)
    command = [sys.executable, "-m", "stages.extract_frames", "--params", tmp_path / "params.yaml"]
    subprocess.run([*command, "--clip", "ana", "--out", tmp_path / "ana.zarr"], check=True)
    assert len(open_frames(tmp_path / "ana.zarr")) == 4
    done = subprocess.run([*command, "--clip", "ben", "--out", tmp_path / "ben.zarr"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "a.mp4 has the frames 0 to 8, the clip's span ends at 9: correct it in params.yaml." in done.stderr
    assert not (tmp_path / "ben.zarr").exists()


def test_images_without_and_with_time(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for t in range(3):
        cv2.imwrite(str(folder / f"{t}.png"), media.scene(t)[..., ::-1])
    extract_frames(folder, tmp_path / "a.zarr", PARAMS)
    assert not open_frames(tmp_path / "a.zarr").clock.has_time
    extract_frames(folder, tmp_path / "a.zarr", FramesParams(max_height_px=None, images_fps="25/2", bits=None, layout="video"))
    assert open_frames(tmp_path / "a.zarr").clock.seconds().tolist() == [0, 0.08, 0.16]


def test_truncated_leaves_nothing(tmp_path):
    images = [np.random.default_rng(t).integers(0, 256, (64, 96, 3)).astype(np.uint8) for t in range(30)]
    clip = media.write_clip(tmp_path / "a.mp4", images, options={"movflags": "+faststart"})
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.mp4 .*(cut short|damaged|breaks)"):
        extract_frames(clip, tmp_path / "out" / "a.zarr", PARAMS)
    assert not list((tmp_path / "out").iterdir())


def test_a_failed_run_keeps_the_old_artifact(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(3))
    extract_frames(clip, tmp_path / "a.zarr", PARAMS)
    clip.write_bytes(b"no video" * 100)
    with pytest.raises(InputError, match=r"not a video|must be a video"):
        extract_frames(clip, tmp_path / "a.zarr", PARAMS)
    assert len(open_frames(tmp_path / "a.zarr")) == 3


def test_refuses_before_writing_when_the_disk_is_short(tmp_path, monkeypatch):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes(3))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(InputError, match="make room"):
        extract_frames(clip, tmp_path / "out" / "a.zarr", PARAMS)
    assert not (tmp_path / "out").exists()


def test_door_writes_whole_or_nothing_when_the_disk_is_full(tmp_path):
    images = [np.random.default_rng(t).integers(0, 256, (64, 96, 3)).astype(np.uint8) for t in range(40)]
    clip = media.write_clip(tmp_path / "a.mkv", images, "ffv1", "yuv444p")
    entries = f"ana: {{video: {clip}}}"
    frames = "{max_height_px: null, images_fps: null, bits: null, layout: video}"
    (tmp_path / "params.yaml").write_text(f"frames: {frames}\nclips: {{{entries}}}\n")
    door = ["-m", "stages.extract_frames", "--clip", "ana", "--out", tmp_path / "a.zarr", "--params", tmp_path / "params.yaml"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    run = subprocess.run([sys.executable, *map(str, door)], capture_output=True, text=True, check=False, preexec_fn=limit)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error:")
    assert not (tmp_path / "a.zarr").exists()
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name]


class Drawn(Sequence):
    """Frames of 720p, drawn when asked for."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, t: int) -> np.ndarray:
        if t >= self._length:
            raise IndexError(t)
        return media.scene(t, 720, 1280)


def test_no_frame_stays_until_cycles_are_looked_for(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", media.scenes())
    gc.collect()
    gc.disable()
    try:
        extract_frames(clip, tmp_path / "a.zarr", PARAMS)
        assert not [o for o in gc.get_objects() if isinstance(o, av.VideoFrame)]
    finally:
        gc.enable()


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    script = """
import json, resource, sys
from pathlib import Path
from pipeline.frames.extract import FramesParams, extract_frames
n = extract_frames(Path(sys.argv[1]), Path(sys.argv[2]), FramesParams(max_height_px=None, images_fps=None, bits=None, layout="video"))
print(json.dumps([n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
    peaks = []
    for n in (150, 1500):
        clip = media.write_clip(tmp_path / f"{n}.mp4", Drawn(n))
        command = [sys.executable, "-c", script, str(clip), str(tmp_path / "a.zarr")]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        length, peak = json.loads(run.stdout.splitlines()[-1])
        assert length == n
        peaks.append(peak)
    assert peaks[1] < 1.15 * peaks[0] + 50
    assert peaks[1] < 2000
