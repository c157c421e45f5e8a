"""The plate of somebody who never moves, filled by DeepFill v2."""

from pathlib import Path

import numpy as np
import pytest
from background.test_inpaint import opened
from figure import static_background
from filled import write_deepfill

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.background.backends.deepfill import load
from pipeline.background.inpaint import BackgroundParams, inpaint_background
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.errors import InputError
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

PARAMS = BackgroundParams(reveal="temporal_median", max_samples=5, dilate_share=0.0, min_samples=1, fill="deepfill")
STICK = Skeleton("stick", ("top", "foot"), "top", (Limb("top", "foot", (255, 0, 0), 1.0, True),), (), {}, (), ())


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Six frames (48 64) of one still person: frames, mattes, keypoints."""
    clock = Clock.regular("25", 6)
    frames = np.repeat(static_background((48, 64), seed=9)[None], 6, axis=0).astype(np.uint8)
    mattes = np.zeros((6, 48, 64), np.uint8)
    mattes[:, 10:40, 25:40] = 255
    frames[mattes > 0] = (200, 20, 20)
    paths = tmp_path / "ana.zarr", tmp_path / "m" / "ana.zarr", tmp_path / "ana.parquet"
    with create_frames(paths[0], clock, (48, 64)) as writer:
        writer.append(frames)
    with create_mattes(paths[1], clock, (48, 64)) as writer:
        writer.append(mattes)
    points = np.tile(np.array([[32, 12], [32, 38]], np.float32), (6, 1, 1, 1))
    ones = np.ones((6, 1, 2))
    write_keypoints(paths[2], Keypoints(points, ones.astype(np.float32), ones.astype(np.uint8), STICK, clock, (48, 64), 0))
    return paths


def test_the_network_paints_the_hole_of_the_plate(clip, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    write_deepfill(folder, "tf")
    report = inpaint_background(opened(clip, folder), PARAMS, SplitParams(hold_out_fraction=0.2), tmp_path / "plate.zarr")
    plate, frame = open_frames(tmp_path / "plate.zarr", kind="plates")[0], open_frames(clip[0])[0]
    hole = np.zeros((48, 64), bool)
    hole[10:40, 25:40] = True
    assert report["filled_share"] == round(float(hole.mean()), 6)
    assert (plate == load(folder)(frame, hole)).all()
    assert (plate[hole] != frame[hole]).any(axis=1).mean() > 0.95


def test_without_its_network_it_says_what_to_run(clip, tmp_path):
    with pytest.raises(InputError, match=r"deepfill needs its network: .* Run: dvc repro fetch_fill_weights"):
        inpaint_background(opened(clip, None), PARAMS, SplitParams(hold_out_fraction=0.2), tmp_path / "plate.zarr")
    with pytest.raises(InputError, match=r"must hold one \.pth file"):
        inpaint_background(opened(clip, tmp_path / "empty"), PARAMS, SplitParams(hold_out_fraction=0.2), tmp_path / "plate.zarr")
    assert not (tmp_path / "plate.zarr").exists()
