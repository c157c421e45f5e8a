"""Room on the disk for all that a training writes, asked for before its first step and not when days of it are to be kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from pipeline.appearance.systems.base import System
from pipeline.artifacts.store import require_room

SPARE = 2**20  # beside the tensors of a file: their names, descriptions, curves, what a memory remembers


class Written(NamedTuple):
    """Bytes of the tensors that a training writes: those of the model, of the discriminators, and of one checkpoint."""

    model: int
    discriminators: int
    checkpoint: int


def written(system: System, history: torch.Tensor) -> Written:
    """What a training of a system writes; Adam keeps two moments a parameter, of which there are none before the first step."""
    model, discriminators = _bytes(system.ema.module.state_dict()), _bytes(system.discriminators.state_dict())
    moments = 2 * _bytes(dict(nn.ModuleList([system.generator, system.discriminators]).named_parameters()))
    return Written(model, discriminators, 2 * model + discriminators + moments + _bytes({"history": history}))


def require_space(system: System, history: torch.Tensor, weights: Path, discriminators: Path | None, checkpoint: Path) -> None:
    """InputError unless there is room for the published files and for two checkpoints, since one takes the place of another when whole."""
    needed, there = written(system, history), checkpoint.stat().st_size if checkpoint.exists() else 0
    files = {weights: needed.model + SPARE, checkpoint: 2 * needed.checkpoint + SPARE - min(there, needed.checkpoint)}
    require_room(files | ({} if discriminators is None else {discriminators: needed.discriminators + SPARE}))


def _bytes(state: Mapping[str, torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())
