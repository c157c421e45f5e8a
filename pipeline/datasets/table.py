"""Any data set, told by two tables: clips.csv names its videos, pairs.csv who moves like whom."""

import csv
from pathlib import Path

from pipeline.datasets.listing import Clip, Listing
from pipeline.errors import InputError
from pipeline.names import name_fault

CLIPS, PAIRS = "clips.csv", "pairs.csv"
NEEDED = {CLIPS: ("clip", "video"), PAIRS: ("driver", "target")}
OPTIONAL = {CLIPS: ("labels", "skeleton", "pose", "matte"), PAIRS: ()}


def list_table(root: Path, part: str) -> Listing:
    """Clips and pairs of the tables under `root`; paths are relative to it; of pairs with a column `part`, those of this part.

    InputError for a table that is missing, has no row, or lacks or misnames a column; with the line for a value that is empty,
    a clip whose name may not stand in params.yaml, or one named twice.
    """
    listing = Listing()
    for line, row in _rows(root, CLIPS):
        if row["clip"] in listing.clips:
            raise InputError(f"{root / CLIPS} names the clip {row['clip']} twice, again in line {line}. Name each clip once.")
        if fault := name_fault(row["clip"]):
            raise InputError(f"{root / CLIPS}, line {line}: clip {row['clip']!a} {fault}.")
        labels = root / row["labels"] if row.get("labels") else None
        rest = {key: row.get(key, "") for key in ("skeleton", "pose", "matte")}
        listing.clips[row["clip"]] = Clip(root / row["video"], labels, **rest)
        if labels is not None and not labels.exists():
            listing.missing.append(f"labels {labels} of clip {row['clip']}")
    for _, row in _rows(root, PAIRS):
        if not part or row.get("part", part) == part:
            listing.add_pair(row["driver"], row["target"])
    return listing


def _rows(root: Path, name: str) -> list[tuple[int, dict[str, str]]]:
    """Line number and values of each row of a table, values stripped."""
    path = root / name
    if not path.is_file():
        raise InputError(f"{path} is missing: write a CSV with the columns {', '.join(NEEDED[name])}.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        columns, legal = reader.fieldnames or [], {*NEEDED[name], *OPTIONAL[name], *(["part"] if name == PAIRS else [])}
        wrong = [c for c in columns if c not in legal] + [f"no {c}" for c in NEEDED[name] if c not in columns]
        if wrong:
            needed = ", ".join(NEEDED[name])
            raise InputError(f"{path} must have the columns {needed} and may have {_others(name)}, found {', '.join(wrong)}.")
        rows = [(reader.line_num, {k: (v or "").strip() for k, v in row.items() if k is not None}) for row in reader]
    for line, row in rows:
        empty = next((c for c in NEEDED[name] if not row[c]), None)
        if empty:
            raise InputError(f"{path}, line {line}: {empty} is empty. Fill it in.")
    if not rows:
        raise InputError(f"{path} has no row: add one for each of its {name.removesuffix('.csv')}.")
    return rows


def _others(name: str) -> str:
    return ", ".join(OPTIONAL[name]) or "part"
