"""The head: hands stages to workers as soon as what they need is done, and writes what comes back into dvc.lock at once."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pipeline.cluster.entries import Done, read_entries, read_files, write_entries, write_files
from pipeline.cluster.plan import Plan, Task
from pipeline.cluster.project import Shared
from pipeline.cluster.view import View
from pipeline.cluster.work import StageError

LOOK_EVERY_S = 0.5


class Workers(Protocol):
    """Something that runs jobs: begin() one, collect() those that ended since."""

    def begin(self, task: Task, job: dict[str, Any]) -> None:
        """Have a job run."""
        ...

    def collect(self, seconds: float) -> list[tuple[str, Done | Exception]]:
        """What ended, by address; waits up to so many seconds for the first."""
        ...

    def ask_for(self, workers: int) -> None:
        """As many workers as have something to do."""
        ...


class Head:
    """One spread: the plan, what is done already, and the project that results go to."""

    def __init__(self, plan: Plan, finished: Iterable[str], project: Path, shared: Shared, run: str, uncached: Mapping[str, list[str]]):
        """uncached: by stage, those of its outs that DVC does not cache."""
        self._plan, self._project, self._shared, self._run, self._uncached = plan, project, shared, run, uncached
        self._entries = read_entries(project)
        self._finished = set(finished)
        self._waiting = {task.address: task for task in plan.at("worker") if task.address not in self._finished}
        self._running: set[str] = set()
        self.view = View(self._waiting)

    def spread(self, workers: Workers) -> None:
        """Run everything that can run; a failed stage stops none but those that wait for it."""
        for address in [name for task in self._plan.at("first") if (name := task.address) not in self._finished]:
            self._fail(address, StageError("it did not run here; see above", ""))
        while self._waiting or self._running:
            for task in [task for task in self._waiting.values() if self._finished.issuperset(task.waits_for)]:
                del self._waiting[task.address]
                self._running.add(task.address)
                workers.begin(task, self.job(task))
            workers.ask_for(len(self._running))
            for address, result in workers.collect(LOOK_EVERY_S):
                self._running.discard(address)
                if isinstance(result, Exception):
                    self._fail(address, result)
                else:
                    self._take(address, result)
            self.view.draw()

    def job(self, task: Task) -> dict[str, Any]:
        """What a worker needs to know of a task: nothing but this, the scratch folder and the remote."""
        own = [task.address] if self._whole(task.address) else []
        names = [*task.waits_for, *own]
        return {
            "run": self._run, "address": task.address, "needs": list(task.needs),
            "entries": {name: self._entries[name] for name in names if name in self._entries},
            "files": read_files(self._project, [path for name in names for path in self._uncached.get(name, ())]),
            "commit": self._shared.commit, "repository": self._shared.repository,
            "remote": self._shared.remote, "scratch": self._shared.scratch,
        }  # fmt: skip

    def _whole(self, address: str) -> bool:
        """Whether an earlier entry can be told whole: with what DVC does not keep of it."""
        return all((self._project / path).is_file() for path in self._uncached.get(address, ()))

    def _take(self, address: str, done: Done) -> None:
        self._entries[address] = done.entry
        write_files(self._project, done.files)
        write_entries(self._project, {address: done.entry})
        self._finished.add(address)
        self.view.ends(address)

    def _fail(self, address: str, error: Exception) -> None:
        after = [name for name in self._plan.after(address) if self._waiting.pop(name, None)]
        line = error.line if isinstance(error, StageError) else f"{type(error).__name__}: {error}"
        if isinstance(error, StageError) and error.log:
            kept = self._project / ".scratch" / "errors" / f"{address}-{time.strftime('%Y%m%d-%H%M%S')}.txt"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{error.log}\n", encoding="utf-8")
            line = f"{line.rstrip('.')}. Its last lines: {kept.relative_to(self._project)}"
        self.view.fails(address, line, after)


class DaskWorkers:
    """Workers of a Dask cluster: what ended is fetched at once, so that no worker's memory holds what would be lost with it."""

    def __init__(self, client: Any, scale: Any, run: str, view: View, plan: Plan) -> None:
        self._client, self._scale, self._run, self._plan = client, scale, run, plan
        self._futures: dict[Any, str] = {}
        client.subscribe_topic(run, lambda event: view.says(event[1]["address"], event[1]["line"], event[1]["worker"]))

    def begin(self, task: Task, job: dict[str, Any]) -> None:
        """Submit the task; where GPUs are offered, training and rendering ask for one. What most waits for goes first."""
        from pipeline.cluster.clusters import wants_gpu
        from pipeline.cluster.work import work

        resources = {"GPU": 1} if task.gpu and wants_gpu(self._client) else None
        urgency = len(self._plan.after(task.address))
        key = f"{task.address}-{self._run}"
        self._futures[self._client.submit(work, job, key=key, pure=False, resources=resources, priority=urgency)] = task.address

    def collect(self, seconds: float) -> list[tuple[str, Done | Exception]]:
        """Results and errors of what ended; a worker that died is Dask's business, until it has happened too often."""
        from distributed import wait

        if not self._futures:
            return []
        try:
            waited: Any = wait(list(self._futures), timeout=seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return []
        found: list[tuple[str, Done | Exception]] = []
        for future in waited.done:
            try:
                result: Done | Exception = future.result()
            except Exception as error:  # whatever a worker ends in, the other stages go on
                result = error
            found.append((self._futures.pop(future), result))
        return found

    def ask_for(self, workers: int) -> None:
        """Have the cluster hold so many workers."""
        self._scale(workers)

    def stop(self) -> None:
        """End what still runs, and remove the clones on all workers."""
        from pipeline.cluster.work import stop_here

        self._client.cancel(list(self._futures), force=True)
        self._futures.clear()
        self._client.run(stop_here, self._run, on_error="ignore")
