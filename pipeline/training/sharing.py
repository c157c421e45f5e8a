"""How the processes of a training share the windows of a step, so that their slopes add up to those of one process.

A step shows `batches` (as accumulated) of so many windows each. What a loss over a whole batch sees at once is a *unit*: a batch, or a
window where windows go through one by one. Processes take their shares of a unit, or of several at a time where they are more than its
windows.
"""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Part:
    """What a process takes at a time: place of `among` equal parts of a batch; the unit that it is of; how many windows of it count.

    With 0 it only looks on: it does as the others do, for what they exchange, and counts nothing.
    """

    batch: int
    place: int
    among: int
    unit: int
    windows: int


@dataclass(frozen=True)
class Share:
    """A process's part beside those that the others take at the same time, by rank; a step is `units` units of `windows` windows."""

    units: int
    windows: int = 1
    rank: int = 0
    parts: tuple[Part, ...] = (Part(0, 0, 1, 0, 1),)

    @property
    def own(self) -> Part:
        """This process's part."""
        return self.parts[self.rank]

    @property
    def divisor(self) -> float:
        """By which a mean over the part's windows becomes its part of the mean over the step's; inf for one that looks on."""
        return self.units * self.windows / self.own.windows if self.own.windows else math.inf

    @property
    def whole(self) -> float:
        """Times what a value over the whole unit, known to all its processes, counts here: divided as its windows are, it is the unit's."""
        return self.windows / self.own.windows if self.own.windows else 0.0

    @property
    def counts(self) -> list[int]:
        """Windows that count, by rank."""
        return [part.windows for part in self.parts]

    @property
    def partners(self) -> list[int]:
        """Ranks that share this process's unit."""
        return [rank for rank, part in enumerate(self.parts) if part.unit == self.own.unit]

    @property
    def before(self) -> list[int]:
        """Ranks that take earlier units of the step at the same time."""
        return [rank for rank, part in enumerate(self.parts) if part.unit < self.own.unit]


def share_out(batches: int, windows: int, processes: int, alone: bool = False) -> list[tuple[Part, ...]]:
    """What each of the processes takes, in order of rank, one tuple for each time; alone: windows go through one by one.

    Every window counts once, and those of a unit are with processes of ascending rank.
    """
    units = [(i, b) for i in range(batches) for b in range(windows)] if alone else [(i, 0) for i in range(batches)]
    size = 1 if alone else windows
    at_once = min(len(units), max(1, processes // size))
    rounds = []
    for start in range(0, len(units), at_once):
        here = min(at_once, len(units) - start)
        each = processes // here
        parts = []
        for rank in range(processes):
            group, place = divmod(rank, each)
            unit = start + min(group, here - 1)
            count = (place + 1) * size // each - place * size // each if group < here else 0
            batch, window = units[unit]
            if alone or not count:  # the one window, or the batch's first to look on with
                parts.append(Part(batch, window, windows, unit, count))
            else:
                parts.append(Part(batch, place, each, unit, count))
        rounds.append(tuple(parts))
    return rounds


def count_processes(batches: int, windows: int) -> int:
    """Processes of a run on this machine: as many of its GPUs as shorten a step, 1 on the CPU.

    The windows of a step are those of the whole run, so the number of GPUs changes no result beyond rounding.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 1
    return min(range(1, max(gpus, 1) + 1), key=lambda n: (_windows_in_turn(batches, windows, n), n))


def _windows_in_turn(batches: int, windows: int, processes: int) -> int:
    return sum(max(part.windows for part in parts) for parts in share_out(batches, windows, processes))


def sharing_told(batches: int, windows: int, processes: int, alone: bool) -> str:
    """One line: how several processes share a step, and how many of them it has no work for."""
    rounds = share_out(batches, windows, processes, alone)
    idle = processes - max(sum(part.windows > 0 for part in parts) for parts in rounds)
    line = (
        f"{processes} processes share the {batches * windows} windows of a step, in {len(rounds)} turn{'s' * (len(rounds) > 1)}; "
        "their gradients add up to those of one process"
    )
    if idle:
        line += f"; {idle} of them find{'s' * (idle == 1)} nothing to do: raise appearance.batch_windows or accumulate"
    return line
