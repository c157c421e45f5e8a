"""Tables of experiments: one line per row and metric, as Parquet; what they answer stands in the attributes."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.artifacts.store import readable
from pipeline.artifacts.tables import read_table, write_table

REMEDY = "Run: python -m pipeline.experiments table"
SCHEMA = pa.schema(
    [
        ("row", pa.string()),
        ("metric", pa.string()),  # a score, or training_s, or frames_per_s
        ("mean", pa.float64()),  # over seeds, of means over held-out frames; NaN = missing
        ("spread", pa.float64()),  # standard deviation over seeds; NaN of one seed
        ("seeds", pa.list_(pa.int32())),
        ("by_seed", pa.list_(pa.float64())),
        ("against", pa.string()),  # the row it is compared with; null for costs and for a reference
        ("difference", pa.float64()),  # mean paired difference to that row
        ("standard_error", pa.float64()),  # of the difference; NaN of one seed
        ("pairs", pa.int32()),
        ("left_out", pa.int32()),  # pairs of which one side is missing or not finite
        ("verdict", pa.string()),
    ]
)


def write_experiments(path: str | os.PathLike[str], records: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Publish records with the keys of SCHEMA, and JSON-like attributes."""
    table = pa.Table.from_pylist([dict(record) for record in records], schema=SCHEMA)
    write_table(path, "experiments", table, about)


def read_experiments(path: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Records and attributes; InputError when missing, of another kind or damaged."""
    table, attributes = read_table(path, "experiments", "table of experiments", REMEDY)
    with readable(path, "table of experiments", REMEDY):
        return table.to_pylist(), {name: value for name, value in attributes.items() if name not in ("kind", "version")}


def by_row(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Records by row and metric, in their order."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        found.setdefault(record["row"], {})[record["metric"]] = record
    return found


def mean_text(record: Mapping[str, Any] | None) -> str:
    """Mean ± spread; a dash where there is none."""
    if record is None or not math.isfinite(record["mean"]):
        return "–"
    return f"{record['mean']:.4g}" + (f" ± {record['spread']:.2g}" if math.isfinite(record["spread"]) else "")


def difference_text(record: Mapping[str, Any]) -> str:
    """The verdict with its figures."""
    if not math.isfinite(record["difference"]):
        return record["verdict"]
    error = f", se {record['standard_error']:.2g}" if math.isfinite(record["standard_error"]) else ""
    return f"{record['verdict']} ({record['difference']:+.3g}{error})"
