"""The processes of one training: one a GPU, all drawing alike, exchanging gradients (nccl; gloo on the CPU)."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import ProcessRaisedException, spawn

from pipeline.errors import InputError
from pipeline.training.device import choose_device

AS_ITSELF: dict[str, type[Exception]] = {  # what a worker's last line says, and what it means here
    "pipeline.errors.InputError": InputError,
    "FloatingPointError": FloatingPointError,
    "MemoryError": MemoryError,
    "torch.OutOfMemoryError": MemoryError,
}


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


def count_processes(batch: int) -> int:
    """Processes of a run: the most that divide the batch evenly and have a GPU each, 1 on the CPU.

    The batch of a step is that of the whole run, so the number of GPUs changes no result beyond rounding.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 1
    return max(n for n in range(1, min(gpus, batch) + 1) if batch % n == 0)


def _worker(rank: int, size: int, rendezvous: str, use_cuda: bool, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    device = torch.device("cuda", rank) if use_cuda else torch.device("cpu")
    if use_cuda:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if use_cuda else "gloo", f"file://{rendezvous}", rank=rank, world_size=size)
    try:
        work(World(rank, size, device), *arguments)
    finally:
        distributed.destroy_process_group()


def launch(work: Callable[..., None], arguments: tuple[Any, ...], processes: int) -> None:
    """Call `work(world, *arguments)` in this process, or in as many as asked: nccl between GPUs, gloo on the CPU."""
    if processes == 1:
        work(World(0, 1, choose_device()), *arguments)
        return
    use_cuda = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = str(Path(folder) / "rendezvous")
        try:
            spawn(_worker, (processes, rendezvous, use_cuda, work, arguments), nprocs=processes)
        except ProcessRaisedException as error:
            kind, _, said = str(error).strip().splitlines()[-1].partition(": ")
            if kind in AS_ITSELF:
                raise AS_ITSELF[kind](said) from None
            raise


def average_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Replace each gradient by its mean over the processes (one message; a network may be called many times a step)."""
    if world.size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    flat /= world.size
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def gather(values: torch.Tensor, world: World) -> torch.Tensor:
    """Concatenate (n ...) of all processes in order of rank; only this process's own part carries a gradient."""
    if world.size == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(world.size)]
    distributed.all_gather(parts, values.detach().contiguous())
    parts[world.rank] = values
    return torch.cat(parts)


def synchronise(world: World) -> None:
    """Wait until every process is here."""
    if world.size > 1:
        distributed.barrier()
