"""The door: motion and preview from files, overrides."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from figure import Figure, Motion, human, static_background, truth

from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.errors import InputError
from stages.retarget_motion import main

PARAMS = """
split: {hold_out_fraction: 0.2}
pairs: {a-to-b: {motion: {method: none}}}
motion: {method: bone_ratio, score_threshold: 0.3, limb_percentile: 90, ratio_limit: 2.0, min_frames: 5, median_frac: 0.7,
  symmetric: true, lean: match, sides: match, head: match, depth_range: 0.1, smoothing_frames: 7, contact_speed: 0.15, drift_seconds: 4.0,
  keep_within: frame, room: 1.2, unseen: mean}
"""


def make_clip(folder: Path, name: str, figure: Figure, t: int) -> None:
    size = (128, 96)
    points = figure.points(t, (48, 118), Motion())
    keypoints = truth(points, figure.joints, human(), size)
    write_keypoints(folder / f"{name}.parquet", keypoints)
    with create_frames(folder / f"{name}.zarr", keypoints.clock, size) as frames:
        frames.append(figure.render(points, static_background(size))[0])


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> None:
    (folder / "params.yaml").write_text(PARAMS)
    paths = {"driver-keypoints": "a.parquet", "keypoints": "b.parquet", "driver-frames": "a.zarr", "frames": "b.zarr"}
    paths |= {"out": "m.parquet", "sheet": "m.png", "params": "params.yaml"}
    options = [part for name, path in paths.items() for part in (f"--{name}", str(folder / path))]
    monkeypatch.setattr("sys.argv", ["retarget_motion", *options, *more])
    main()


def test_the_door(tmp_path, monkeypatch):
    make_clip(tmp_path, "a", Figure(100), 30)
    make_clip(tmp_path, "b", Figure(80, {"thigh": 0.8}), 20)
    run(monkeypatch, tmp_path, "--time", str(tmp_path / "time.json"))
    assert (tmp_path / "time.json").is_file()
    motion = read_keypoints(tmp_path / "m.parquet", kind="motions")
    assert len(motion.points) == 30
    assert motion.attributes["retargeting"]["method"] == "bone_ratio"
    sheet = cv2.imread(str(tmp_path / "m.png"))
    assert sheet is not None
    assert sheet.shape[1] > 1000
    assert (tmp_path / "m.png").stat().st_size < 1_000_000
    first = [(tmp_path / name).read_bytes() for name in ("m.parquet", "m.png")]

    run(monkeypatch, tmp_path)
    assert first == [(tmp_path / name).read_bytes() for name in ("m.parquet", "m.png")]

    run(monkeypatch, tmp_path, "--pair", "a-to-b")
    copied = read_keypoints(tmp_path / "m.parquet", kind="motions").points
    assert np.array_equal(copied, read_keypoints(tmp_path / "a.parquet").points, equal_nan=True)

    (tmp_path / "b.parquet").unlink()
    with pytest.raises(InputError, match=r"b\.parquet does not exist"):
        run(monkeypatch, tmp_path)
