"""OpenPose's output folder: one JSON a frame (--write_json), people with 25 or 18 body points and 21 points a hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.coco import read_json
from pipeline.pose.backends.imported.labels import Labels

# The models' parts in OpenPose's order under the house's names; None where the house has no such joint.
COCO_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
BODY_25 = (*COCO_18[:8], None, *COCO_18[8:], "left_toe", None, "left_heel", "right_toe", None, "right_heel")
HAND = (
    None, "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip", "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip
BODIES = {len(parts): parts for parts in (COCO_18, BODY_25)}
ENDING = re.compile(r"_keypoints$")


def read_openpose(folder: Path, of_images: bool) -> Labels:
    """Read a folder of <clip>_<12 digits>_keypoints.json, or of <picture>_keypoints.json for a clip of pictures (of_images).

    Coordinates are full pixels, OpenPose's own default (--keypoint_scale 0); people have no identity.
    """
    files = sorted(folder.glob("*.json"))
    people = [_people(path) for path in files]
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
    return Labels(names, points, score, _rows(files, of_images), followed=False)


def _people(path: Path) -> list[dict[str, tuple[float, float, float]]]:
    """Each person's parts by name: x, y, confidence."""
    tree = read_json(path)
    if not isinstance(tree, dict) or not isinstance(tree.get("people"), list):
        raise InputError(f"{path} must be OpenPose's JSON with a list of people, found none; take it out of the folder")
    return [_parts(path, person) for person in tree["people"]]


def _parts(path: Path, person: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    found: dict[str, tuple[float, float, float]] = {}
    lists = {kind: person.get(f"{kind}_keypoints_2d") or [] for kind in ("pose", "hand_left", "hand_right")}
    bodies = {3 * count: parts for count, parts in BODIES.items()} | {0: ()}
    if len(lists["pose"]) not in bodies or any(len(lists[hand]) not in (0, 3 * len(HAND)) for hand in ("hand_left", "hand_right")):
        counts = ", ".join(f"{len(values)} {kind}" for kind, values in lists.items())
        raise InputError(f"{path} must hold 3 numbers for each of 18 or 25 body points and 21 a hand, found {counts}")
    for side, kind in (("", "pose"), ("left_", "hand_left"), ("right_", "hand_right")):
        parts = bodies[len(lists["pose"])] if kind == "pose" else HAND
        for name, values in zip(parts, np.array(lists[kind], np.float64).reshape(-1, 3), strict=False):
            if name is not None:
                found[side + name] = (float(values[0]), float(values[1]), float(values[2]))
    return found


def _rows(files: list[Path], of_images: bool) -> list[int] | list[str]:
    stems = [ENDING.sub("", path.stem) for path in files]
    if of_images:
        return stems
    numbers = [re.findall(r"\d+", stem) for stem in stems]
    if not all(numbers):
        bare = files[numbers.index([])]
        raise InputError(f"{bare} must be named by its frame's number (<clip>_000000000012_keypoints.json); rename it")
    return [int(found[-1]) for found in numbers]
