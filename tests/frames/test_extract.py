"""Laws of extracting frames: whole or absent, byte-equal each time, memory that does not grow."""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction

import cv2
import media
import numpy as np
import pytest

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.sounds import read_sound
from pipeline.artifacts.store import remove
from pipeline.errors import InputError
from pipeline.frames.extract import FramesParams, extract_frames

PARAMS = FramesParams(max_height_px=None, images_fps=None)


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
    extract_frames(clip, tmp_path / "a.zarr", FramesParams(max_height_px=32, images_fps=None))
    assert open_frames(tmp_path / "a.zarr").size_hw == (32, 45)


def test_images_without_and_with_time(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for t in range(3):
        cv2.imwrite(str(folder / f"{t}.png"), media.scene(t)[..., ::-1])
    extract_frames(folder, tmp_path / "a.zarr", PARAMS)
    assert not open_frames(tmp_path / "a.zarr").clock.has_time
    extract_frames(folder, tmp_path / "a.zarr", FramesParams(max_height_px=None, images_fps="25/2"))
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
    (tmp_path / "params.yaml").write_text("frames: {max_height_px: null, images_fps: null}\n")
    door = ["-m", "stages.extract_frames", "--video", clip, "--out", tmp_path / "a.zarr", "--params", tmp_path / "params.yaml"]
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


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    script = """
import json, resource, sys
from pathlib import Path
from pipeline.frames.extract import FramesParams, extract_frames
n = extract_frames(Path(sys.argv[1]), Path(sys.argv[2]), FramesParams(max_height_px=None, images_fps=None))
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
