"""What steps of a training share: draws seeded by step, the moving average, the check that losses are finite.

A run is a function of its parameters and inputs: each step draws from generators seeded by (seed, step), so that a run
interrupted and resumed draws what an undisturbed one would, and the processes of one run draw alike.
"""

import math
import random
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def seed_step(seed: int, rank: int, step: int) -> None:
    """Reseed every global generator for one step of one process."""
    state = int(np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def step_generator(seed: int, *keys: int) -> np.random.Generator:
    """A generator of its own for (seed, keys...): same keys, same draws, in every process and after any interruption."""
    return np.random.default_rng([seed, *keys])


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a network's weights, warmed up: decay(n) = min(decay, (1+n)/(10+n)) at update n from 0.

    It begins as the network itself. Its `module` is the averaged network, whose buffers are those of the last update.
    """

    def move(averages: Iterable[Tensor], values: Iterable[Tensor], count: Tensor | int) -> None:
        n = int(count) - 1
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, 1 - min(decay, (1 + n) / (10 + n)))

    average = AveragedModel(network, multi_avg_fn=move)
    average.n_averaged.fill_(1)  # at 0 the first update would replace the average
    return average


def check_finite(losses: Mapping[str, float], step: int, where: str) -> None:
    """Raise FloatingPointError naming the loss, the step and the windows when a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"loss {name} is {value} at step {step}, {where}: lower the learning rate or use float32")
