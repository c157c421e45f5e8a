"""What steps of a training share: draws seeded by step, the moving average, the check that losses are finite.

A run is a function of its parameters and inputs: each step draws from generators seeded by (seed, step), so that a run
interrupted and resumed draws what an undisturbed one would, and the processes of one run draw alike.
"""

import copy
import math
import random
from collections.abc import Mapping

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


class MovingAverage(nn.Module):
    """Exponential moving average of a network's weights, warmed up: decay(n) = min(decay, (1+n)/(10+n)) at update n from 0.

    It begins as the network itself. Its `module` is the averaged network, whose buffers are those of the last update. The count is
    the host's, so that no update waits for a device, as those of torch's AveragedModel do.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.module, self.decay, self.n_averaged = copy.deepcopy(network), decay, 1

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights, and take over its buffers."""
        n = self.n_averaged - 1
        for average, value in zip(self.module.parameters(), network.parameters(), strict=True):
            average.lerp_(value, 1 - min(self.decay, (1 + n) / (10 + n)))
        for average, value in zip(self.module.buffers(), network.buffers(), strict=True):
            average.copy_(value)
        self.n_averaged += 1

    def get_extra_state(self) -> int:
        """The count, which a checkpoint keeps beside the weights."""
        return self.n_averaged

    def set_extra_state(self, state: int) -> None:
        """Take up a checkpoint's count."""
        self.n_averaged = int(state)


def check_finite(losses: Mapping[str, float], step: int, where: str) -> None:
    """Raise FloatingPointError naming the loss, the step and the windows when a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"loss {name} is {value} at step {step}, {where}: lower the learning rate or use float32")
