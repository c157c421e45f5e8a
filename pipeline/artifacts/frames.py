"""Frames, plates, mattes and fused crops: one array of frames with a clock."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from pipeline.artifacts.lossless import lossless, register
from pipeline.artifacts.source import Source
from pipeline.artifacts.store import ArrayReader, ArrayWriter, create_group, open_group, read_array, read_size, readable, require_array
from pipeline.errors import InputError
from pipeline.picture.camera import Camera
from pipeline.timeline.ahead import ahead
from pipeline.video.clock import Clock

KINDS = ("frames", "plates", "mattes", "fused")
MADE_BY = {"frames": "extract_frames", "plates": "inpaint_background", "mattes": "segment_person", "fused": "fuse"}
REMEDY = {kind: f"Run: dvc repro {stage}" for kind, stage in MADE_BY.items()}
Layout = Literal["video", "zstd"]  # lossless.py | packing.py's compressed()


class Frames:
    """Frames (t h w 3) uint8 RGB, or mattes (t h w) uint8 with 255 = person; read by integer or slice."""

    def __init__(self, array: ArrayReader, attributes: dict[str, Any], source: Source) -> None:
        self.array, self.source = array, source
        self.attributes = attributes
        self.clock = Clock.from_attributes(attributes)
        self.size_hw = read_size(attributes, "size_hw")
        self.shape = array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: int | slice) -> np.ndarray:
        return self.array[key]

    def blocks(self, n: int = 8) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (start, frames) in order, n frames at a time; the next ones are read meanwhile."""
        return ahead((start, self[start : start + n]) for start in range(0, len(self), n))

    def shown(self, t: int) -> np.ndarray:
        """Where frame t shows anything (h w) bool: everywhere, but for frames seen in a still view that their camera moves behind."""
        return np.ones(self.size_hw, bool)

    def over(self, behind: np.ndarray) -> "Frames":
        """The same frames, `behind` (h w 3) uint8 where they show nothing."""
        return self

    def steady(self, camera: Camera | None) -> "Frames":
        """The same frames in the camera's still view, in whose pixels keypoints are; themselves without a camera."""
        return self if camera is None else SteadyFrames(self, camera)


class SteadyFrames(Frames):
    """Frames of a moving camera in one still view, warped as they are read; black, or what lies behind, where a frame shows nothing."""

    def __init__(self, filmed: Frames, camera: Camera, behind: np.ndarray | None = None) -> None:
        if len(filmed) != len(camera) or filmed.size_hw != camera.filmed_hw:
            found = f"{len(filmed)} of {filmed.size_hw}. Run: dvc repro estimate_poses"
            raise InputError(f"Keypoints of a moving camera are of {len(camera)} frames of {camera.filmed_hw} (h, w), found {found}")
        self.filmed, self.camera, self.behind = filmed, camera, behind
        self.array, self.source, self.attributes, self.clock = filmed.array, filmed.source, filmed.attributes, filmed.clock
        self.size_hw = camera.size_hw
        self.shape = (len(filmed), *camera.size_hw, *filmed.shape[3:])

    def __getitem__(self, key: int | slice) -> np.ndarray:
        images = self.filmed[key]
        if isinstance(key, slice):
            at = range(*key.indices(len(self)))
            seen = [self._seen(t, image) for t, image in zip(at, images, strict=True)]
            return np.stack(seen) if seen else np.zeros((0, *self.shape[1:]), np.uint8)
        return self._seen(int(key), images)

    def shown(self, t: int) -> np.ndarray:
        """Where the view shows something of frame t (h w) bool."""
        return self.camera.shown(t)

    def over(self, behind: np.ndarray) -> Frames:
        """The same frames, `behind` (h w 3) uint8 where they show nothing."""
        return SteadyFrames(self.filmed, self.camera, behind)

    def _seen(self, t: int, image: np.ndarray) -> np.ndarray:
        return self.camera.picture(t % len(self), image, self.behind)


@contextlib.contextmanager
def create_frames(
    path: str | os.PathLike[str],
    clock: Clock,
    size_hw: tuple[int, int],
    extra: dict[str, Any] | None = None,
    kind: str = "frames",
    layout: Layout = "zstd",
) -> Iterator[ArrayWriter]:
    """Publish frames block by block: `.append(block uint8 (n h w 3))`, (n h w) for mattes, which layout `video` does not take.

    ValueError when the clock's pts are not as many as the frames (but for plates). A clock that is only known at the
    end is set by replace_clock.
    """
    channels = () if kind == "mattes" else (3,)
    shape = (*size_hw, *channels)
    attributes = {**clock.to_attributes(), "size_hw": list(size_hw), **(extra or {})}
    with create_group(path, kind, attributes) as group:
        writer = ArrayWriter(group, kind, shape, "uint8", packing=lossless(shape) if layout == "video" else None)
        writer.group = group  # type: ignore[attr-defined]
        yield writer
        writer.flush()
        pts = group.attrs["pts"]
        if kind != "plates" and isinstance(pts, list) and len(pts) != writer.length:
            raise ValueError(f"{writer.length} frames, {len(pts)} timestamps")


def replace_clock(writer: ArrayWriter, clock: Clock, extra: dict[str, Any] | None = None) -> None:
    """Set the clock (and further attributes) of frames being written, once the last frame has been decoded."""
    writer.group.attrs.update({**clock.to_attributes(), **(extra or {})})  # type: ignore[attr-defined]


def open_frames(path: str | os.PathLike[str], kind: str = "frames") -> Frames:
    """Open frames, plates, mattes or fused crops of any layout; InputError when missing, of another kind or damaged."""
    register()
    group, attributes = open_group(path, (kind,), REMEDY[kind])
    with readable(path, f"{kind} artifact", REMEDY[kind]):
        frames = Frames(read_array(group, kind, path, REMEDY[kind]), attributes, Source.of(path, kind, MADE_BY[kind]))
        require_array(kind, frames.array, (None, *frames.size_hw, *(() if kind == "mattes" else (3,))), "uint8")
        if kind != "plates":
            frames.clock.require_frames(len(frames))
        return frames
