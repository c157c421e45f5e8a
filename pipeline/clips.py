"""What an entry of `clips` in params.yaml may say, and what it means where it says nothing of hands."""

import os
from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.params import read_value

NEEDED_KEYS = ("video", "labels", "skeleton", "pose", "refiner")
OPTIONAL_KEYS = ("select", "camera", "hands", "joint_map", "joint_names", "span")
HANDS = ("mediapipe", "none")


def read_clip(params: str | os.PathLike[str], clip: str) -> Mapping[str, Any]:
    """Return the entry of a clip; InputError when it is no mapping, or for an unknown key.

    The whole of it is a dependency of who reads it, so that a key left out is one that DVC sees appear.
    """
    entry = read_value(params, f"clips.{clip}")
    known = (*NEEDED_KEYS, *OPTIONAL_KEYS)
    if not isinstance(entry, Mapping):
        raise InputError(f"{params}: clips.{clip} must be a mapping of {', '.join(NEEDED_KEYS)}, found {entry!r}.")
    for key in entry:
        if key not in known:
            raise InputError(f"{params}: clips.{clip}.{key} is not a known key; legal here: {', '.join(known)}.")
    return entry


def read_hands(params: str | os.PathLike[str], clip: str) -> str:
    """Return who looks for the hands of a clip, one of HANDS; left out, mediapipe with BlazePose, of whose wheel it is, else none.

    InputError for another value.
    """
    entry = read_clip(params, clip)
    hands = entry.get("hands", "mediapipe" if entry.get("pose") == "blazepose" else "none")
    if hands not in HANDS:
        raise InputError(f"{params}: clips.{clip}.hands is {hands!r}; legal: {', '.join(HANDS)}.")
    return hands
