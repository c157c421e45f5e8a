"""Crops: a target's frames, mattes and plate at the networks' working size, and the map that made them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.source import IN_MEMORY, Source
from pipeline.artifacts.store import (
    PICTURES,
    ArrayReader,
    ArrayWriter,
    create_group,
    open_group,
    read_array,
    read_size,
    readable,
    require_array,
    write_array,
)
from pipeline.video.clock import Clock

REMEDY = "Run: dvc repro crop_person"


@dataclass(frozen=True)
class Crops:
    """frames (t h w 3), mattes (t h w), plate (1 h w 3) or (t h w 3) uint8 of crop_hw; crop (t 2 3) float64 full → crop; present (t) bool.

    The plate is the training-only plate seen through the crop, per frame where the crop follows the subject.
    """

    frames: ArrayReader
    mattes: ArrayReader
    plate: np.ndarray | ArrayReader
    crop: np.ndarray
    present: np.ndarray
    clock: Clock
    crop_hw: tuple[int, int]
    size_hw: tuple[int, int]
    attributes: dict[str, Any]
    source: Source = IN_MEMORY["crops"]

    def __len__(self) -> int:
        return len(self.frames)

    def plate_at(self, t: int) -> np.ndarray:
        """The plate (h w 3) behind frame t."""
        return self.plate[0] if len(self.plate) == 1 else self.plate[t]


def write_crops(
    path: str | os.PathLike[str],
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    crop: np.ndarray,
    present: np.ndarray,
    clock: Clock,
    crop_hw: tuple[int, int],
    size_hw: tuple[int, int],
    extra: dict[str, Any] | None = None,
) -> None:
    """Publish crops from blocks of (frames (n h w 3), mattes (n h w), plates (m h w 3)) uint8.

    m = n where the crop follows; with a fixed crop the first block carries one plate and the others none (m = 0).
    crop_hw is theirs, size_hw the full frame's.
    """
    attributes = {**clock.to_attributes(), "crop_hw": list(crop_hw), "size_hw": list(size_hw), **(extra or {})}
    with create_group(path, "crops", attributes) as group:
        frames = ArrayWriter(group, "frames", (*crop_hw, 3), "uint8")
        mattes = ArrayWriter(group, "mattes", crop_hw, "uint8")
        plates = ArrayWriter(group, "plate", (*crop_hw, 3), "uint8", ("plate_time", *PICTURES[1:]))
        for frame_block, matte_block, plate_block in blocks:
            frames.append(frame_block)
            mattes.append(matte_block)
            plates.append(plate_block)
        for writer in (frames, mattes, plates):
            writer.flush()
        if not len(crop) == len(present) == frames.length == mattes.length:
            raise ValueError(f"{frames.length} frames, {mattes.length} mattes, {len(crop)} crop rows, {len(present)} flags")
        write_array(group, "crop", np.asarray(crop, np.float64), ("time", "row", "column"))
        write_array(group, "present", np.asarray(present, np.uint8), ("time",))


def open_crops(path: str | os.PathLike[str]) -> Crops:
    """Open crops; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("crops",), REMEDY)
    with readable(path, "crops artifact", REMEDY):
        read = {name: read_array(group, name, path, REMEDY) for name in ("frames", "mattes", "plate", "crop", "present")}
        crops = Crops(
            frames=read["frames"],
            mattes=read["mattes"],
            plate=read["plate"],
            crop=read["crop"][:],
            present=read["present"][:].astype(bool),
            clock=Clock.from_attributes(attributes),
            crop_hw=read_size(attributes, "crop_hw"),
            size_hw=read_size(attributes, "size_hw"),
            attributes=attributes,
            source=Source.of(path, "crops", "crop_person"),
        )
        t = len(crops)
        require_array("frames", read["frames"], (t, *crops.crop_hw, 3), "uint8")
        require_array("mattes", read["mattes"], (t, *crops.crop_hw), "uint8")
        require_array("plate", read["plate"], (t if len(read["plate"]) != 1 else 1, *crops.crop_hw, 3), "uint8")
        require_array("crop", crops.crop, (t, 2, 3), "float64")
        require_array("present", crops.present, (t,), "bool")
        crops.clock.require_frames(t)
        return crops
