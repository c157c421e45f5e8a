"""Keypoints that somebody else made: the house's own Parquet table, or DeepLabCut's csv."""

import csv
import re
from pathlib import Path

import numpy as np

from pipeline.artifacts.keypoints import read_keypoints
from pipeline.errors import InputError
from pipeline.pose.people import Backend, People

COORDINATES = ("x", "y", "likelihood")


def load(labels: Path | None, joints: tuple[str, ...], joint_map: dict[str, str | None], frames: int, images: list[str] | None) -> Backend:
    """Return the backend that hands out labels frame by frame.

    joint_map renames the labels' joints to the skeleton's; null leaves one out. frames is the clip's length; images names
    its pictures when it is a folder of them, to which a csv's rows are matched by file name. Raises InputError when the file is
    missing or damaged, when its length differs from the clip's, or when a joint is not the skeleton's.
    """
    if labels is None or not labels.is_file():
        raise InputError(f"pose backend imported needs a .parquet or DeepLabCut .csv, found {labels}; name one in clips.<clip>.labels")
    if labels.suffix == ".csv":
        names, points, score, rows = _read_deeplabcut(labels)
        points, score = _match_frames(labels, points, score, rows, frames, images)
    else:
        table = read_keypoints(labels)
        names, points, score = list(table.joints), table.points.astype(np.float64), table.score.astype(np.float64)
        _check_length(labels, len(points), frames)
    points, score = _match_joints(labels, names, points, score, joints, joint_map)
    identity = np.arange(points.shape[1])
    frame = 0

    def hand_out(block: np.ndarray) -> list[People]:
        nonlocal frame
        first, frame = frame, frame + len(block)
        return [People(points[t], score[t], identity) for t in range(first, frame)]

    return hand_out


def _read_deeplabcut(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Return joint names, points (t 1 j 2), score (t 1 j) and the rows' names from a csv with headers scorer, bodyparts, coords."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be a DeepLabCut csv, found no text table ({error}); export it again") from error
    if len(lines) < 4 or [line[0] for line in lines[:3]] != ["scorer", "bodyparts", "coords"]:
        found = ", ".join(line[0] for line in lines[:3]) or "nothing"
        raise InputError(f"{path} must start with the rows scorer, bodyparts, coords (one animal), then a row a frame; found: {found}")
    parts, coordinates = lines[1], lines[2]
    columns = {(part, kind): i for i, (part, kind) in enumerate(zip(parts, coordinates, strict=False)) if kind in COORDINATES}
    names = list(dict.fromkeys(part for part, _ in columns))
    first = min(columns.values(), default=1)
    points, score = np.full((len(lines) - 3, 1, len(names), 2), np.nan), np.zeros((len(lines) - 3, 1, len(names)))
    for t, line in enumerate(lines[3:]):
        for j, name in enumerate(names):
            x, y = (_number(path, t, line, columns.get((name, kind))) for kind in ("x", "y"))
            if np.isfinite([x, y]).all():
                points[t, 0, j] = x, y
                likelihood = columns.get((name, "likelihood"))
                score[t, 0, j] = 1.0 if likelihood is None else np.nan_to_num(_number(path, t, line, likelihood))
    return names, points, score, ["/".join(line[:first]) for line in lines[3:]]


def _number(path: Path, row: int, line: list[str], column: int | None) -> float:
    if column is None or column >= len(line) or line[column].strip() == "":
        return float("nan")
    try:
        return float(line[column])
    except ValueError:
        where = f"line {row + 4}, column {column + 1}"
        raise InputError(f"{path} must hold numbers, found {line[column]!r} in {where}; correct the cell") from None


def _match_frames(
    path: Path, points: np.ndarray, score: np.ndarray, rows: list[str], frames: int, images: list[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Put rows in the frames' order: by image name where both have names, otherwise as they stand."""
    by_name = {Path(row.replace("\\", "/")).name: t for t, row in enumerate(rows) if Path(row).suffix}
    if not images or not by_name:
        _check_length(path, len(points), frames)
        # A folder's images come in natural order (img2 before img10); a label file may list them in any.
        order = sorted(range(len(rows)), key=lambda t: _natural(rows[t])) if by_name else list(range(len(rows)))
        return points[order], score[order]
    wanted = [by_name.get(Path(image).name) for image in images]
    if all(t is None for t in wanted):
        found = f"{images[0]} … against {rows[0]} …"
        raise InputError(f"{path} must label the clip's images, found none of them in it ({found}); name the right file")
    gone = np.array([t is None for t in wanted])
    index = np.array([t or 0 for t in wanted])
    return np.where(gone[:, None, None, None], np.nan, points[index]), np.where(gone[:, None, None], 0.0, score[index])


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), part) if part.isdigit() else (0, 0, part.lower()) for part in re.split(r"(\d+)", name)]


def _check_length(path: Path, found: int, frames: int) -> None:
    if found != frames:
        raise InputError(f"{path} must have one pose a frame, found {found} for {frames} frames; label the whole clip or cut the video")


def _match_joints(
    path: Path, names: list[str], points: np.ndarray, score: np.ndarray, joints: tuple[str, ...], joint_map: dict[str, str | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Put joints in the skeleton's order by name; those that the labels lack are NaN."""
    renamed = [joint_map.get(name, name) for name in names]
    unknown = [name for name, joint in zip(names, renamed, strict=True) if joint is not None and joint not in joints]
    known = [joint for joint in renamed if joint is not None]
    if unknown or not known or len(set(known)) < len(known):
        reason = f"{', '.join(unknown)} are not joints of the skeleton" if unknown else "no joint, or one twice, is left"
        raise InputError(
            f"{path} has the joints {', '.join(names)}; the skeleton has {', '.join(joints)}: {reason}. "
            "Rename in pose.joint_map (null leaves a joint out)"
        )
    shape = (*points.shape[:2], len(joints))
    ordered, ordered_score = np.full((*shape, 2), np.nan), np.zeros(shape)
    for column, joint in enumerate(renamed):
        if joint is not None:
            ordered[:, :, joints.index(joint)], ordered_score[:, :, joints.index(joint)] = points[:, :, column], score[:, :, column]
    seen = np.isfinite(ordered[..., 0]) & np.isfinite(ordered[..., 1])
    return np.where(seen[..., None], ordered, np.nan), np.where(seen, ordered_score, 0.0)
