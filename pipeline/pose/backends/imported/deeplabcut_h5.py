"""DeepLabCut's .h5: a pandas table in either of its layouts, read without pandas' own reader, which would need PyTables."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.deeplabcut import labels_of_columns
from pipeline.pose.backends.imported.hdf5 import text, texts
from pipeline.pose.backends.imported.labels import Labels


class _Plain(pickle.Unpickler):
    """Unpickles lists, tuples, numbers and text; anything that would call code is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} has no place in column names")


def read_h5(path: Path, file: Any) -> Labels:
    """Read the one table of an open h5py file: columns (scorer, individual if any, body part, coordinate), a row a frame."""
    groups = [item for item in file.values() if "pandas_type" in getattr(item, "attrs", {})]
    if len(groups) != 1:
        keys = ", ".join(file) or "nothing"
        raise InputError(f"{path} must hold one table of DeepLabCut, or SLEAP's tracks and node_names, found: {keys}; export it again")
    layout = text(groups[0].attrs["pandas_type"])
    read = {"frame": _fixed, "frame_table": _table}.get(layout)
    if read is None:
        raise InputError(f"{path} must hold a pandas frame, found {layout}; export it again")
    columns, values, rows = read(groups[0])
    if {len(column) for column in columns} - {3, 4}:
        raise InputError(f"{path} must have the header rows scorer, bodyparts, coords, found columns like {columns[0]}; export it again")
    named = [(column[1] if len(column) == 4 else "", column[-2], column[-1]) for column in columns]
    return labels_of_columns(path, named, values, rows)


def _fixed(group: Any) -> tuple[list[tuple[str, ...]], np.ndarray, list[int] | list[str]]:
    columns: list[tuple[str, ...]] = []
    blocks = []
    for i in range(int(group.attrs["nblocks"])):
        columns += [tuple(column) for column in _index(group, f"block{i}_items")]
        values = group[f"block{i}_values"]
        blocks.append(values[:] if values.attrs.get("transposed", 0) else values[:].T)
    rows = ["/".join(map(text, row)) if isinstance(row, tuple) else row for row in _index(group, "axis1")]
    numbered = all(isinstance(row, (int, np.integer)) for row in rows)
    return columns, np.concatenate(blocks, axis=1).astype(np.float64), [int(r) for r in rows] if numbered else [str(r) for r in rows]


def _index(group: Any, name: str) -> list[Any]:
    """The entries of an index: numbers or texts, or tuples where it has levels."""
    if f"{name}_nlevels" not in group.attrs:
        dataset = group[name]
        return texts(dataset) if dataset.dtype.kind in "SO" else dataset[:].tolist()
    levels = []
    for i in range(int(group.attrs[f"{name}_nlevels"])):
        known = texts(group[f"{name}_level{i}"])
        levels.append([known[code] for code in group[f"{name}_label{i}"][:]])
    return list(zip(*levels, strict=True))


def _table(group: Any) -> tuple[list[tuple[str, ...]], np.ndarray, list[int] | list[str]]:
    table = group["table"]
    rows = table["index"]
    blocks = sorted(name for name in table.dtype.names if name.startswith("values_block_"))
    columns = [tuple(map(str, column)) for name in blocks for column in _unpickled(table.attrs[f"{name}_kind"])]
    values = np.concatenate([table[name].reshape(len(rows), -1) for name in blocks], axis=1).astype(np.float64)
    return columns, values, [text(row) for row in rows] if rows.dtype.kind in "SO" else [int(row) for row in rows]


def _unpickled(blob: Any) -> list[tuple[str, ...]]:
    try:
        return _Plain(io.BytesIO(bytes(blob))).load()
    except Exception as error:  # what damaged bytes make the reader stumble over is of many kinds
        raise ValueError(f"column names are damaged: {error}") from error
