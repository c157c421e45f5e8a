"""A whole spread of a project: what is asked before, what runs here, what workers run, what comes home."""

import contextlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.cluster import project as here
from pipeline.cluster.clusters import Choice, connected, require_dask
from pipeline.cluster.plan import Plan, read_plan
from pipeline.cluster.spread import DaskWorkers, Head


def spread_project(project: Path, targets: Sequence[str], choice: Choice, scratch: Path) -> bool:
    """Bring targets (none: everything) up to date by the workers of a cluster; whether all of them are.

    scratch: a folder that all workers see under this path; checkpoints lie there, where a training goes on after its worker
    died. Afterwards dvc.lock and the outs are as after `dvc repro` here, which then runs nothing. InputError before
    anything runs when the project cannot be handed to workers.
    """
    from dvc.repo import Repo

    require_dask(choice.slurm)
    with Repo(os.fspath(project)) as repo:
        plan = read_plan(repo, targets)
        remote = here.require_remote(repo)
        uncached = {stage.addressing: [out.def_path for out in stage.outs if not out.use_cache] for stage in repo.index.stages}
        commit = here.require_commit(project, [path for paths in uncached.values() for path in paths])
        here.require_known(project, repo, plan)

    here.repro_here(project, [task.address for task in plan.at("first")], alone=False)
    changed = here.changed_here(project, [*plan.tasks, *plan.sources()])
    here.require_sources(changed, plan)
    finished = plan.up_to_date(changed)
    # what did not change itself may not run either: its earlier outs are what a worker then takes
    here.hand_over(project, [*plan.sources(), *(name for name in _read_by_workers(plan, finished) if name not in changed)])

    run = uuid.uuid4().hex[:12]
    with _folder(scratch / "spread" / run) as folder:
        shared = here.Shared(commit, here.publish(project, commit, folder / "shared"), remote, os.fspath(scratch))
        head = Head(plan, finished, project, shared, run, uncached)
        before = set(head.view.waiting)
        if before:
            _by_workers(head, choice, folder, run, plan)
        view = head.view
        here.bring_home(project, sorted(before - view.failed.keys() - view.skipped.keys()))

    last = [task.address for task in plan.at("last") if task.address not in finished]
    stuck = {*view.failed, *view.skipped}
    here.repro_here(project, [name for name in last if not any(name in plan.after(address) for address in stuck)], alone=True)
    left = here.changed_here(project, plan.tasks.keys())
    here.hand_over(project, [name for name in last if name not in left])
    view.draw(always=True)
    for address, line in view.failed.items():
        print(f"error: {address}: {line}", file=sys.stderr)
    if left:
        print(f"error: not up to date: {', '.join(sorted(left))}", file=sys.stderr)
    return not left


def _by_workers(head: Head, choice: Choice, folder: Path, run: str, plan: Plan) -> None:
    with connected(choice, folder / "workers") as (client, scale):
        workers = DaskWorkers(client, scale, run, head.view, plan)
        try:
            head.spread(workers)
        finally:
            if choice.scheduler:  # what was started for this spread ends with it
                workers.stop()


def _read_by_workers(plan: Plan, finished: set[str]) -> list[str]:
    """Stages whose outs workers may need: those that they do not run themselves and read, and those that may turn out unchanged."""
    mine = [task for task in plan.at("worker") if task.address not in finished]
    return sorted({name for task in mine for name in (task.address, *task.waits_for)})


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A folder for one spread, removed at its end, however it ends."""
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        for _ in range(100):  # a stage that was interrupted may write for another moment
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                break
            time.sleep(0.1)
        with contextlib.suppress(OSError):  # another spread is on its way
            path.parent.rmdir()
