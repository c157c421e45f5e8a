"""Checkpoints of unfinished trainings: one folder a fingerprint, one process at a time, forgotten when nobody comes back."""

import contextlib
import fcntl
import os
import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import torch

from pipeline.errors import InputError

ABANDONED_DAYS = 14  # an interrupted training may wait that long to be taken up


class Scratch(AbstractContextManager["Scratch"]):
    """The folder `<root>/<stage>/<fingerprint>/` where one run keeps its checkpoint; one process at a time."""

    def __init__(self, stage: str, fingerprint: str, root: Path = Path(".scratch")) -> None:
        self.folder = root / stage / fingerprint
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Scratch":
        for _ in range(20):  # a killed run's process may need a moment to end
            self._lock = _take_lock(self.folder)
            if self._lock is not None:
                self._forget_abandoned()
                return self
            time.sleep(0.1)
        raise InputError(f"one process may train in a scratch folder, {self.folder} is locked by another: wait for it or end it")

    def __exit__(self, *exception: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def _forget_abandoned(self) -> None:
        """Remove what runs of other params left and nobody took up again in ABANDONED_DAYS."""
        for folder in self.folder.parent.iterdir():
            latest = max((path.stat().st_mtime for path in [folder, *folder.glob("*")]), default=0.0)
            if folder != self.folder and time.time() - latest > ABANDONED_DAYS * 86400 and (lock := _take_lock(folder)):
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_lock": None}  # the lock stays with the process that took it

    @property
    def checkpoint(self) -> Path:
        """Where the state of the run lies."""
        return self.folder / "checkpoint.pt"

    def load(self) -> dict[str, Any] | None:
        """The last whole checkpoint on the CPU, None when there is none."""
        if not self.checkpoint.exists():
            return None
        return torch.load(self.checkpoint, map_location="cpu", weights_only=True)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint whole: written beside, flushed to the disk, renamed."""
        temporary = self.folder / "checkpoint.pt.part"
        with open(temporary, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.checkpoint)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def delete(self) -> None:
        """Remove the folder: the run's results are published."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _take_lock(folder: Path) -> IO[str] | None:
    """The lock of a scratch folder, made where it is missing; None while another process holds it or has just removed it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    file = open(path, "w")  # noqa: SIM115 - the lock is held as long as the file is open
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    file.close()
    return None
