"""Face index: what the target's training faces look like and where they look (Parquet), and the faces themselves (Zarr)."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts.further import JoinedArray, Pictures, clip_paths
from pipeline.artifacts.store import (
    PICTURES,
    ArrayReader,
    ArrayWriter,
    create_group,
    open_group,
    read_array,
    readable,
    require_array,
)
from pipeline.artifacts.tables import read_table, write_table
from pipeline.errors import InputError

REMEDY = "Run: dvc repro index_faces"
ELSEWHERE = -(10**9)  # frame of a face of a further clip: near to no frame of the target's own
AXES = ("face", *PICTURES[1:])
BOX = ("x0", "y0", "x1", "y1")
SEEN = tuple(f"seen_{edge}" for edge in BOX)


@dataclass(frozen=True)
class FaceRow:
    """One face: frame, square boxes xyxy (4) full px of the face and of what its picture shows, sharpness.

    vectors (v 2) and landmarks (l 2) are full px, NaN = missing.
    """

    frame: int
    box: np.ndarray
    seen: np.ndarray
    vectors: np.ndarray
    landmarks: np.ndarray
    sharpness: float


@dataclass(frozen=True)
class FaceIndex:
    """n faces: frame (n), box (n 4), vectors (n v 2), landmarks (n l 2) full px, sharpness (n); crops (n s s 3), mattes (n s s).

    seen (n 4) is what the pictures show, in full px: more than the face's box.
    Faces of a target's further clips have the frame ELSEWHERE, and their px are those of their own clip.
    """

    frame: np.ndarray
    box: np.ndarray
    seen: np.ndarray
    vectors: np.ndarray
    landmarks: np.ndarray
    landmark_names: tuple[str, ...]
    sharpness: np.ndarray
    crops: Pictures
    mattes: Pictures
    crop_px: int
    attributes: dict[str, Any]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def size_px(self) -> np.ndarray:
        """The faces' size (n): the side of their boxes, which does not depend on where they look."""
        return self.box[:, 2] - self.box[:, 0]


class FaceWriter:
    """Appends faces one by one."""

    def __init__(self, crops: ArrayWriter, mattes: ArrayWriter) -> None:
        self._crops, self._mattes = crops, mattes
        self.rows: list[FaceRow] = []

    def append(self, row: FaceRow, crop: np.ndarray, matte: np.ndarray) -> None:
        """Add a face with its crop (s s 3) and matte (s s), uint8."""
        self.rows.append(row)
        self._crops.append(crop[None])
        self._mattes.append(matte[None])


@contextlib.contextmanager
def create_faces(
    table: str | os.PathLike[str],
    crops: str | os.PathLike[str],
    crop_px: int,
    vectors: Sequence[tuple[str, str]],
    landmarks: Sequence[str],
    extra: dict[str, Any] | None = None,
) -> Iterator[FaceWriter]:
    """Publish a face index, table and crops; an index without faces is legal (a skeleton without a face)."""
    attributes = {"crop_px": crop_px, "vectors": [list(v) for v in vectors], "landmarks": list(landmarks), **(extra or {})}
    with create_group(crops, "faces", attributes) as group:
        pictures = ArrayWriter(group, "crops", (crop_px, crop_px, 3), "uint8", AXES)
        mattes = ArrayWriter(group, "mattes", (crop_px, crop_px), "uint8", AXES)
        writer = FaceWriter(pictures, mattes)
        yield writer
        pictures.flush()
        mattes.flush()
        _write_table(table, writer.rows, len(vectors), landmarks, attributes)


def open_faces(table: str | os.PathLike[str], crops: str | os.PathLike[str]) -> FaceIndex:
    """Open a face index; InputError when a part is missing, damaged, or the two do not belong together."""
    rows, attributes = read_table(table, "faces", "face index", REMEDY)
    group, _ = open_group(crops, ("faces",), REMEDY)
    pictures, mattes = (read_array(group, name, crops, REMEDY) for name in ("crops", "mattes"))
    if not len(pictures) == len(mattes) == rows.num_rows:
        raise InputError(f"{crops} has {len(pictures)} faces, {table} has {rows.num_rows}. {REMEDY}")
    with readable(table, "face index", REMEDY):
        side = int(attributes["crop_px"])
        require_array("crops", pictures, (None, side, side, 3), "uint8")
        require_array("mattes", mattes, (None, side, side), "uint8")
        return _from_table(rows, attributes, pictures, mattes)


