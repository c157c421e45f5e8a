"""Residuals: per region and frame a signed patch that is added to the generated foreground at the source's resolution.

The foreground, upsampled to full pixels, plus the patch seen through its box and faded by regions.fade, is the
polished foreground (Eq. 8). A patch of zeros is the identity. A region's patches may have a size of their own, and a fourth
channel that is added to the matte: such a region is placed, others are polished.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.source import IN_MEMORY, Source
from pipeline.artifacts.store import (
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

REMEDY = "Run: dvc repro enhance_faces refine_regions"


@dataclass(frozen=True)
class Residuals:
    """Patches (t p p 3 or 4) int16 in 8-bit steps per region; boxes xyxy (t 4) float64 full px, NaN = skipped in that frame.

    `skipped` lists per region why and in how many frames there is no patch.
    """

    regions: tuple[str, ...]
    boxes: dict[str, np.ndarray]
    patches: dict[str, ArrayReader]
    skipped: dict[str, list[str]]
    region_px: int
    clock: Clock
    size_hw: tuple[int, int]
    length: int
    attributes: dict[str, Any]
    source: Source = IN_MEMORY["residuals"]

    def __len__(self) -> int:
        return self.length

    @property
    def placed(self) -> dict[str, int]:
        """Regions whose patches have a size of their own and change the matte, with that size."""
        return {name: self.patch_px(name) for name, patches in self.patches.items() if patches.shape[-1] == 4}

    def patch_px(self, region: str) -> int:
        """Side of a region's patches."""
        return self.patches[region].shape[1]

    def residual(self, region: str, t: int) -> np.ndarray:
        """The patch (p p 3 or 4) int16 of a region in frame t; zeros where it was skipped."""
        return self.patches[region][t]


class ResidualWriter:
    """Appends patches region by region, in blocks of frames."""

    def __init__(self, arrays: dict[str, ArrayWriter]) -> None:
        self._arrays = arrays

    def append(self, region: str, block: np.ndarray) -> None:
        """Add patches (n p p c) int16 of a region; zeros where its box is NaN."""
        self._arrays[region].append(block)


@contextlib.contextmanager
def create_residuals(
    path: str | os.PathLike[str],
    boxes: Mapping[str, np.ndarray],
    skipped: Mapping[str, list[str]],
    region_px: int,
    clock: Clock,
    size_hw: tuple[int, int],
    length: int,
    extra: dict[str, Any] | None = None,
    placed: Mapping[str, int] | None = None,
) -> Iterator[ResidualWriter]:
    """Publish residuals block by block; boxes (t 4) per region are known beforehand; no region at all is legal.

    placed: regions whose patches change the matte too, and the patches' side in px.
    """
    placed = placed or {}
    regions = list(boxes)
    attributes = {
        **clock.to_attributes(),
        "size_hw": list(size_hw),
        "region_px": region_px,
        "regions": regions,
        "length": length,
        "skipped": {name: list(skipped.get(name, ())) for name in regions},
        **(extra or {}),
    }
    with create_group(path, "residuals", attributes) as group:
        sides = {name: placed.get(name, region_px) for name in regions}
        arrays = {n: ArrayWriter(group, n, (px, px, 4 if n in placed else 3), "int16") for n, px in sides.items()}
        yield ResidualWriter(arrays)
        for name, array in arrays.items():
            array.flush()
            if not array.length == len(boxes[name]) == length:
                raise ValueError(f"{array.length} patches and {len(boxes[name])} boxes of {name}, {length} frames")
            write_array(group, f"{name}_box", np.asarray(boxes[name], np.float64), ("time", "side"))


def open_residuals(path: str | os.PathLike[str]) -> Residuals:
    """Open residuals; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("residuals",), REMEDY)
    with readable(path, "residuals artifact", REMEDY):
        regions = tuple(attributes["regions"])
        made = Residuals(
            regions=regions,
            boxes={name: read_array(group, f"{name}_box", path, REMEDY)[:] for name in regions},
            patches={name: read_array(group, name, path, REMEDY) for name in regions},
            skipped=attributes["skipped"],
            region_px=int(attributes["region_px"]),
            clock=Clock.from_attributes(attributes),
            size_hw=read_size(attributes, "size_hw"),
            length=int(attributes["length"]),
            attributes=attributes,
            source=Source.of(path, "residuals", "enhance_faces"),
        )
        for name in regions:
            side, channels = (made.patch_px(name), 4) if name in made.placed else (made.region_px, 3)
            require_array(name, made.patches[name], (len(made), side, side, channels), "int16")
            require_array(f"{name}_box", made.boxes[name], (len(made), 4), "float64")
        made.clock.require_frames(len(made))
        return made
