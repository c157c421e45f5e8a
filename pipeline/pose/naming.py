"""Entries of a clip that may be left out: how its imported labels are named, and who looks for its hands."""

import os
from pathlib import Path

from pydantic import ValidationError

from pipeline.clips import read_clip, read_hands
from pipeline.errors import InputError
from pipeline.params import Section, said


class Naming(Section):
    """joint_map: the labels' joint name → the skeleton's, None leaves it out; joint_names: the joints of an array, in order."""

    joint_map: dict[str, str | None]
    joint_names: list[str] | None


UNNAMED = Naming(joint_map={}, joint_names=None)


def read_naming(params: str | os.PathLike[str], clip: str) -> Naming:
    """Return clips.<clip>.joint_map and .joint_names; InputError for an unknown key of the clip or a value of the wrong kind."""
    entry = read_clip(params, clip)
    try:
        return Naming.model_validate({"joint_map": entry.get("joint_map", {}), "joint_names": entry.get("joint_names")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{params}: clips.{clip}.{where} is {first['input']!r}: {said(first['msg'])}.") from None


def read_hand_weights(params: str | os.PathLike[str], clip: str, weights: Path | None) -> Path | None:
    """Return the folder of the hands' networks where clips.<clip>.hands wants them, else None.

    InputError for another value than HANDS has, and where they are wanted and no folder is named.
    """
    if read_hands(params, clip) == "none":
        return None
    if weights is None:
        raise InputError(f"the hands of clip {clip} need their networks, found no folder: name it with --hand-weights, or set hands: none")
    return weights