def open_all_faces(table: str | os.PathLike[str], crops: str | os.PathLike[str], folder: str | os.PathLike[str] | None) -> FaceIndex:
    """The faces of a target's own clip and, behind them, those of its further clips, which lie in a folder with their list."""
    return join_faces([open_faces(table, crops), *(open_faces(f"{path}.parquet", f"{path}.zarr") for path in clip_paths(folder))])


def join_faces(parts: Sequence[FaceIndex]) -> FaceIndex:
    """Faces of several clips as one index, the first the target's own; InputError when they are not of one kind."""
    first = parts[0]
    kinds = {(part.crop_px, part.landmark_names, part.vectors.shape[1]) for part in parts}
    if len(kinds) > 1:
        found = " and ".join(f"{px} px, {vectors} vectors" for px, _, vectors in sorted(kinds))
        raise InputError(f"faces of one target must have one size and one skeleton, found {found}. {REMEDY} index_footage_faces")
    if len(parts) == 1:
        return first
    return FaceIndex(
        frame=np.concatenate([first.frame, *(np.full(len(part), ELSEWHERE) for part in parts[1:])]),
        box=np.concatenate([part.box for part in parts]),
        seen=np.concatenate([part.seen for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]),
        landmarks=np.concatenate([part.landmarks for part in parts]),
        landmark_names=first.landmark_names,
        sharpness=np.concatenate([part.sharpness for part in parts]),
        crops=JoinedArray([part.crops for part in parts]),
        mattes=JoinedArray([part.mattes for part in parts]),
        crop_px=first.crop_px,
        attributes=first.attributes,
    )


def own_faces(index: FaceIndex) -> FaceIndex:
    """Those of the target's own clip, which stand first."""
    n = int((index.frame != ELSEWHERE).sum())
    own = {name: getattr(index, name)[:n] for name in ("frame", "box", "vectors", "landmarks", "sharpness", "seen")}
    return replace(index, **own)


def _from_table(rows: pa.Table, attributes: dict[str, Any], pictures: ArrayReader, mattes: ArrayReader) -> FaceIndex:
    names = tuple(attributes["landmarks"])
    return FaceIndex(
        frame=rows.column("frame").to_numpy().astype(np.int64),
        box=_columns(rows, BOX, np.float64),
        seen=_columns(rows, SEEN, np.float64),
        vectors=_pairs(rows, [f"v{i + 1}" for i in range(len(attributes["vectors"]))]),
        landmarks=_pairs(rows, names),
        landmark_names=names,
        sharpness=rows.column("sharpness").to_numpy(),
        crops=pictures,
        mattes=mattes,
        crop_px=int(attributes["crop_px"]),
        attributes=attributes,
    )


def _write_table(
    path: str | os.PathLike[str], rows: list[FaceRow], vectors: int, landmarks: Sequence[str], attributes: dict[str, Any]
) -> None:
    columns: dict[str, pa.Array] = {"frame": pa.array([row.frame for row in rows], pa.int32())}
    for names, of in ((BOX, "box"), (SEEN, "seen")):
        columns |= {name: pa.array([float(getattr(row, of)[i]) for row in rows], pa.float64()) for i, name in enumerate(names)}
    for i in range(vectors):
        for k, axis in enumerate("xy"):
            columns[f"v{i + 1}_{axis}"] = pa.array([float(row.vectors[i, k]) for row in rows], pa.float64())
    for i, joint in enumerate(landmarks):
        for k, axis in enumerate("xy"):
            columns[f"{joint}_{axis}"] = pa.array([float(row.landmarks[i, k]) for row in rows], pa.float64())
    columns["sharpness"] = pa.array([float(row.sharpness) for row in rows], pa.float64())
    write_table(path, "faces", pa.table(columns), attributes)


def _columns(table: pa.Table, names: Sequence[str], dtype: type) -> np.ndarray:
    values = [table.column(name).to_numpy().astype(dtype) for name in names]
    return np.stack(values, axis=1) if values else np.empty((table.num_rows, 0), dtype)


def _pairs(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    flat = _columns(table, [f"{name}_{axis}" for name in names for axis in "xy"], np.float64)
    return flat.reshape(table.num_rows, len(names), 2)
