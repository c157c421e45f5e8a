"""Work for the processes of a training: they import it by its name, which a test file has only within pytest."""

from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from pipeline.errors import InputError
from pipeline.training.processes import World, add_gradients, gather


def exchange_and_refuse(world: World, folder: Path) -> None:
    """Share values, average slopes, write what this process found to folder/<rank>.pt, and then refuse to work on."""
    weight = nn.Parameter(torch.ones(2))
    everyone = torch.cat(gather(weight * (world.rank + 1), world))
    uneven = torch.cat(gather(torch.full((2,), world.rank), world, [1, 2]))
    everyone.sum().backward()
    add_gradients([weight], world)
    assert weight.grad is not None
    torch.save({"everyone": everyone.detach(), "uneven": uneven, "grad": weight.grad}, folder / f"{world.rank}.pt")
    distributed.barrier()  # where one process has ended the others are stopped
    raise InputError(f"two processes must agree, found {world.size}")


def train_in_turn(world: World, crops: Path, track: Any, features: Path, systems: dict[str, Any], made: Path) -> None:
    """Train all systems as train_appearance() has each of its processes do; to made/<name>.safetensors, .json, .tsv."""
    from pipeline.appearance import train as training  # not of those who only exchange
    from pipeline.artifacts.crops import open_crops
    from pipeline.timeline.split import SplitParams

    for name, params in systems.items():
        out = training.Outputs(*(made / f"{name}.{suffix}" for suffix in ("safetensors", "json", "tsv")))
        inputs = training.Inputs(open_crops(crops), track, features)
        training.train_appearance(inputs, params, SplitParams(hold_out_fraction=0.0), out, made / ".scratch", world=world)
