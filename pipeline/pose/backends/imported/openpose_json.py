"""OpenPose's output folder: one JSON a frame (--write_json), people with a body of any model and 21 points a hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.coco import read_json
from pipeline.pose.backends.imported.labels import Labels, frame_numbers
from pipeline.pose.backends.imported.openpose_parts import BODIES, HAND, body_of, with_neck

ENDING = re.compile(r"_keypoints$")


def json_files(folder: Path) -> list[Path]:
    """The .json files of a folder in order of their names; what other systems hide beside them (._a.json) is none."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json" and path.name[0] != "." and not path.is_dir())


def read_openpose(folder: Path, of_images: bool) -> Labels:
    """Read a folder of <clip>_<12 digits>_keypoints.json, or of <picture>_keypoints.json for a clip of pictures (of_images).

    Coordinates are full pixels, OpenPose's own default (--keypoint_scale 0); people have no identity.
    """
    files = json_files(folder)
    shown = [_people(path) for path in files]
    bodies = [one["pose"] for group in shown for one in group if len(one["pose"])]
    if len({len(body) for body in bodies}) > 1:
        counts = ", ".join(map(str, sorted({len(body) for body in bodies})))
        raise InputError(f"{folder} must hold one model's people, found bodies of {counts} points; keep one kind of files in it")
    parts = body_of(bodies) if bodies else ()
    people = [[_named(one, parts) for one in group] for group in shown]
    names = list(dict.fromkeys(name for group in people for one in group for name in one))
    if not names:
        raise InputError(f"{folder} must show somebody, found no keypoints in its {len(files)} files; run OpenPose with --write_json")
    shape = (len(files), max(map(len, people)), len(names))
    points, score = np.full((*shape, 2), np.nan), np.zeros(shape)
    for row, group in enumerate(people):
        for p, one in enumerate(group):
            for name, (x, y, confidence) in one.items():
                if confidence > 0:  # OpenPose writes 0 0 0 for what it did not see
                    points[row, p, names.index(name)], score[row, p, names.index(name)] = (x, y), confidence
    if np.isfinite(points).any() and np.nanmax(np.abs(points)) <= 1:
        raise InputError(f"{folder} must hold pixels, found numbers up to {np.nanmax(points):.2f}; run OpenPose with --keypoint_scale 0")
    return Labels(names, points, score, _rows(folder, files, of_images), followed=False)


def _people(path: Path) -> list[dict[str, np.ndarray]]:
    """Each person's lists pose, hand_left and hand_right (points 3): x, y, confidence; without points where there is none."""
    tree = read_json(path)
    if not isinstance(tree, dict) or not isinstance(tree.get("people"), list):
        raise InputError(f"{path} must be OpenPose's JSON with a list of people, found none; take it out of the folder")
    return [_lists(path, person) for person in tree["people"]]


def _lists(path: Path, person: Any) -> dict[str, np.ndarray]:
    if not isinstance(person, dict):
        raise InputError(f"{path} must list each of its people as an object, found {type(person).__name__}; run OpenPose again")
    lists = {kind: person.get(f"{kind}_keypoints_2d") or [] for kind in ("pose", "hand_left", "hand_right")}
    for kind, values in lists.items():
        if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
            raise InputError(f"{path} must have numbers in a list as {kind}_keypoints_2d, found another kind of value; run OpenPose again")
    hands = all(len(lists[hand]) in (0, 3 * len(HAND)) for hand in ("hand_left", "hand_right"))
    if len(lists["pose"]) not in (0, *(3 * count for count in BODIES)) or not hands:
        counts = ", ".join(f"{len(values)} {kind}" for kind, values in lists.items())
        legal = ", ".join(map(str, sorted(BODIES)))
        raise InputError(f"{path} must hold 3 numbers for each body point, one of {legal}, and 21 a hand, found {counts}")
    return {kind: np.array(values, np.float64).reshape(-1, 3) for kind, values in lists.items()}


def _named(person: dict[str, np.ndarray], body: tuple[str | None, ...]) -> dict[str, tuple[float, float, float]]:
    """A person's parts by name: x, y, confidence."""
    found: dict[str, tuple[float, float, float]] = {}
    for side, kind, parts in (("", "pose", body), ("left_", "hand_left", HAND), ("right_", "hand_right", HAND)):
        for name, values in zip(parts, person[kind], strict=False):
            if name is not None:
                found[side + name] = (float(values[0]), float(values[1]), float(values[2]))
    return with_neck(found)


def _rows(folder: Path, files: list[Path], of_images: bool) -> list[int] | list[str]:
    stems = [ENDING.sub("", path.stem) for path in files]
    return stems if of_images else frame_numbers(folder, stems, "<clip>_000000000012_keypoints.json")
