"""A spread that runs, as tests watch it: its output, its processes, its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from walking import environment

PATIENCE_S = 900.0


class Spread:
    """A spread of a project, running, in a process group of its own; arguments: of Python."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.log = project.parent / "spread.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], cwd=project, env=environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def until(self, look: Callable[[], object]) -> None:
        """Wait until something is true; an error when the spread ends before."""
        end = time.monotonic() + PATIENCE_S
        while not look():
            assert time.monotonic() < end, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.01)

    def ends(self) -> int:
        """Its exit code."""
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def commit(folder: Path) -> None:
    """Commit all that a project holds."""
    for command in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=folder, check=True, env=environment())


def works_at(process: psutil.Process, module: str) -> bool:
    """Whether a process runs a module; one that ended while we looked does not."""
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def processes(folder: Path) -> list[psutil.Process]:
    """Everything that works in a project, its clones included."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder.resolve()):
                found.append(process)
        except psutil.Error:  # it ended while we looked, or is somebody else's
            continue
    return found
