"""References: real pictures of the target at the source's resolution, and which of them each frame of a motion takes."""

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.further import JoinedArray, Pictures, clip_paths
from pipeline.artifacts.store import (
    PICTURES,
    VERSION,
    ArrayWriter,
    create_group,
    open_group,
    publish,
    read_array,
    read_size,
    readable,
    require_array,
    write_array,
)
from pipeline.errors import InputError

REMEDY = "Run: dvc repro keep_references find_references"
AXES = ("picture", *PICTURES[1:])
NONE = -1  # a frame of the motion without a reference


@dataclass(frozen=True)
class References:
    """colours M ⊙ F (n h w 3) uint8, unmixed from the background; mattes (n h w) uint8; in full px, cut out around the subject.

    transient (n h w) uint8: 255 where a picture shows what others of about the same pose do not, a ball or another's arm.
    frames (n) int64: which frames of their clip they are, ascending in each; corner_xy (n 2) int64: full px of their first pixel;
    points (n j 2) float32, full px, NaN where a joint is missing. The first `own` of them (None: all) are of the target's own
    clip, the others of further ones, whose full px are scaled so that the body is as large as in the target's own.
    """

    colours: Pictures
    mattes: Pictures
    transient: Pictures
    frames: np.ndarray
    corner_xy: np.ndarray
    points: np.ndarray
    size_hw: tuple[int, int]
    attributes: dict[str, Any]
    own: int | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @functools.cached_property
    def picture_points(self) -> np.ndarray:
        """Joints (n j 2), px of each picture."""
        return self.points - self.corner_xy[:, None]

    @property
    def are_own(self) -> np.ndarray:
        """Which (n) bool are of the target's own clip."""
        return np.arange(len(self)) < (len(self) if self.own is None else self.own)


class ReferenceWriter:
    """Appends reference pictures to the artifact."""

    def __init__(self, colours: ArrayWriter, mattes: ArrayWriter, transient: ArrayWriter) -> None:
        self._colours, self._mattes, self._transient = colours, mattes, transient
        self._marked = False

    def append(self, colours: np.ndarray, matte: np.ndarray) -> None:
        """Add one picture: M ⊙ F (h w 3) and M (h w), uint8."""
        self._colours.append(colours[None])
        self._mattes.append(matte[None])
        self._nothing = np.zeros_like(matte[None])

    def mark(self, transient: np.ndarray) -> None:
        """Say what is transient (h w) uint8 in the next picture: once all are appended, in their order, or never: then nothing is."""
        self._transient.append(transient[None])
        self._marked = True

    def flush(self) -> int:
        """Write what is buffered; returns the number of pictures."""
        for writer in (self._colours, self._mattes):
            writer.flush()
        if not self._marked:
            for _ in range(self._mattes.length):
                self._transient.append(self._nothing)
        self._transient.flush()
        if self._transient.length != self._mattes.length:
            raise ValueError(f"marks of {self._transient.length} pictures for {self._mattes.length}")
        return self._mattes.length


@contextlib.contextmanager
def create_references(
    path: str | os.PathLike[str],
    picture_hw: tuple[int, int],
    frames: np.ndarray,
    corner_xy: np.ndarray,
    points: np.ndarray,
    size_hw: tuple[int, int],
) -> Iterator[ReferenceWriter]:
    """Publish references picture by picture, in the order of frames (n); size_hw is the full frame's."""
    with create_group(path, "references", {"size_hw": list(size_hw)}) as group:
        arrays = ("colours", (*picture_hw, 3)), ("mattes", picture_hw), ("transient", picture_hw)
        writer = ReferenceWriter(*(ArrayWriter(group, name, shape, "uint8", AXES) for name, shape in arrays))
        yield writer
        if writer.flush() != len(frames):
            raise ValueError(f"fewer or more pictures than the {len(frames)} frames")
        write_array(group, "frames", np.asarray(frames, np.int64), AXES[:1])
        write_array(group, "corner_xy", np.asarray(corner_xy, np.int64), ("picture", "xy"))
        write_array(group, "points", np.asarray(points, np.float32), ("picture", "joint", "xy"))


