"""A target's frames, mattes and plate at the networks' working size (§4.1.2: "all the frames are resized")."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from pipeline.artifacts.crops import write_crops
from pipeline.artifacts.frames import Frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.store import require_free_bytes
from pipeline.errors import InputError
from pipeline.framing import CropMode, training_crop
from pipeline.geometry import sample_crop
from pipeline.params import Section
from pipeline.progress import Progress

BLOCK_FRAMES = 16
LEAST_FRAMES = 3


class CropParams(Section):
    """Section `crop` of params.yaml."""

    mode: CropMode
    margin: float = Field(ge=1.1, le=4.0)
    size_px: int = Field(ge=32, le=1024, multiple_of=16)


def crop_person(frames_path: Path, mattes_path: Path, keypoints_path: Path, plate_path: Path, out: Path, params: CropParams) -> int:
    """Write crops of all frames, present or not; returns their number.

    Raises InputError when the inputs disagree or fewer than three frames show the subject: a window has three (§3.2).
    """
    frames, mattes, plate = open_frames(frames_path), open_mattes(mattes_path), open_frames(plate_path, kind="plates")
    keypoints = read_keypoints(keypoints_path)
    lengths = {mattes_path: len(mattes), keypoints_path: len(keypoints.points)}
    sizes = {mattes_path: mattes.size_hw, keypoints_path: keypoints.size_hw, plate_path: plate.size_hw}
    stages = {mattes_path: "segment_person", keypoints_path: "estimate_poses", plate_path: "inpaint_background"}
    for path, length in lengths.items():
        if length != len(frames):
            raise InputError(f"{path} has {length} frames, {frames_path} has {len(frames)}. {_remedy(stages[path], path)}")
    for path, size_hw in sizes.items():
        if size_hw != frames.size_hw:
            found = f"{path} is for frames of {size_hw}, {frames_path} has {frames.size_hw} (h, w)"
            raise InputError(f"{found}. {_remedy(stages[path], path)}")
    track = keypoints.track()
    present = track.present
    if present.sum() < LEAST_FRAMES:
        seen = f"found {int(present.sum())} of {len(frames)} in {keypoints_path}"
        raise InputError(f"A target needs at least {LEAST_FRAMES} frames that show the subject, {seen}: use a longer clip.")
    crop = training_crop(track.points, present, params.mode, params.margin, params.size_px, frames.clock.has_time)
    require_free_bytes(out, len(frames) * params.size_px**2 * 7)
    blocks = _blocks(frames, mattes, plate[0], crop, params)
    extra = {"mode": params.mode, "margin": params.margin}
    write_crops(out, blocks, crop, present, frames.clock, params.size_px, frames.size_hw, extra)
    return len(frames)


def _blocks(
    frames: Frames, mattes: Frames, plate: np.ndarray, crop: np.ndarray, params: CropParams
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames, mattes and plates (n s s …) block by block; a fixed crop has one plate, in the first block."""
    size = params.size_px
    with Progress(len(frames), "crop_person") as progress:
        for start, block in frames.blocks(BLOCK_FRAMES):
            rows = crop[start : start + len(block)]
            opaque = mattes[start : start + len(block)]
            seen = rows if params.mode == "follow" else rows[: 1 if start == 0 else 0]
            plates = [sample_crop(plate, row, size) for row in seen]
            yield (
                np.stack([sample_crop(image, row, size) for image, row in zip(block, rows, strict=True)]),
                np.stack([sample_crop(matte, row, size, border="zero") for matte, row in zip(opaque, rows, strict=True)]),
                np.stack(plates) if plates else np.zeros((0, size, size, 3), np.uint8),
            )
            progress.advance(len(block))


def _remedy(stage: str, path: Path) -> str:
    return f"Run: dvc repro {stage}@{Path(path).stem}"
