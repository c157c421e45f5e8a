"""Foregrounds: what the generator made, straight colour and matte at the working size, and where it belongs."""

import contextlib
import os
from collections.abc import Iterator
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

REMEDY = "Run: dvc repro generate_foreground"


@dataclass(frozen=True)
class CarriedFields:
    """What a generator says of the references that it saw, at the working size, frame by frame.

    base_rgb (t h w 3) and base_matte (t h w) uint8: the picture without the references' detail; detail (t h w) uint8: how far its
    detail is trusted, 255 = wholly; flow (t h w 2) int16: correction of the warp, (x, y) in 1 / FLOW_STEPS of a working px: at p is
    seen what the warp shows at p + flow; reference (t) int64: rank in the target's references, -1 where none was seen. first_share
    (t h w) uint8: where it shows what the picture does, and not a ball that lay over it nor the end of a limb that the second shows
    nearer; second_share (t h w) uint8: how far detail is taken from a second reference, of rank second (t), with a second_flow, since
    the first does not show that part of the body, or less nearly.
    """

    base_rgb: ArrayReader
    base_matte: ArrayReader
    detail: ArrayReader
    first_share: ArrayReader
    flow: ArrayReader
    second_share: ArrayReader
    second_flow: ArrayReader
    reference: np.ndarray
    second: np.ndarray


SHARES, FLOWS, RANKS = ("base_matte", "detail", "first_share", "second_share"), ("flow", "second_flow"), ("reference", "second")
FLOW_STEPS = 64
FLOW_LIMIT = np.iinfo(np.int16).max


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
    carried: CarriedFields | None = None
    source: Source = IN_MEMORY["foregrounds"]

    def __len__(self) -> int:
        return len(self.rgb)


class ForegroundWriter:
    """Appends generated frames to a foregrounds artifact."""

    def __init__(self, arrays: dict[str, ArrayWriter]) -> None:
        self._arrays = arrays

    def append(self, rgb: np.ndarray, matte: np.ndarray, **fields: np.ndarray) -> None:
        """Add rgb (n h w 3) and matte (n h w), uint8, and the arrays of CarriedFields by name where the artifact has them."""
        for name, block in {"rgb": rgb, "matte": matte, **fields}.items():
            self._arrays[name].append(block)

    def flush(self) -> int:
        """Write what is buffered; returns the number of frames."""
        for array in self._arrays.values():
            array.flush()
        lengths = {name: array.length for name, array in self._arrays.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"arrays of unequal length: {lengths}")
        return lengths["rgb"]


@contextlib.contextmanager
def create_foregrounds(
    path: str | os.PathLike[str],
    crop_hw: tuple[int, int],
    clock: Clock,
    crop: np.ndarray,
    present: np.ndarray,
    size_hw: tuple[int, int],
    extra: dict[str, Any] | None = None,
    references: np.ndarray | None = None,
) -> Iterator[ForegroundWriter]:
    """Publish foregrounds block by block; crop (t 2 3) and present (t) are known beforehand; size_hw is the full frame's.

    references (t 2): the first and second of each frame; with them, the artifact has CarriedFields.
    """
    attributes = {**clock.to_attributes(), "crop_hw": list(crop_hw), "size_hw": list(size_hw), **(extra or {})}
    with create_group(path, "foregrounds", attributes) as group:
        shapes: dict[str, tuple[tuple[int, ...], str]] = {"rgb": ((*crop_hw, 3), "uint8"), "matte": (crop_hw, "uint8")}
        if references is not None:
            shapes["base_rgb"] = (*crop_hw, 3), "uint8"
            shapes |= dict.fromkeys(SHARES, (crop_hw, "uint8")) | dict.fromkeys(FLOWS, ((*crop_hw, 2), "int16"))
            for name, ranks in zip(RANKS, np.asarray(references, np.int64).T, strict=True):
                write_array(group, name, ranks, ("time",))
        axes = dict.fromkeys(FLOWS, ("time", "y", "x", "xy"))
        writer = ForegroundWriter({name: ArrayWriter(group, name, *shape, axes.get(name, PICTURES)) for name, shape in shapes.items()})
        yield writer
        length = writer.flush()
        if not length == len(crop) == len(present):
            raise ValueError(f"{length} frames, {len(crop)} crop rows, {len(present)} flags")
        write_array(group, "crop", np.asarray(crop, np.float64), ("time", "row", "column"))
        write_array(group, "present", np.asarray(present, np.uint8), ("time",))


def open_foregrounds(path: str | os.PathLike[str]) -> Foregrounds:
    """Open foregrounds; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("foregrounds",), REMEDY)
    with readable(path, "foregrounds artifact", REMEDY):
        read = {name: read_array(group, name, path, REMEDY) for name in ("rgb", "matte", "crop", "present")}
        carried = None
        if RANKS[0] in group:
            fields = {name: read_array(group, name, path, REMEDY) for name in ("base_rgb", *SHARES, *FLOWS)}
            reference, second = (read_array(group, name, path, REMEDY)[:] for name in RANKS)
            carried = CarriedFields(**fields, reference=reference, second=second)
        made = Foregrounds(
            rgb=read["rgb"],
            matte=read["matte"],
            crop=read["crop"][:],
            present=read["present"][:].astype(bool),
            clock=Clock.from_attributes(attributes),
            crop_hw=read_size(attributes, "crop_hw"),
            size_hw=read_size(attributes, "size_hw"),
            attributes=attributes,
            carried=carried,
            source=Source.of(path, "foregrounds", "generate_foreground"),
        )
        t = len(made)
        require_array("rgb", made.rgb, (t, *made.crop_hw, 3), "uint8")
        require_array("matte", made.matte, (t, *made.crop_hw), "uint8")
        require_array("crop", made.crop, (t, 2, 3), "float64")
        require_array("present", made.present, (t,), "bool")
        if carried is not None:
            require_array("base_rgb", carried.base_rgb, (t, *made.crop_hw, 3), "uint8")
            for name in SHARES:
                require_array(name, getattr(carried, name), (t, *made.crop_hw), "uint8")
            for name in FLOWS:
                require_array(name, getattr(carried, name), (t, *made.crop_hw, 2), "int16")
        made.clock.require_frames(t)
        return made