def open_references(path: str | os.PathLike[str]) -> References:
    """Open references; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("references",), REMEDY)
    with readable(path, "references artifact", REMEDY):
        names = "colours", "mattes", "transient", "frames", "corner_xy", "points"
        read = {name: read_array(group, name, path, REMEDY) for name in names}
        kept = References(
            colours=read["colours"],
            mattes=read["mattes"],
            transient=read["transient"],
            frames=read["frames"][:],
            corner_xy=read["corner_xy"][:],
            points=read["points"][:],
            size_hw=read_size(attributes, "size_hw"),
            attributes=attributes,
        )
        height, width = kept.colours.shape[1:3]
        require_array("colours", read["colours"], (len(kept), height, width, 3), "uint8")
        for name in ("mattes", "transient"):
            require_array(name, read[name], (len(kept), height, width), "uint8")
        require_array("corner_xy", kept.corner_xy, (len(kept), 2), "int64")
        require_array("points", kept.points, (len(kept), None, 2), "float32")
        return kept


def open_all_references(path: str | os.PathLike[str], folder: str | os.PathLike[str] | None) -> References:
    """The references of a target's own clip and, behind them, those of its further clips, which lie in a folder with their list."""
    return join_references([open_references(path), *(open_references(f"{further}.zarr") for further in clip_paths(folder))])


def join_references(parts: Sequence[References]) -> References:
    """References of several clips as one, in their order: the first is the target's own, whose size and attributes it has.

    InputError when their poses have not the same joints.
    """
    joints = {part.points.shape[1] for part in parts}
    if len(joints) > 1:
        raise InputError(f"clips of a target must have one skeleton, found poses of {sorted(joints)} joints: change clips in params.yaml")
    if len(parts) == 1:
        return parts[0]
    return References(
        colours=JoinedArray([part.colours for part in parts]),
        mattes=JoinedArray([part.mattes for part in parts]),
        transient=JoinedArray([part.transient for part in parts]),
        frames=np.concatenate([part.frames for part in parts]),
        corner_xy=np.concatenate([part.corner_xy for part in parts]),
        points=np.concatenate([part.points for part in parts]),
        size_hw=parts[0].size_hw,
        attributes=parts[0].attributes,
        own=len(parts[0]),
    )


@dataclass(frozen=True)
class ChosenReferences:
    """The references of each frame (t) of a motion, the first one that whose detail is carried but where `ends` say: rank (t r) int64 in
    the References, NONE without; frame (t r) of its clip; distance (t r) float64 of the poses in body sizes, NaN without.

    ends (t e) bool: which ends of limbs, Skeleton.ends(), the second one shows nearer to the pose than the first.
    """

    rank: np.ndarray
    frame: np.ndarray
    distance: np.ndarray
    attributes: dict[str, Any]
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.rank)


def write_chosen(path: str | os.PathLike[str], chosen: ChosenReferences) -> None:
    """Publish the table: frame, order (0 = first), reference, reference_frame, distance, and the ends of limbs, by their numbers among
    Skeleton.ends(), that the second shows nearer than the first."""
    frame, order = (index.ravel() for index in np.indices(chosen.rank.shape))
    ends = [np.flatnonzero(chosen.ends[t]) if k == 1 else [] for t, k in zip(frame, order, strict=True)]
    table = pa.table(
        {
            "frame": pa.array(frame, pa.int32()),
            "order": pa.array(order, pa.int32()),
            "reference": pa.array(chosen.rank.ravel(), pa.int32()),
            "reference_frame": pa.array(chosen.frame.ravel(), pa.int32()),
            "distance": pa.array(chosen.distance.ravel(), pa.float64()),
            "ends": pa.array(ends, pa.list_(pa.int8())),
        }
    )
    sizes = {"count": chosen.rank.shape[1], "ends": chosen.ends.shape[1]}
    facts = {"kind": "chosen references", "version": VERSION, **sizes, **chosen.attributes}
    table = table.replace_schema_metadata({"motion_copy": json.dumps(facts, sort_keys=True)})
    with publish(path, "chosen references") as temporary:
        pq.write_table(table, temporary, compression="zstd", version="2.6")


def read_chosen(path: str | os.PathLike[str]) -> ChosenReferences:
    """Read the table; InputError when missing, of another kind or damaged."""
    with readable(path, "table of chosen references", REMEDY):
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {})[b"motion_copy"])
        if (facts.pop("kind"), facts.pop("version")) != ("chosen references", VERSION):
            raise ValueError("another kind of table")
        count = int(facts.pop("count"))
        columns = [table.column(name).to_numpy().reshape(-1, count) for name in ("reference", "reference_frame", "distance")]
        ends = np.zeros((len(columns[0]), int(facts.pop("ends"))), bool)
        for t, order, found in zip(*(table.column(name).to_pylist() for name in ("frame", "order", "ends")), strict=True):
            if order == 1:
                ends[t, found] = True
        return ChosenReferences(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.float64), facts, ends)
