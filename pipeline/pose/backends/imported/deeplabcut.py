"""DeepLabCut's tables: csv, and the project folder that holds them (labeled-data/<video>/CollectedData_<scorer>.csv)."""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.labels import Labels, composed
from pipeline.pose.backends.imported.texts import read_cells

COORDINATES = ("x", "y", "likelihood")
MISSING = ("", "nan", "na", "n/a", "#n/a", "null", "none")  # as spreadsheets, R and pandas write it
NUMBER = re.compile(r"\d+(\.0*)?", re.ASCII)  # of a frame; pandas makes 3.0 of it where one is missing
UNSHARED = "single"  # DeepLabCut's name for points that belong to no animal, as corners of the cage


def find_csv(folder: Path, source: str) -> Path:
    """Return the one CollectedData_*.csv of a folder of pictures, or of labeled-data/<source> in a project folder.

    Raises InputError when there is none, or more than one scorer's.
    """
    stem = Path(source).stem
    named = [place for place in sorted((folder / "labeled-data").glob("*")) if composed(place.name) in (composed(source), composed(stem))]
    for place in (folder, *named):
        found = sorted(place.glob("CollectedData_*.csv"))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise InputError(f"{place} must hold one CollectedData_<scorer>.csv, found {names}; name one of them in clips.<clip>.labels")
    videos = ", ".join(sorted(path.name for path in (folder / "labeled-data").glob("*") if path.is_dir())) or "nothing"
    raise InputError(
        f"{folder} must hold a CollectedData_<scorer>.csv, labeled-data/{stem} with one (it has: {videos}), or OpenPose's .json files, "
        "found none of them; name the right folder or file in clips.<clip>.labels"
    )


def read_csv(path: Path) -> Labels:
    """Read a csv with the header rows scorer, bodyparts, coords, or, for several animals, scorer, individuals, bodyparts, coords.

    Empty cells are missing; without likelihood a point's score is 1. Cells may be separated by semicolons or tabs, with a
    decimal comma in the numbers.
    """
    lines, decimal_comma = read_cells(path)
    heads = [line[0].lower() for line in lines[:4]]
    depth = 4 if heads == ["scorer", "individuals", "bodyparts", "coords"] else 3
    if len(lines) <= depth or heads[depth - 2 : depth] != ["bodyparts", "coords"] or heads[0] != "scorer":
        found = ", ".join(heads[:3]) or "nothing"
        raise InputError(f"{path} must start with the rows scorer, bodyparts, coords (DeepLabCut), then a row a frame; found: {found}")
    lines[depth - 1] = [kind.lower() for kind in lines[depth - 1]]
    first = next((i for i, kind in enumerate(lines[depth - 1]) if kind in COORDINATES), 1)
    widths = [len(line) for line in lines[:depth]]
    if len(set(widths)) > 1:
        raise InputError(f"{path} must have as many cells in each of its header rows, found {', '.join(map(str, widths))}; export it again")
    columns = [(animal, part, kind) for animal, part, kind in zip(_animals(lines, depth), *lines[depth - 2 : depth])][first:]
    longer = next((t for t, line in enumerate(lines) if any(cell.strip() for cell in line[widths[0] :])), None)
    if longer is not None:
        found = f"{len(lines[longer])} in line {longer + 1}"
        raise InputError(f"{path} must have at most {widths[0]} cells a row, found {found}; export it again")
    wanted = range(first, first + len(columns))
    values = np.array([[_number(path, t + depth, line, i, decimal_comma) for i in wanted] for t, line in enumerate(lines[depth:])])
    return labels_of_columns(path, columns, values, _rows(path, [line[:first] for line in lines[depth:]], depth))


def labels_of_columns(path: Path, columns: list[tuple[str, str, str]], values: np.ndarray, rows: list[int] | list[str]) -> Labels:
    """Sort values (n c), whose columns are (animal, body part, x | y | likelihood), into labels; animals keep their identity."""
    place = {column: i for i, column in enumerate(columns) if column[2] in COORDINATES and column[0] != UNSHARED}
    animals = list(dict.fromkeys(animal for animal, _, _ in place))
    names = list(dict.fromkeys(part for _, part, _ in place))
    if not names:
        found = f"only points of no animal (individual {UNSHARED})" if any(animal == UNSHARED for animal, _, _ in columns) else "none"
        raise InputError(f"{path} must have columns x and y for each body part, found {found}; export it again")
    if values.shape != (len(rows), len(columns)):
        wanted = f"{len(rows)} x {len(columns)}"
        raise InputError(f"{path} must have a number for each row and column, {wanted}, found {values.shape}; export it again")
    named = [(animal, part, kind) for animal, part, kind in columns if kind in COORDINATES and animal != UNSHARED]
    twice = next((column for column, count in Counter(named).items() if count > 1), None)
    lone = next((column for column in named if {"x", "y"} - {kind for animal, part, kind in named if (animal, part) == column[:2]}), None)
    if twice or lone:
        found = f"{' '.join(twice).strip()} twice" if twice else f"{' '.join((lone or ('',))[:2]).strip()} without one of them"
        raise InputError(f"{path} must have one column x and one y for each body part, found {found}; export it again")
    points, score = np.full((len(values), len(animals), len(names), 2), np.nan), np.zeros((len(values), len(animals), len(names)))
    for (animal, part, kind), i in place.items():
        p, j = animals.index(animal), names.index(part)
        if kind == "likelihood":
            score[:, p, j] = values[:, i]
            continue
        points[:, p, j, "xy".index(kind)] = values[:, i]
        if (animal, part, "likelihood") not in place:
            score[:, p, j] = 1.0
    return Labels(names, points, score, rows, followed=True)


def _animals(lines: list[list[str]], depth: int) -> list[str]:
    return lines[1] if depth == 4 else [""] * len(lines[1])


def _rows(path: Path, cells: list[list[str]], depth: int) -> list[int] | list[str]:
    """The frame's number where all rows have one; else the picture's name, whole in one cell or spread over three."""
    names = ["/".join(part for part in cell if part) for cell in cells]
    numbered = [len(cell) == 1 and NUMBER.fullmatch(cell[0]) is not None for cell in cells]
    if all(numbered):
        return [int(name.split(".")[0]) for name in names]
    if any(numbered) or not all("." in name for name in names):
        other = (t for t, name in enumerate(names) if not numbered[t] and "." not in name)
        bad = next(other, numbered.index(False) if sum(numbered) * 2 > len(numbered) else numbered.index(True))
        raise InputError(
            f"{path} must start its rows with a frame's number or a picture's name, found {names[bad]!r} in line {bad + depth + 1}"
        )
    return names


def _number(path: Path, row: int, line: list[str], column: int, decimal_comma: bool) -> float:
    if column >= len(line) or line[column].lower() in MISSING:
        return float("nan")
    try:
        return float(line[column].replace(",", ".") if decimal_comma else line[column])
    except ValueError:
        where = f"line {row + 1}, column {column + 1}"
        raise InputError(f"{path} must hold numbers, found {line[column]!r} in {where}; correct the cell") from None
