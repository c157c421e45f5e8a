"""Look into any Zarr group, Zarr array or Parquet table without knowing its kind."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
import zarr.storage

from pipeline.artifacts.lossless import register
from pipeline.artifacts.store import ArrayReader
from pipeline.errors import InputError

REMEDY = "It may be damaged or of another format."


@dataclass(frozen=True)
class Table:
    """A Parquet table: types by column, values by column (numbers as arrays, anything else as a list)."""

    attributes: dict[str, Any]
    types: dict[str, str]
    columns: dict[str, np.ndarray | list[Any]]
    rows: int


def peek_zarr(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, ArrayReader]]:
    """Attributes and arrays of a Zarr group (or of a lone array, named `array`) of format 3; InputError when it is neither."""
    register()
    try:
        node = zarr.open(zarr.storage.LocalStore(Path(path), read_only=True), mode="r", zarr_format=3)
        members = dict(node.arrays()) if isinstance(node, zarr.Group) else {"array": node}
        attributes = dict(node.attrs)
    except Exception as error:  # zarr raises many kinds for a foreign or damaged folder
        raise InputError(f"{path} is not a readable Zarr group or array: {error}. {REMEDY}") from error
    arrays = {name: ArrayReader(array, Path(path), REMEDY) for name, array in sorted(members.items()) if array.ndim}
    return attributes, arrays


def peek_parquet(path: str | os.PathLike[str]) -> Table:
    """Attributes (the JSON values of the schema's metadata), types and columns of a table; InputError else."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable Parquet table: {error}. {REMEDY}") from error
    attributes: dict[str, Any] = {}
    for key, value in (table.schema.metadata or {}).items():
        attributes.update(_attributes(key.decode(), value))
    columns = {name: _values(table.column(name)) for name in table.column_names}
    return Table(attributes, {f.name: str(f.type) for f in table.schema}, columns, table.num_rows)


def _attributes(key: str, value: bytes) -> dict[str, Any]:
    """Our own metadata is one JSON object; other writers' (pandas, ARROW:schema) is named only."""
    if key == "motion_copy":
        return json.loads(value)
    return {key: f"{len(value)} bytes"}


def _values(column: pa.ChunkedArray) -> np.ndarray | list[Any]:
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.to_numpy()
    return column.to_pylist()
