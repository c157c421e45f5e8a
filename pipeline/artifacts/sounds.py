"""Sound set aside inside a frames artifact: array `sound` (n) uint8, the bytes of an mp4 with one track."""

import os

import numpy as np

from pipeline.artifacts.frames import REMEDY
from pipeline.artifacts.store import ArrayWriter, open_group, read_array, write_array


def write_sound(writer: ArrayWriter, sound: bytes) -> None:
    """Keep a clip's sound beside its frames while they are being written."""
    write_array(writer.group, "sound", np.frombuffer(sound, np.uint8), ("byte",))  # type: ignore[attr-defined]


def read_sound(path: str | os.PathLike[str]) -> bytes | None:
    """The sound kept in a frames artifact; None for a silent clip. InputError when the artifact is missing or damaged."""
    group, _ = open_group(path, ("frames",), REMEDY["frames"])
    return bytes(read_array(group, "sound", path, REMEDY["frames"])[:]) if "sound" in group else None
