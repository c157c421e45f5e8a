"""Face meshes: in each frame of a clip or a result the points of the subject's face and the scores of its expression (Parquet)."""

import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.artifacts.source import IN_MEMORY, Source
from pipeline.artifacts.store import read_size, readable
from pipeline.artifacts.tables import read_table, write_table

REMEDY = "Run: dvc repro measure_faces"


@dataclass(frozen=True)
class Meshes:
    """points (t p 3) float32 full px, z the depth; expression (t e) float32 in 0..1; presence (t) float32 in 0..1.

    Points and expression are NaN where no face was sure enough; `skipped` says why, and in how many frames. p and e are 0 where
    nothing was measured at all. source is where they were read.
    """

    points: np.ndarray
    expression: np.ndarray
    presence: np.ndarray
    size_hw: tuple[int, int]
    skipped: tuple[str, ...]
    source: Source = IN_MEMORY["meshes"]

    def __len__(self) -> int:
        return len(self.presence)

    @property
    def seen(self) -> np.ndarray:
        """Frames (t) bool with a face."""
        return np.asarray(np.isfinite(self.points).all(axis=(1, 2))) if self.points.size else np.zeros(len(self), bool)


def write_meshes(path: str | os.PathLike[str], meshes: Meshes) -> None:
    """Publish meshes; one row per frame."""
    t = len(meshes)
    columns = {"presence": pa.array(meshes.presence.astype(np.float32), pa.float32())}
    for name, values in (("points", meshes.points), ("expression", meshes.expression)):
        flat = np.ascontiguousarray(values.reshape(t, -1), np.float32)
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1]) if flat.size else pa.nulls(t)
    attributes = {
        "size_hw": list(meshes.size_hw),
        "skipped": list(meshes.skipped),
        "shape": [list(meshes.points.shape), list(meshes.expression.shape)],
    }
    write_table(path, "meshes", pa.table(columns), attributes)


def read_meshes(path: str | os.PathLike[str]) -> Meshes:
    """Read meshes; InputError when missing, of another kind or damaged."""
    table, attributes = read_table(path, "meshes", "table of face meshes", REMEDY)
    with readable(path, "table of face meshes", REMEDY):
        points, expression = (_array(table, name, shape) for name, shape in zip(("points", "expression"), attributes["shape"], strict=True))
        presence = table.column("presence").to_numpy()
        source = Source.of(path, "face meshes", "measure_faces")
        return Meshes(points, expression, presence, read_size(attributes, "size_hw"), tuple(attributes["skipped"]), source)


def _array(table: pa.Table, name: str, shape: list[int]) -> np.ndarray:
    if 0 in shape:
        return np.empty(shape, np.float32)
    return table.column(name).combine_chunks().flatten().to_numpy().reshape(shape)
