"""Who the faces of a result and of its target are: numbers of single frames, whose distance tells people apart (Parquet)."""

import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.artifacts.store import readable
from pipeline.artifacts.tables import read_table, write_table
from pipeline.errors import InputError

REMEDY = "Run: dvc repro remeasure_faces"
LENGTH = 128
WHOSE = ("result", "target")
# Metrics that a result's faces are found again for; the last one needs to know who they are.
COMPARED, IDENTITY = ("face_landmarks", "face_expression"), "face_identity"
FACES = (*COMPARED, IDENTITY)


@dataclass(frozen=True)
class Described:
    """frames (n) int64, ascending, and the descriptor (n 128) float32 of the face in each."""

    frames: np.ndarray
    descriptors: np.ndarray

    @staticmethod
    def nothing() -> "Described":
        """No frame at all."""
        return Described(np.empty(0, np.int64), np.empty((0, LENGTH), np.float32))

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Identities:
    """Faces of the result's frames and of the target's own clip; none of either where nobody asked for them."""

    result: Described
    target: Described


def write_identities(path: str | os.PathLike[str], identities: Identities) -> None:
    """Publish identities; one row per face."""
    both = identities.result, identities.target
    flat = np.concatenate([one.descriptors for one in both]).astype(np.float32)
    columns = {
        "whose": pa.array([name for name, one in zip(WHOSE, both, strict=True) for _ in one.frames], pa.string()),
        "frame": pa.array(np.concatenate([one.frames for one in both]), pa.int64()),
        "descriptor": pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), LENGTH),
    }
    write_table(path, "identities", pa.table(columns), {})


def read_identities(path: str | os.PathLike[str]) -> Identities:
    """Read identities; InputError when missing, of another kind or damaged."""
    table, _ = read_table(path, "identities", "table of identities", REMEDY)
    with readable(path, "table of identities", REMEDY):
        whose = np.array(table.column("whose").to_pylist(), object)
        frames = table.column("frame").to_numpy()
        descriptors = table.column("descriptor").combine_chunks().flatten().to_numpy().reshape(len(frames), LENGTH)
        if not np.isfinite(descriptors).all():
            raise InputError(f"{path} must hold finite descriptors, found others. {REMEDY}")
        return Identities(*(Described(frames[whose == name], descriptors[whose == name]) for name in WHOSE))
