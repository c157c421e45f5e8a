"""Which frames of a target are learnt from and which are held out."""

import os
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from pipeline.params import Section, read_section, read_value


class SplitParams(Section):
    """Section `split` of params.yaml."""

    hold_out_fraction: float = Field(ge=0.0, le=0.9)


@dataclass(frozen=True)
class Split:
    """Frame indices, ascending: `training` and `held_out` int64; frames without the subject are in neither."""

    training: np.ndarray
    held_out: np.ndarray

    @property
    def border(self) -> int:
        """First frame index that belongs to the held-out time; past the end when nothing is held out."""
        return int(self.held_out[0]) if len(self.held_out) else np.iinfo(np.int64).max


def split_frames(present: np.ndarray, params: SplitParams) -> Split:
    """Hold out the last fraction in time of the frames in which the subject is present (t) bool; one at least is for training.

    Not in the paper: a random split leaks, since neighbouring frames are nearly equal.
    """
    frames = np.flatnonzero(np.asarray(present))
    held_out = round(len(frames) * params.hold_out_fraction)
    border = max(len(frames) - held_out, min(len(frames), 1))
    return Split(frames[:border], frames[border:])


def self_split(params: str | os.PathLike[str], pair: str) -> SplitParams | None:
    """The split of a self pair, whose driver is the target's own clip; None for any other pair."""
    target = read_value(params, f"pairs.{pair}.target")
    if read_value(params, f"pairs.{pair}.driver") != read_value(params, f"targets.{target}.clip"):
        return None
    return read_section(params, "split", SplitParams)
