"""A drawn clip stored as the rooms behind the crop read it; tests of real faces and of local GANs share it."""

from pathlib import Path

import numpy as np

from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.picture.geometry import sample_crop


def store_clip(
    folder: Path, frames: np.ndarray, mattes: np.ndarray, table: Keypoints, row: np.ndarray, crop_hw: tuple[int, int]
) -> dict[str, Path]:
    """Write frames (t h w 3), mattes (t h w) and poses, these as motion too; generated = the frames seen through one crop, row (2 3)."""
    names = {"frames": "zarr", "mattes": "zarr", "generated": "zarr", "keypoints": "parquet", "motion": "parquet"}
    paths = {name: folder / f"{name}.{suffix}" for name, suffix in names.items()}
    t, clock, size_hw = len(frames), table.clock, table.size_hw
    with create_frames(paths["frames"], clock, size_hw) as writer:
        writer.append(frames)
    with create_mattes(paths["mattes"], clock, size_hw) as writer:
        writer.append(mattes)
    small = [np.stack([sample_crop(image, row, crop_hw) for image in stack]) for stack in (frames, mattes)]
    with create_foregrounds(paths["generated"], crop_hw, clock, np.repeat(row[None], t, 0), np.ones(t, bool), size_hw) as writer:
        writer.append(*small)
    write_keypoints(paths["keypoints"], table)
    write_keypoints(paths["motion"], table, kind="motions")
    return paths
