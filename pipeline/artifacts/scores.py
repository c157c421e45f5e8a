"""Scores: nested JSON of numbers, and curves as tab-separated tables that `dvc plots` reads."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts.store import publish, readable
from pipeline.errors import InputError

DECIMALS = 6


def write_scores(path: str | os.PathLike[str], scores: Mapping[str, Any]) -> None:
    """Publish nested scores as sorted JSON, rounded to 6 decimals; ValueError for a number that is not finite.

    A metric that was not computed must have no key.
    """
    text = json.dumps(_rounded(scores), indent=1, sort_keys=True, allow_nan=False) + "\n"
    with publish(path, "scores") as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_scores(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read scores; InputError when missing or damaged."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist. Run: dvc repro evaluate")
    with readable(path, "JSON of scores", "Run: dvc repro evaluate"):
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))


def write_curve(path: str | os.PathLike[str], rows: Sequence[Mapping[str, float]]) -> None:
    """Publish rows with equal keys as a tab-separated table with a header line."""
    names = list(rows[0]) if rows else ["step"]
    lines = ["\t".join(names), *("\t".join(f"{row[name]:.6g}" for name in names) for row in rows)]
    with publish(path, f"table by {names[0]}") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_curve(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Read a table written by write_curve: column name → values."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist. Run: dvc repro")
    with readable(path, "table", "Run: dvc repro"):
        header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = [[float(value) for value in line.split("\t")] for line in lines]
        return {name: [row[i] for row in rows] for i, name in enumerate(header.split("\t"))}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a score must be finite, found {number}")
    return round(number, DECIMALS)
