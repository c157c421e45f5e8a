"""Checkpoints of unfinished trainings: one folder a fingerprint, one process at a time, forgotten when nobody comes back."""

import contextlib
import os
import shutil
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from pipeline.disk import digest_file, flush_file
from pipeline.errors import InputError

ABANDONED_DAYS = 14  # an interrupted training may wait that long to be taken up
KEPT = 3  # digests of earlier checkpoints that stay known
LOCK = "lock"
MARK = "abandoned"  # a folder that a run found abandoned; of a later date than now it is the word of a wrong clock


class Scratch(AbstractContextManager["Scratch"]):
    """The folder `<root>/<stage>/<fingerprint>/` where one run keeps its checkpoint; one process at a time."""

    def __init__(self, stage: str, fingerprint: str, root: Path = Path(".scratch"), leads: bool = True) -> None:
        """leads: whether this process takes the folder; one that only reads in it, beside the one that did, does not."""
        self.folder, self._leads = root / stage / fingerprint, leads
        self._lock: FileLock | None = None

    def __enter__(self) -> "Scratch":
        if not self._leads:
            return self
        for _ in range(20):  # a killed run's process may need a moment to end
            self._lock = _take_lock(self.folder)
            if self._lock is not None:
                (self.folder / MARK).unlink(missing_ok=True)
                os.utime(self.folder / LOCK)
                self._forget_abandoned()
                return self
            time.sleep(0.1)
        raise InputError(f"one process may train in a scratch folder, {self.folder} is locked by another: wait for it or end it")

    def __exit__(self, *exception: object) -> None:
        if self._lock is not None:
            self._lock.release()

    def _forget_abandoned(self) -> None:
        """Remove what runs of other params left and nobody took up again in ABANDONED_DAYS.

        A clock may jump, so one look is not believed: the first marks the folder, one ABANDONED_DAYS later removes it.
        """
        for folder in self.folder.parent.iterdir():
            if folder == self.folder or not folder.is_dir() or folder.is_symlink():
                continue
            mark, files = folder / MARK, [path for path in folder.glob("*") if path.name != MARK]
            with contextlib.suppress(FileNotFoundError):  # its own run may be removing it now
                if not _old(max((path.stat().st_mtime for path in files), default=folder.stat().st_mtime)):
                    mark.unlink(missing_ok=True)
                elif not mark.exists() or mark.stat().st_mtime > time.time():
                    mark.touch()
                    os.utime(mark, (time.time(), time.time()))
                elif _old(mark.stat().st_mtime) and (lock := _take_lock(folder)):
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.release()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_lock": None}  # the lock stays with the process that took it

    @property
    def checkpoint(self) -> Path:
        """Where the state of the run lies."""
        return self.folder / "checkpoint.pt"

    def load(self) -> dict[str, Any] | None:
        """The last whole checkpoint on the CPU, None when there is none; a damaged one is said to be so and counts as none."""
        if not self.checkpoint.exists():
            return None
        if digest_file(self.checkpoint) in self._known():
            with contextlib.suppress(Exception):  # whole, but of a PyTorch that wrote otherwise
                return torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        print(f"{self.checkpoint} is damaged or was not written by this version: the training starts anew", file=sys.stderr, flush=True)
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint whole: written beside, flushed to the disk, renamed; its sha256 stands beside it."""
        whole, digests = self.folder / "checkpoint.pt.part", self.folder / "checkpoint.sha256.part"
        torch.save(state, whole)
        digests.write_text("\n".join([digest_file(whole), *self._known()[:KEPT]]))
        _replace(digests, self._digests)
        _replace(whole, self.checkpoint)  # a kill before this leaves the one before, whose digest stands there still

    @property
    def _digests(self) -> Path:
        return self.folder / "checkpoint.sha256"

    def _known(self) -> list[str]:
        """Digests of the last checkpoints, the newest first."""
        return self._digests.read_text().split() if self._digests.exists() else []

    def delete(self) -> None:
        """Remove the folder: the run's results are published."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _old(mtime: float) -> bool:
    return time.time() - mtime > ABANDONED_DAYS * 86400


def _take_lock(folder: Path) -> FileLock | None:
    """The lock of a scratch folder, made where it is missing; None while another process holds it or has just removed it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    with contextlib.suppress(Timeout, FileNotFoundError):
        lock.acquire()
        return lock
    return None


def _replace(source: Path, target: Path) -> None:
    """Rename a file once it is on the disk, and have the renaming written too."""
    flush_file(source)
    os.replace(source, target)
    if os.name != "nt":  # which has no such thing for a folder
        flush_file(target.parent)
