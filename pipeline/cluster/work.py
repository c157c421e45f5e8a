"""What a Dask worker does for a stage: a clone of the commit, the stage in a process of its own, its lines to the head."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.cluster.entries import Done

PREFIX = "motion-copy-"
LINES_KEPT = 200
TOLD_EVERY_S = 1.0
Tell = Callable[[str], None]
Run = Callable[[Path, dict[str, Any], Tell], Done]


class StageError(Exception):
    """A stage failed: the line to be shown, and its last lines for the file of it."""

    def __init__(self, line: str, log: str) -> None:
        super().__init__(line, log)
        self.line, self.log = line, log


def work(job: dict[str, Any]) -> Done | StageError:
    """The Dask task: run the job's stage in the worker's own folder, telling the head what it prints.

    A stage that fails is a result like another: Dask would write a raised error's traceback to the worker's log.
    """
    from distributed import get_worker

    worker = get_worker()
    where = worker.address

    def tell(line: str) -> None:
        worker.log_event(job["run"], {"address": job["address"], "worker": where, "line": line})

    tell("")
    try:
        return in_clone(Path(worker.local_directory), job, run_in_process, tell)
    except StageError as error:
        return error


def dask_setup(_: Any) -> None:
    """Called by Dask in a worker that is a process here: Ctrl+C is the head's, which then ends its workers, and these their stages."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def in_clone(folder: Path, job: dict[str, Any], run: Run, tell: Tell) -> Done:
    """Have a job run in a clone of its commit that no other job of this worker uses at the time, made where all are in use.

    job: run (a name), repository (that clones are made from), commit, scratch (a folder that all workers share: checkpoints,
    downloads), and what stage.run_stage() asks for. A clone keeps DVC's cache for the next job, and nothing else.
    """
    for number in itertools.count():
        place = folder / f"{PREFIX}{job['run']}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        busy = place / "busy"
        try:
            busy.mkdir()
        except FileExistsError:
            continue
        try:
            clone = place / "project"
            if not (clone / ".git").is_dir():
                _git("clone", "-q", "--no-checkout", job["repository"], os.fspath(clone))
            _git("-C", os.fspath(clone), "checkout", "-q", "-f", "--detach", job["commit"])
            # what the job before left, but DVC's cache: a folder that is a dep must hold what this stage was promised
            _git("-C", os.fspath(clone), "clean", "-ffdxq", "-e", "/.dvc/cache", "-e", "/.dvc/tmp")
            os.symlink(job["scratch"], clone / ".scratch", target_is_directory=True)
            return run(clone, job, tell)
        finally:
            busy.rmdir()
    raise AssertionError  # count() has no end


def run_in_process(clone: Path, job: dict[str, Any], tell: Tell) -> Done:
    """Run stage.main() in a clone, with the clone's code; its process ends with this one."""
    file = clone / ".dvc" / "tmp" / "job.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(job), encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # `python` in a stage's command is this one
    left_out = ("PYTHONPATH", "DVC_ROOT", "DVC_STAGE")
    env = {name: value for name, value in os.environ.items() if name not in left_out} | {"PATH": path, "PYTHONUNBUFFERED": "1"}
    if foreign := [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and not _holds_code(entry)]:
        env["PYTHONPATH"] = os.pathsep.join(foreign)
    log: deque[str] = deque(maxlen=LINES_KEPT)
    told, last = time.monotonic(), ""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cluster.stage", os.fspath(file)],
        cwd=clone, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    (clone.parent / "pid").write_text(str(process.pid))
    assert process.stdout is not None
    for line in map(str.rstrip, process.stdout):
        log.append(line)
        last = line or last
        if last and time.monotonic() - told > TOLD_EVERY_S:
            told, line = time.monotonic(), last
            last = ""
            tell(line)
    if last:
        tell(last)
    if process.wait():
        raise StageError(failure_of(log), "\n".join(log))
    return Done(**json.loads(file.read_text(encoding="utf-8")))


def failure_of(log: deque[str]) -> str:
    """The line that says why a stage failed: the first that begins with `error: `, which is the door's; else the last."""
    said = [line for line in log if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return errors[0] if errors else said[-1] if said else "it ended without a word"


def stop(folder: str | os.PathLike[str], run: str) -> None:
    """End what a run still does in a worker's folder, and remove its clones."""
    import psutil

    for place in Path(folder).glob(f"{PREFIX}{run}-*"):
        try:
            process = psutil.Process(int((place / "pid").read_text()))
            if process.cwd() == os.fspath((place / "project").resolve()):
                process.kill()
        except (OSError, ValueError, psutil.Error):
            pass  # it has ended
        shutil.rmtree(place, ignore_errors=True)


def stop_here(run: str, dask_worker: Any = None) -> None:
    """As stop(), of the worker that this is called on by Client.run()."""
    stop(dask_worker.local_directory, run)


def _holds_code(entry: str) -> bool:
    """Whether a folder of Python's path is another checkout, whose code must not take the place of the commit's."""
    return (Path(entry) / "pipeline" / "cluster").is_dir()


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError(f"git {arguments[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", done.stderr)
