"""Foregrounds: what the generator made, straight colour and matte at the working size, and where it belongs."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.store import ArrayReader, ArrayWriter, create_group, open_group, read_array, readable, write_array
from pipeline.clock import Clock

REMEDY = "Run: dvc repro generate_foreground"


@dataclass(frozen=True)
class Foregrounds:
    """rgb (t h w 3), matte (t h w) uint8 of crop_hw, straight colour; crop (t 2 3) float64 full → crop; present (t) bool.

    Size and rows are the foreground's own: whoever reads it maps through them, whatever the size of the target's crops.
    """

    rgb: ArrayReader
    matte: ArrayReader
    crop: np.ndarray
    present: np.ndarray
    clock: Clock
    crop_hw: tuple[int, int]
    size_hw: tuple[int, int]
    attributes: dict[str, Any]

    def __len__(self) -> int:
        return len(self.rgb)


class ForegroundWriter:
    """Appends generated frames to a foregrounds artifact."""

    def __init__(self, rgb: ArrayWriter, matte: ArrayWriter) -> None:
        self._rgb, self._matte = rgb, matte

    def append(self, rgb: np.ndarray, matte: np.ndarray) -> None:
        """Add rgb (n h w 3) and matte (n h w), uint8."""
        self._rgb.append(rgb)
        self._matte.append(matte)

    def flush(self) -> int:
        """Write what is buffered; returns the number of frames."""
        self._rgb.flush()
        self._matte.flush()
        if self._rgb.length != self._matte.length:
            raise ValueError(f"{self._rgb.length} frames and {self._matte.length} mattes")
        return self._rgb.length


@contextlib.contextmanager
def create_foregrounds(
    path: str | os.PathLike[str],
    crop_hw: tuple[int, int],
    clock: Clock,
    crop: np.ndarray,
    present: np.ndarray,
    size_hw: tuple[int, int],
    extra: dict[str, Any] | None = None,
) -> Iterator[ForegroundWriter]:
    """Publish foregrounds block by block; crop (t 2 3) and present (t) are known beforehand; size_hw is the full frame's."""
    attributes = {**clock.to_attributes(), "crop_hw": list(crop_hw), "size_hw": list(size_hw), **(extra or {})}
    with create_group(path, "foregrounds", attributes) as group:
        writer = ForegroundWriter(
            ArrayWriter(group, "rgb", (*crop_hw, 3), "uint8"), ArrayWriter(group, "matte", crop_hw, "uint8")
        )
        yield writer
        length = writer.flush()
        if not length == len(crop) == len(present):
            raise ValueError(f"{length} frames, {len(crop)} crop rows, {len(present)} flags")
        write_array(group, "crop", np.asarray(crop, np.float64))
        write_array(group, "present", np.asarray(present, np.uint8))


def open_foregrounds(path: str | os.PathLike[str]) -> Foregrounds:
    """Open foregrounds; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("foregrounds",), REMEDY)
    with readable(path, "foregrounds artifact", REMEDY):
        read = {name: read_array(group, name, path, REMEDY) for name in ("rgb", "matte", "crop", "present")}
        return Foregrounds(
            rgb=read["rgb"],
            matte=read["matte"],
            crop=read["crop"][:],
            present=read["present"][:].astype(bool),
            clock=Clock.from_attributes(attributes),
            crop_hw=(int(attributes["crop_hw"][0]), int(attributes["crop_hw"][1])),
            size_hw=(int(attributes["size_hw"][0]), int(attributes["size_hw"][1])),
            attributes=attributes,
        )
