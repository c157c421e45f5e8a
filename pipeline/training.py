"""What every training shares: device and precision, seeds by step, moving averages, checkpoints.

A run is a function of its parameters and inputs: each step draws from generators seeded by (seed, step), so that a run
interrupted and resumed draws what an undisturbed one would, and the processes of one run draw alike.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import random
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
from torch import nn

from pipeline.errors import InputError
from pipeline.imports import ROOT, closure

Precision = Literal["auto", "bfloat16", "float32"]
ABANDONED_DAYS = 14  # an interrupted training may wait that long to be taken up


# --- device and precision ---------------------------------------------------------------------------------------------


def choose_device(rank: int = 0) -> torch.device:
    """The GPU of this process where one is visible, else the CPU."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def prepare_cpu(threads: int) -> None:
    """Flush denormals (they make a step four times slower where matte x colour nears zero) and fix the thread count."""
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def _cpu_has_bfloat16() -> bool:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Resolve `auto`: bfloat16 where the device multiplies it natively, else float32."""
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Mixed precision in dtype; nothing at all for float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


# --- randomness -------------------------------------------------------------------------------------------------------


def seed_step(seed: int, rank: int, step: int) -> None:
    """Reseed every global generator for one step of one process."""
    state = int(np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def step_generator(seed: int, *keys: int) -> np.random.Generator:
    """A generator of its own for (seed, keys...): same keys, same draws, in every process and after any interruption."""
    return np.random.default_rng([seed, *keys])


# --- moving average ---------------------------------------------------------------------------------------------------


class Ema:
    """Exponential moving average of a network's floating-point state, warmed up: decay(n) = min(decay, (1+n)/(10+n))."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's present state."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in network.state_dict().items():
            average = self.state[name]
            if average.is_floating_point():
                average.lerp_(value.detach(), 1 - decay)
            else:
                average.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Average and count of updates, for a checkpoint."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take up the average of a checkpoint."""
        self.updates = int(saved["updates"])
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


# --- checks -----------------------------------------------------------------------------------------------------------


def check_finite(losses: Mapping[str, float], step: int, where: str) -> None:
    """Raise FloatingPointError naming the loss, the step and the windows when a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"loss {name} is {value} at step {step}, {where}: lower the learning rate or use float32")


def fingerprint(facts: Mapping[str, Any]) -> str:
    """sha256 of the facts as JSON with sorted keys: equal facts, equal name, on every machine."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_arrays(arrays: Iterable[np.ndarray]) -> str:
    """sha256 over dtype, shape and bytes of the arrays in turn (blocks of one clip may be given one by one)."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def digest_file(path: str | os.PathLike[str]) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_code(module: str | os.PathLike[str], root: Path = ROOT) -> dict[str, str]:
    """sha256 by path of a source and of all that it imports: what a training runs on. A checkpoint of other code is not taken up."""
    first = Path(module).resolve().relative_to(root).as_posix()
    return {path: digest_file(root / path) for path in sorted(closure(first, root))}


# --- checkpoints ------------------------------------------------------------------------------------------------------


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
