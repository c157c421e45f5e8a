"""Further clips of a target: which there are, in the order in which they were learnt, and the model that the last one led to."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.store import VERSION, ArrayReader, publish, readable
from pipeline.errors import InputError

KIND = "further clips"
LIST = "_clips.json"  # no clip's name begins so
REMEDY = "Run: dvc repro list_footage"


def write_clips(folder: str | os.PathLike[str], clips: Sequence[str]) -> None:
    """Publish the list in the folder that holds what was made of the clips; [] where a target has its own clip alone."""
    described = {"kind": KIND, "version": VERSION, "clips": list(clips)}
    with publish(Path(folder) / LIST, KIND) as temporary:
        temporary.write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_clips(folder: str | os.PathLike[str]) -> list[str]:
    """The further clips whose artifacts lie in a folder, in order; InputError when its list is missing or damaged."""
    path = Path(folder) / LIST
    with readable(path, "list of further clips", REMEDY):
        described = json.loads(path.read_text(encoding="utf-8"))
        if (described["kind"], described["version"]) != (KIND, VERSION):
            raise InputError(f"{path} must be a list of further clips of version {VERSION}, found {described['kind']}. {REMEDY}")
        return [str(name) for name in described["clips"]]


def clip_paths(folder: str | os.PathLike[str] | None) -> list[Path]:
    """What the names of a target's further clips' artifacts in a folder begin with, in order; [] without a folder."""
    return [] if folder is None else [Path(folder) / clip for clip in read_clips(folder)]


def read_last_model(weights: Path, description: Path, folder: Path | None) -> tuple[Path, Path]:
    """Weights and description of the model that a target's last further clip led to; those given where it has none."""
    last = read_descriptions(folder)[-1:]
    return (last[0].with_suffix(".safetensors"), last[0]) if last else (weights, description)


def read_descriptions(folder: Path | None) -> list[Path]:
    """The description of each model that a target's further clips led to, in order."""
    return [Path(f"{path}-appearance.json") for path in clip_paths(folder)]


class JoinedArray:
    """Pictures of several artifacts as one array (n h w …), read by integer or slice; smaller ones are filled up with 0 on the right and
    below."""

    def __init__(self, parts: Sequence[Any]) -> None:
        """parts: readers or arrays (m h w …) that differ in m, h and w alone."""
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        height, width = (max(part.shape[axis] for part in parts) for axis in (1, 2))
        self.shape: tuple[int, ...] = (int(self._starts[-1]), height, width, *parts[0].shape[3:])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice) -> np.ndarray:
        if isinstance(key, slice):
            rows = range(*key.indices(len(self)))
            return np.stack([self[i] for i in rows]) if rows else np.zeros((0, *self.shape[1:]), self.dtype)
        if not 0 <= key < len(self):
            raise IndexError(f"picture {key} of {len(self)}")
        part = int(np.searchsorted(self._starts, key, "right")) - 1
        picture = self._parts[part][int(key) - int(self._starts[part])]
        return np.pad(picture, [(0, full - own) for full, own in zip(self.shape[1:], picture.shape, strict=True)])


Pictures = ArrayReader | JoinedArray
