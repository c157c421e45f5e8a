"""DVC's graph as tasks: which stages wait for which, where each runs, and which wants a GPU."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import InputError

Place = Literal["first", "worker", "last"]
# Before all others and here: the check of names, and what comes from the net, which a cluster's nodes often have not.
FIRST = frozenset({"check_names", "fetch_assets"})
# After all others and here: signing needs the keys of whoever calls, and the report reads every artifact that there is.
LAST = frozenset({"sign", "report"})
# Training and rendering; everything else is as fast, or nearly so, on a CPU.
GPU = frozenset({"train_appearance", "train_refiner", "generate_foreground", "refine_regions"})
DOOR = re.compile(r"-m stages\.(\w+)")


@dataclass(frozen=True)
class Task:
    """One stage: its address (train_appearance@ana), what it needs outs of (addresses and .dvc files), where it runs."""

    address: str
    needs: tuple[str, ...]
    place: Place
    gpu: bool

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The stages among what it needs; files that DVC keeps for the user are there already."""
        return tuple(name for name in self.needs if not name.endswith(".dvc"))


class Plan:
    """Tasks by address, each after those that it waits for."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = _ordered({task.address: task for task in tasks})

    def at(self, *places: Place) -> list[Task]:
        """Tasks that run at these places, in order."""
        return [task for task in self.tasks.values() if task.place in places]

    def after(self, address: str) -> list[str]:
        """Everything that waits for a stage, directly or not, in order."""
        found: list[str] = []
        for name, task in self.tasks.items():
            if any(needed == address or needed in found for needed in task.waits_for):
                found.append(name)
        return found

    def up_to_date(self, changed: Iterable[str]) -> set[str]:
        """Stages that neither changed themselves nor wait for one that did."""
        stale = set(changed) & self.tasks.keys()
        for address in tuple(stale):
            stale.update(self.after(address))
        return self.tasks.keys() - stale

    def sources(self) -> list[str]:
        """Files that `dvc add` keeps, by their .dvc file."""
        return sorted({name for task in self.tasks.values() for name in task.needs if name.endswith(".dvc")})


def read_plan(repo: Any, targets: Iterable[str] = ()) -> Plan:
    """The plan of what the targets (stages, groups of stages, outs; none: everything) need, from DVC's own graph.

    repo: a dvc.repo.Repo. InputError when DVC knows no such target.
    """
    from dvc.exceptions import DvcException
    from dvc.repo.reproduce import get_active_graph, plan_repro
    from dvc.stage import PipelineStage

    graph = get_active_graph(repo.index.graph)
    wanted = []
    for target in targets:
        try:
            wanted += repo.stage.collect(target)
        except DvcException as error:
            raise InputError(f"{target!r} must be a stage of dvc.yaml or an out of one ({error}): dvc stage list has them.") from None
    stages = [stage for stage in plan_repro(graph, wanted or None) if isinstance(stage, PipelineStage)]
    tasks = []
    for stage in stages:
        needs = sorted(str(needed.addressing) for needed in graph.successors(stage))
        tasks.append(task_of(str(stage.addressing), str(stage.cmd), needs))
    return Plan(tasks)


def task_of(address: str, command: str, needs: Iterable[str]) -> Task:
    """The task of a stage, by the door that its command opens."""
    match = DOOR.search(command)
    door = match[1] if match else ""
    place: Place = "first" if door in FIRST else "last" if door in LAST else "worker"
    return Task(address, tuple(needs), place, door in GPU)


def _ordered(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Each task after those that it waits for; what lies outside the tasks is not waited for. ValueError for a circle."""
    ordered: dict[str, Task] = {}
    waiting = dict(tasks)
    while waiting:
        free = [name for name, task in waiting.items() if not any(needed in waiting for needed in task.waits_for)]
        if not free:
            raise ValueError(f"stages wait for each other: {', '.join(waiting)}")
        ordered |= {name: waiting.pop(name) for name in free}
    return ordered
