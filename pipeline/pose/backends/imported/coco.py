"""COCO's keypoint JSON: pictures, categories with named keypoints, annotations with x, y, visibility."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.labels import Labels

SCORES = {0: 0.0, 1: 0.5, 2: 1.0}  # not labelled, labelled but hidden, visible


def read_coco(path: Path, of_images: bool) -> Labels:
    """Read all annotated pictures. A track_id on every annotation gives identities.

    Frames go by the pictures' file names; of a video (not of_images) whose file names tell no number, by frame_id or,
    without one, by their order of id.
    """
    tree = read_json(path)
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(tree, dict) or key not in tree]
    if missing:
        found = ", ".join(tree) if isinstance(tree, dict) else type(tree).__name__
        raise InputError(f"{path} must be COCO's JSON with images, annotations and categories, found {found}: {', '.join(missing)} missing")
    try:
        return _labels(path, tree, of_images)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} must follow COCO's keypoint format, found it damaged ({error!r}); export it again") from error


def read_json(path: Path) -> Any:
    """Parse a JSON file; InputError when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be JSON, found it damaged ({error}); export it again") from error


def _labels(path: Path, tree: dict[str, Any], of_images: bool) -> Labels:
    kinds = [kind for kind in tree["categories"] if kind.get("keypoints")]
    if len(kinds) != 1:
        named = ", ".join(str(kind.get("name")) for kind in kinds) or "none"
        raise InputError(f"{path} must have one category with keypoints, found {named}; export the subject's alone")
    names = list(kinds[0]["keypoints"])
    images = {image["id"]: image for image in tree["images"]}
    notes: dict[Any, list[dict[str, Any]]] = {}
    for note in tree["annotations"]:
        if note["category_id"] == kinds[0]["id"] and note.get("keypoints"):
            if note["image_id"] not in images:
                raise InputError(f"{path} has an annotation of image {note['image_id']}, which its images lack; export it again")
            notes.setdefault(note["image_id"], []).append(note)
    tracks = sorted({note["track_id"] for group in notes.values() for note in group if "track_id" in note})
    followed = all("track_id" in note for group in notes.values() for note in group)
    places = len(tracks) if followed else max(map(len, notes.values()), default=0)
    shape = (len(notes), places, len(names))
    points, score = np.full((*shape, 2), np.nan), np.zeros(shape)
    for row, group in enumerate(notes.values()):
        for i, note in enumerate(group):
            p = tracks.index(note["track_id"]) if followed else i
            points[row, p], score[row, p] = _pose(path, note, len(names))
    return Labels(names, points, score, _rows(images, list(notes), of_images), followed)


def _pose(path: Path, note: dict[str, Any], joints: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(note["keypoints"], np.float64)
    if values.size != 3 * joints or not set(values[2::3]) <= set(SCORES):
        found = f"{values.size} numbers, visibilities {sorted(set(values[2::3]))[:4]}"
        raise InputError(
            f"{path} must hold x, y, visibility (0, 1 or 2) of {joints} keypoints, found {found} in annotation {note.get('id')}"
        )
    x, y, visible = values.reshape(-1, 3).T
    return np.where((visible > 0)[:, None], np.stack([x, y], axis=1), np.nan), np.array([SCORES[int(v)] for v in visible])


def _rows(images: dict[Any, dict[str, Any]], wanted: list[Any], of_images: bool) -> list[int] | list[str]:
    if of_images or all(any(c.isdigit() for c in Path(images[i]["file_name"]).stem) for i in wanted):
        return [str(images[i]["file_name"]) for i in wanted]
    if all("frame_id" in images[i] for i in wanted):
        return [int(images[i]["frame_id"]) for i in wanted]
    order = sorted(images)
    return [order.index(i) for i in wanted]
