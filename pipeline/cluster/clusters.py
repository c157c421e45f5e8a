"""Where stages are spread to: processes here, Slurm's jobs, or a Dask cluster that runs already; settings in Dask's own files."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

PATIENCE = "60s"  # for a scheduler's first answer
Scale = Callable[[int], None]


@dataclass(frozen=True)
class Choice:
    """What the caller asked for: a scheduler's address, or Slurm, or neither; and the most workers at a time."""

    scheduler: str | None
    slurm: bool
    workers: int


def require_dask(slurm: bool) -> None:
    """InputError when the extra is not installed."""
    try:
        import distributed  # noqa: F401

        if slurm:
            import dask_jobqueue  # noqa: F401
    except ImportError as error:
        raise InputError(f"spread needs the package {error.name}, which is not installed. Run: pip install -e '.[cluster]'") from None


@contextlib.contextmanager
def connected(choice: Choice, folder: Path) -> Iterator[tuple[Any, Scale]]:
    """A Dask client, and what asks its cluster for so many workers; what was started is ended on the way out.

    folder: for the private files of workers that are processes here. InputError when there is no such cluster.
    """
    from distributed import Client

    with contextlib.ExitStack() as stack:
        if choice.scheduler:
            try:
                client = stack.enter_context(Client(choice.scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                said = f"found none at {choice.scheduler}: {error}"
                raise InputError(f"--scheduler must be the address of a Dask scheduler that runs, {said}") from None
            yield client, lambda _: None
            return
        cluster = stack.enter_context(_slurm() if choice.slurm else _processes(choice.workers, folder))
        client = stack.enter_context(Client(cluster, timeout=PATIENCE))

        def scale(wanted: int) -> None:  # a lost job is replaced when the same number is asked for again
            cluster.scale(jobs=min(wanted, choice.workers))

        yield client, scale if choice.slurm else lambda _: None


def wants_gpu(client: Any) -> bool:
    """Whether some worker offers GPUs as a resource: only then may a stage ask for one, or it would wait for ever."""
    return any("GPU" in worker.get("resources", {}) for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def _processes(workers: int, folder: Path) -> Any:
    """Workers as processes here, one stage at a time each, with their share of the cores, and a GPU each as far as there are any."""
    from distributed import Nanny, Scheduler, SpecCluster

    gpus = _gpus()
    specs = {}
    for number in range(workers):
        # a stage's process counts its own memory, so Dask's limit would only strike the wrong one
        options = {"nthreads": 1, "memory_limit": 0, "silence_logs": CRITICAL, "env": _threads(workers)}
        options |= {"local_directory": os.fspath(folder), "preload": ["pipeline.cluster.work"]}
        if number < len(gpus):
            options |= {"resources": {"GPU": 1}, "env": {**options["env"], "CUDA_VISIBLE_DEVICES": gpus[number]}}
        elif gpus:
            options["env"] = {**options["env"], "CUDA_VISIBLE_DEVICES": ""}
        specs[number] = {"cls": Nanny, "options": options}
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    make: Any = SpecCluster  # whose signature calls a level of logging a bool
    return make(workers=specs, scheduler=scheduler, silence_logs=CRITICAL)


def _slurm() -> Any:
    """Slurm's jobs as jobqueue.slurm of Dask's configuration describes them: one worker a job, one stage at a time each."""
    from dask import config
    from dask_jobqueue.slurm import SLURMCluster

    settings = config.get("jobqueue.slurm")
    given = {
        "processes": 1,
        "worker_extra_args": [*settings["worker-extra-args"], "--nthreads", "1"],
        # Dask gives its workers one thread, since they compute in threads of their own; a stage has the whole job
        "job_script_prologue": [*settings["job-script-prologue"], *(f"export {n}=${{{n}:-$SLURM_CPUS_PER_TASK}}" for n in THREADS)],
        "scheduler_options": {"dashboard": False, **(settings.get("scheduler-options") or {})},
    }
    try:
        return SLURMCluster(**given)
    except (ValueError, RuntimeError, OSError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"jobqueue.slurm in ~/.config/dask/jobqueue.yaml must describe a job (cores, memory, queue …): {said}") from None


THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def _threads(workers: int) -> dict[str, str]:
    """Threads of a stage here: its share of the cores, where the caller's environment does not say it."""
    share = str(max(1, (os.cpu_count() or 1) // workers))
    return {name: os.environ.get(name, share) for name in THREADS}


def _gpus() -> list[str]:
    """GPUs here, as CUDA_VISIBLE_DEVICES would name them."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]
