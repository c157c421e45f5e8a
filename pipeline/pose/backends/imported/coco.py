"""COCO's keypoint JSON: pictures, categories with named keypoints, annotations with x, y, visibility."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.labels import Labels, picture_name, require_room
from pipeline.pose.backends.imported.texts import read_text

SCORES = {0: 0.0, 1: 0.5, 2: 1.0}  # not labelled, labelled but hidden, visible


def read_coco(path: Path, of_images: bool) -> Labels:
    """Read all annotated pictures. A track_id on every annotation gives identities.

    A keypoint's third number is its visibility 0, 1 or 2; in a file where it is a fraction anywhere, as detectors write it,
    it is the score, and what is above 1 counts as 1.
    Frames go by the pictures' file names; of a video (not of_images) whose file names tell no number, by frame_id or,
    without one, by their order of id.
    """
    tree = read_json(path)
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(tree, dict) or key not in tree]
    if missing:
        found = ", ".join(tree) if isinstance(tree, dict) else type(tree).__name__
        raise InputError(f"{path} must be COCO's JSON with images, annotations and categories, found {found}: {', '.join(missing)} missing")
    for key in ("images", "annotations", "categories"):
        if not isinstance(tree[key], list) or not all(isinstance(entry, dict) for entry in tree[key]):
            raise InputError(f"{path} must have a list of objects as {key}, found another kind of value; export it again")
    try:
        return _labels(path, tree, of_images)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} must follow COCO's keypoint format, found it damaged ({error!r}); export it again") from error


def read_json(path: Path) -> Any:
    """Parse a JSON file; InputError when it is none."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} must be JSON, found it damaged ({error}); export it again") from error
    except (RecursionError, ValueError) as error:  # and numbers of more digits than Python takes
        raise InputError(f"{path} must be JSON of labels, found it nested or written beyond all use ({error}); export it again") from error


def _labels(path: Path, tree: dict[str, Any], of_images: bool) -> Labels:
    kinds = [kind for kind in tree["categories"] if kind.get("keypoints")]
    if len(kinds) != 1:
        named = ", ".join(str(kind.get("name")) for kind in kinds) or "none"
        raise InputError(f"{path} must have one category with keypoints, found {named}; export the subject's alone")
    names = kinds[0]["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} must list the names of its category's keypoints, found {names!r}; export it again")
    images = {image["id"]: image for image in tree["images"]}
    notes: dict[Any, list[dict[str, Any]]] = {}
    for note in tree["annotations"]:
        if note["category_id"] == kinds[0]["id"] and note.get("keypoints"):
            if note["image_id"] not in images:
                raise InputError(f"{path} has an annotation of image {note['image_id']}, which its images lack; export it again")
            if not isinstance(note["keypoints"], list) or not all(type(value) in (int, float) for value in note["keypoints"]):
                found = f"another kind of value in annotation {note.get('id')}"
                raise InputError(f"{path} must have each annotation's keypoints in one list of numbers, found {found}; export it again")
            notes.setdefault(note["image_id"], []).append(note)
    if not notes and tree["annotations"]:
        found = f"{len(tree['annotations'])} annotations, none of them with keypoints of it"
        raise InputError(f"{path} must have keypoints of its category {kinds[0].get('name')}, found {found}; export it again")
    tracked = [[note.get("track_id") for note in group] for group in notes.values()]  # null is no track
    tracks = sorted({track for group in tracked for track in group if track is not None})
    place = {track: p for p, track in enumerate(tracks)}
    followed = all(track is not None for group in tracked for track in group)
    twice = next((i for i, group in zip(notes, tracked, strict=True) if followed and len(set(group)) < len(group)), None)
    if twice is not None:
        raise InputError(f"{path} must have a track once in a picture, found one twice in image {twice}; take one of its annotations out")
    places = len(tracks) if followed else max(map(len, notes.values()), default=0)
    scored = any(value % 1 for group in notes.values() for note in group for value in note["keypoints"][2::3])
    shape = (len(notes), places, len(names))
    require_room(path, shape)
    points, score = np.full((*shape, 2), np.nan), np.zeros(shape)
    for row, group in enumerate(notes.values()):
        for i, note in enumerate(group):
            p = place[note["track_id"]] if followed else i
            points[row, p], score[row, p] = _pose(path, note, len(names), scored)
    return Labels(names, points, score, _rows(images, list(notes), of_images), followed)


def _pose(path: Path, note: dict[str, Any], joints: int, scored: bool) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(note["keypoints"], np.float64)
    third = values[2::3]
    legal = bool(((third >= 0) & (third <= 2)).all()) if scored else set(third) <= set(SCORES)
    if values.size != 3 * joints or not legal:
        found = f"{values.size} numbers, as third ones {', '.join(f'{value:g}' for value in sorted(set(third))[:4])}"
        raise InputError(
            f"{path} must hold x, y and visibility (0, 1 or 2) or score (0 to 1) of {joints} keypoints, "
            f"found {found} in annotation {note.get('id')}; export it again"
        )
    x, y, visible = values.reshape(-1, 3).T
    score = np.minimum(visible, 1.0) if scored else np.array([SCORES[int(v)] for v in visible])
    return np.where((visible > 0)[:, None], np.stack([x, y], axis=1), np.nan), score


def _rows(images: dict[Any, dict[str, Any]], wanted: list[Any], of_images: bool) -> list[int] | list[str]:
    if of_images or all(any(c.isdigit() for c in picture_name(str(images[i]["file_name"]))) for i in wanted):
        return [str(images[i]["file_name"]) for i in wanted]
    if all("frame_id" in images[i] for i in wanted):
        return [int(images[i]["frame_id"]) for i in wanted]
    order = {i: place for place, i in enumerate(sorted(images))}
    return [order[i] for i in wanted]
