"""How long a training lasts and which windows each of its epochs shows (Alg. 2, lines 5 and 12)."""

from dataclasses import dataclass

import numpy as np

from pipeline.appearance.memory import MemoryParams
from pipeline.appearance.params import AppearanceParams
from pipeline.errors import InputError
from pipeline.training.steps import step_generator

DRAW_ORDER, DRAW_PHASE = 1, 6  # keys that keep these draws apart from others of the same seed


@dataclass(frozen=True)
class Budget:
    """A training of `steps` steps, `windows_a_step` windows and `images_a_step` frames each, over a clip of `windows` windows.

    An epoch shows `epoch_windows` of them, all where there are no more. Not in the paper, whose epoch is the whole clip
    (Alg. 2): of minutes at 30 frames/s neighbouring windows look alike, and the memory, which counts in epochs, would
    never replay.
    """

    steps: int
    windows: int
    epoch_windows: int
    windows_a_step: int
    images_a_step: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; the last one begins again with the epoch's first windows."""
        return -(-self.epoch_windows // self.windows_a_step)

    @property
    def epochs(self) -> int:
        """Epochs that are begun."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def images_seen(self) -> int:
        """Frames that training shows the generator, counting repetitions, without replays."""
        return self.steps * self.images_a_step

    def epoch_and_place(self, step: int) -> tuple[int, int]:
        """The epoch, from 1, and the place in it, from 0, of a step from 0."""
        return step // self.steps_per_epoch + 1, step % self.steps_per_epoch

    def order(self, epoch: int) -> np.ndarray:
        """Windows of an epoch in the order of training, (steps_per_epoch, windows_a_step)."""
        shown = self._shown(epoch)
        permuted = shown[step_generator(self.seed, DRAW_ORDER, epoch).permutation(len(shown))]
        return np.resize(permuted, (self.steps_per_epoch, self.windows_a_step))

    def _shown(self, epoch: int) -> np.ndarray:
        """Windows of an epoch, spread evenly; each of `phases` epochs in a row begins elsewhere, and together they show all."""
        phases = -(-self.windows // self.epoch_windows)
        turn, place = divmod(epoch - 1, phases)
        phase = int(step_generator(self.seed, DRAW_PHASE, turn).permutation(phases)[place])
        return (np.arange(self.epoch_windows) * phases + phase) * self.windows // (self.epoch_windows * phases)


def plan_budget(params: AppearanceParams, windows: int) -> Budget:
    """The budget of a clip of so many windows: params.steps where it is given, else epochs within least and most steps.

    InputError when the least steps exceed the most.
    """
    if params.least_steps > params.most_steps:
        raise InputError(
            f"appearance.least_steps must not exceed most_steps, found {params.least_steps} and {params.most_steps}: change one of them"
        )
    a_step = params.batch_windows * params.accumulate
    shown = min(windows, params.epoch_windows)
    wanted = params.epochs * -(-shown // a_step)
    steps = params.steps or min(max(wanted, params.least_steps), params.most_steps)
    return Budget(steps, windows, shown, a_step, params.images_a_step, params.seed)


def shortcomings(budget: Budget, params: AppearanceParams, remembers: bool) -> list[str]:
    """What a training of this length will not do although its params ask for it, a line each, to be said before it starts."""
    lines = []
    if params.steps is None and budget.epochs < params.epochs:
        lines.append(f"appearance.most_steps ends training in epoch {budget.epochs} of {params.epochs}: raise it for all of them")
    if remembers and _first_written(params.memory) is None:
        lines.append(
            "the memory stays empty, since the first epoch has no quantile of losses yet: set appearance.memory.threshold, write: every or "
            "a random_share"
        )
    elif remembers and not replaying_epochs(budget, params.memory):
        lines.append(
            f"the memory will not replay in {budget.epochs} epochs of {budget.steps_per_epoch} steps, with an interval of "
            f"{params.memory.interval_epochs}: raise appearance.epochs or steps, or lower memory.interval_epochs or epoch_windows"
        )
    return lines


def replaying_epochs(budget: Budget, memory: MemoryParams) -> list[int]:
    """Epochs that begin with a replay, if windows are written as soon as they can be."""
    first = _first_written(memory)
    if first is None:
        return []
    return [epoch for epoch in range(first + 1, budget.epochs + 1) if epoch % memory.interval_epochs == 0]


def _first_written(memory: MemoryParams) -> int | None:
    """The first epoch in which a window can be written; None if there is none. A quantile of losses exists from the second on."""
    if memory.threshold is not None or memory.random_share:
        return 1
    return 2 if memory.write == "every" else None
