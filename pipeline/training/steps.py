"""What steps of a training share: draws seeded by step, the moving average, the check that losses are finite.

A run is a function of its parameters and inputs: each step draws from generators seeded by (seed, step), so that a run
interrupted and resumed draws what an undisturbed one would, and the processes of one run draw alike.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn


def seed_step(seed: int, rank: int, step: int) -> None:
    """Reseed every global generator for one step of one process."""
    state = int(np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def step_generator(seed: int, *keys: int) -> np.random.Generator:
    """A generator of its own for (seed, keys...): same keys, same draws, in every process and after any interruption."""
    return np.random.default_rng([seed, *keys])


class Ema:
    """Exponential moving average of a network's floating-point state, warmed up: decay(n) = min(decay, (1+n)/(10+n))."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's present state."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in network.state_dict().items():
            average = self.state[name]
            if average.is_floating_point():
                average.lerp_(value.detach(), 1 - decay)
            else:
                average.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Average and count of updates, for a checkpoint."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take up the average of a checkpoint."""
        self.updates = int(saved["updates"])
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


def check_finite(losses: Mapping[str, float], step: int, where: str) -> None:
    """Raise FloatingPointError naming the loss, the step and the windows when a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"loss {name} is {value} at step {step}, {where}: lower the learning rate or use float32")
