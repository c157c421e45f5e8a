"""Entries of a clip that may be left out: how its imported labels are named, and who looks for its hands."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.params import Section, read_value

NEEDED = ("video", "labels", "skeleton", "pose", "refiner", "select")
OPTIONAL = ("camera", "hands", "joint_map", "joint_names", "span")  # camera: pipeline/pose/camera.py, span: pipeline/frames/extract.py
HANDS = ("mediapipe", "none")


class Naming(Section):
    """joint_map: the labels' joint name → the skeleton's, None leaves it out; joint_names: the joints of an array, in order."""

    joint_map: dict[str, str | None]
    joint_names: list[str] | None


UNNAMED = Naming(joint_map={}, joint_names=None)


def read_naming(params: str | os.PathLike[str], clip: str) -> Naming:
    """Return clips.<clip>.joint_map and .joint_names; InputError for an unknown key of the clip or a value of the wrong kind.

    The whole entry of a clip is a dependency of its stage, so that a key left out is one that DVC sees appear.
    """
    entry = _entry(params, clip)
    try:
        return Naming.model_validate({"joint_map": entry.get("joint_map", {}), "joint_names": entry.get("joint_names")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{params}: clips.{clip}.{where} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None


def read_hands(params: str | os.PathLike[str], clip: str, weights: Path | None) -> Path | None:
    """Return the folder of the hands' networks where clips.<clip>.hands wants them, else None, also where it is left out.

    InputError for another value than mediapipe or none, and where they are wanted and no folder is named.
    """
    entry = _entry(params, clip)
    hands = entry.get("hands", "none")
    if hands not in HANDS:
        raise InputError(f"{params}: clips.{clip}.hands is {hands!r}; legal: {', '.join(HANDS)}.")
    if hands == "none":
        return None
    if weights is None:
        raise InputError(f"the hands of clip {clip} need their networks, found no folder: name it with --hand-weights, or set hands: none")
    return weights


def _entry(params: str | os.PathLike[str], clip: str) -> Mapping[str, Any]:
    entry = read_value(params, f"clips.{clip}")
    known = (*NEEDED, *OPTIONAL)
    if not isinstance(entry, Mapping):
        raise InputError(f"{params}: clips.{clip} must be a mapping of {', '.join(NEEDED)}, found {entry!r}.")
    for key in entry:
        if key not in known:
            raise InputError(f"{params}: clips.{clip}.{key} is not a known key; legal here: {', '.join(known)}.")
    return entry
