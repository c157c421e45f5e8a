"""Watched frames: held-out frames at the size people watch, true, as reconstructed, and as copies of training frames."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.artifacts.store import PICTURES, ArrayReader, ArrayWriter, create_group, open_group, read_array, readable, write_array

REMEDY = "Run: dvc repro evaluate_reconstruction"
AXES = ("picture", *PICTURES[1:])


@dataclass(frozen=True)
class Watched:
    """frames (n): their numbers in the clip; pictures by name (`truth`, then methods): (n h w 3) uint8. Nothing scored: none of either."""

    frames: np.ndarray
    pictures: dict[str, ArrayReader]


def write_watched(path: str | os.PathLike[str], frames: Sequence[int], pictures: Mapping[str, np.ndarray]) -> None:
    """Publish pictures (n h w 3) uint8 by name, and the frames (n) that they show; ValueError when they are not as many."""
    with create_group(path, "watched", {"pictures": list(pictures)}) as group:
        for name, shown in pictures.items():
            if len(shown) != len(frames):
                raise ValueError(f"{len(shown)} pictures of {name}, {len(frames)} frames")
            writer = ArrayWriter(group, name, shown.shape[1:], "uint8", AXES)
            writer.append(shown)
            writer.flush()
        write_array(group, "frames", np.asarray(frames, np.int64), AXES[:1])


def open_watched(path: str | os.PathLike[str]) -> Watched:
    """Open watched frames; InputError when missing, of another kind or damaged."""
    group, attributes = open_group(path, ("watched",), REMEDY)
    with readable(path, "watched frames", REMEDY):
        pictures = {name: read_array(group, name, path, REMEDY) for name in attributes["pictures"]}
        return Watched(read_array(group, "frames", path, REMEDY)[:] if pictures else np.empty(0, np.int64), pictures)
