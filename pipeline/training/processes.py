"""The processes of one training: one a GPU, all drawing alike, exchanging gradients (nccl; gloo on the CPU).

They are started here, on one machine, or by torchrun, on as many as one likes.
"""

import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from pipeline.errors import InputError
from pipeline.members import member
from pipeline.training.device import choose_device


class LostProcess(InputError):
    """Another process of the training has ended."""

    def __init__(self, size: int) -> None:
        super().__init__(f"all {size} processes of a training must live, one has ended: start it again, it goes on from its checkpoint")


AS_ITSELF: dict[str, type[Exception]] = {  # what a worker's last line says, and what it means here
    "pipeline.errors.InputError": InputError,
    "pipeline.training.processes.LostProcess": InputError,
    "FloatingPointError": FloatingPointError,
    "MemoryError": MemoryError,
    "torch.OutOfMemoryError": MemoryError,
}
HEARD_S = 5.0  # a process that lost another gives it as long to say why it ends


@dataclass(frozen=True)
class World:
    """One process of a run: its rank, their number, its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and progress."""
        return self.rank == 0


# --- processes that torchrun started ----------------------------------------------------------------------------------


@contextlib.contextmanager
def started_together() -> Iterator[World | None]:
    """This process's place among those that torchrun started for one training, joined to them; None where it started none.

    Whatever ends one of them ends all, and one alone says why. InputError for more processes on a node than GPUs, if it has any.
    """
    found = member()
    if found is None:
        yield None
        return
    if torch.cuda.is_available() and found.local_rank >= (gpus := torch.cuda.device_count()):
        raise InputError(f"torchrun --nproc-per-node must be at most the GPUs of a node, found {gpus} here: give it {gpus}")
    world = World(found.rank, found.size, choose_device(found.local_rank))
    if world.size == 1:
        yield world
        return
    signal.signal(signal.SIGTERM, lambda *_: _told_to_end(world))  # torchrun's word where another has ended
    store, _, _ = next(iter(rendezvous("env://")))
    try:
        _join(world, store=store)
        yield world
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not _speaks(store):
            raise SystemExit(1) from None
        raise
    distributed.destroy_process_group()


def _told_to_end(world: World) -> NoReturn:
    raise LostProcess(world.size)


def _speaks(store: Any) -> bool:
    """Whether this process is the first to say why it ends, by torch's store that all of them share."""
    with contextlib.suppress(RuntimeError):  # the store may be gone with the process that kept it
        return store.add("said why", 1) == 1
    return True


def require_alike(world: World, text: str, what: str) -> None:
    """InputError unless text is the same in all processes of a run; waits until all are here. what: what must be alike, and the remedy."""
    if world.size == 1:
        return
    parts: list[str] = [""] * world.size
    with _all_of(world):
        distributed.all_gather_object(parts, text)
    if len(set(parts)) > 1:
        other = next(rank for rank, part in enumerate(parts) if part != parts[0])
        raise InputError(f"{what}, found {parts[0][:16]} in process 0 and {parts[other][:16]} in process {other}")


# --- processes that are started here ----------------------------------------------------------------------------------


def _join(world: World, **rendezvous_of: Any) -> None:
    if world.device.type == "cuda":
        torch.cuda.set_device(world.device)
    backend = "nccl" if world.device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, rank=world.rank, world_size=world.size, **rendezvous_of)


def _worker(rank: int, size: int, file: str, use_cuda: bool, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    world = World(rank, size, torch.device("cuda", rank) if use_cuda else torch.device("cpu"))
    _join(world, init_method=f"file://{file}")
    try:
        work(world, *arguments)
    except LostProcess:
        time.sleep(HEARD_S)
        raise
    distributed.destroy_process_group()


def launch(work: Callable[..., None], arguments: tuple[Any, ...], processes: int, world: World | None = None) -> None:
    """Call `work(world, *arguments)` in this process, or in as many as asked: nccl between GPUs, gloo on the CPU.

    With a world of processes that were started together already, each of them calls it for itself.
    """
    if world is not None or processes == 1:
        work(world or World(0, 1, choose_device()), *arguments)
        return
    use_cuda = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    with tempfile.TemporaryDirectory() as folder:
        try:
            spawn(_worker, (processes, str(Path(folder) / "rendezvous"), use_cuda, work, arguments), nprocs=processes)
        except ProcessExitedException:
            raise LostProcess(processes) from None
        except ProcessRaisedException as error:
            kind, _, said = str(error).strip().splitlines()[-1].partition(": ")
            if kind in AS_ITSELF:
                raise AS_ITSELF[kind](said) from None
            raise


# --- what they exchange -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _all_of(world: World) -> Iterator[None]:
    """Raise LostProcess where an exchange fails: that is how a process learns of another's end."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LostProcess(world.size) from error


def add_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Replace each gradient by its sum over the processes (one message; a network may be called many times a step)."""
    if world.size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    with _all_of(world):
        distributed.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def gather(values: torch.Tensor, world: World, counts: Sequence[int] | None = None) -> list[torch.Tensor]:
    """Values (n ...) of each process, in order of rank; only this process's own part carries a gradient.

    counts: how many of each process's rows count, the first ones; all, and as many in each process, without it.
    """
    if world.size == 1:
        return [values]
    counts = counts or [len(values)] * world.size
    own = values[: counts[world.rank]]
    sent = values.new_zeros((max(counts), *values.shape[1:]))
    sent[: len(own)] = own.detach()
    parts = [torch.empty_like(sent) for _ in range(world.size)]
    with _all_of(world):
        distributed.all_gather(parts, sent)
    return [own if rank == world.rank else part[:count] for rank, (part, count) in enumerate(zip(parts, counts, strict=True))]
