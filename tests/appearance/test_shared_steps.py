"""A step that several processes share is that of one: slopes, losses, what discriminators have looked at. Threads stand for processes."""

import threading
from types import SimpleNamespace

import pytest
import torch
from appearance.test_references import LEARN, clip_of
from drawn_stick import AS_PUBLISHED, EDN, small

from pipeline.appearance.systems.base import System
from pipeline.appearance.train import _batches, build_system
from pipeline.body.pose_maps import pose_channels
from pipeline.networks.vgg import load_features
from pipeline.training import processes
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World, add_gradients

CPU = torch.device("cpu")


class Exchange:
    """torch.distributed among threads, each of which says its rank once."""

    def __init__(self, size: int) -> None:
        self.barrier, self.sent, self.own = threading.Barrier(size, timeout=60), [torch.empty(0)] * size, threading.local()

    def _share(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        self.barrier.wait()
        self.sent[self.own.rank] = tensor.clone()
        self.barrier.wait()
        return list(self.sent)

    def all_gather(self, parts: list[torch.Tensor], tensor: torch.Tensor) -> None:
        for part, other in zip(parts, self._share(tensor), strict=True):
            part.copy_(other)

    def all_reduce(self, tensor: torch.Tensor) -> None:
        tensor.copy_(torch.stack(self._share(tensor)).sum(0))


def stepped(system: System, batches: list, replay: bool) -> SimpleNamespace:
    """What a step of a system gives: losses, losses of windows, slopes of both networks, buffers of the discriminators."""
    slopes: list[torch.Tensor] = []

    def update(network, _optimiser) -> None:
        add_gradients(network.parameters(), system.world)
        slopes.extend(p.grad.clone() for p in network.parameters() if p.grad is not None)
        network.zero_grad()

    system._update = update  # type: ignore[method-assign]
    losses, windows = system.step(batches, 1.0, replay)
    return SimpleNamespace(losses=losses, windows=windows, slopes=slopes, looked=[b.clone() for b in system.discriminators.buffers()])


@pytest.mark.parametrize(
    ("changes", "processes_", "alone", "replay"),
    [
        ({"batch_windows": 3}, 2, False, False),  # one takes two windows
        ({"batch_windows": 1}, 2, False, False),  # one looks on
        ({"batch_windows": 2, "accumulate": 3}, 4, False, False),  # two batches at a time, then one
        ({"batch_windows": 1, "accumulate": 3}, 2, False, True),
        ({"batch_windows": 2, "accumulate": 2}, 3, True, False),  # large windows, one by one
        ({**AS_PUBLISHED, "batch_windows": 2, "accumulate": 2, "pose_map": {"style": "rgb"}}, 4, False, False),
        ({**EDN, "batch_windows": 3}, 2, False, False),
    ],
)  # fmt: skip
def test_slopes_and_losses_are_those_of_one_process(tmp_path, stick, features_folder, monkeypatch, changes, processes_, alone, replay):
    prepare_cpu(1)
    clip, params = clip_of(tmp_path, stick, **changes), small(**changes)
    learn = LEARN if params.system == "fakevideo" else None
    windows = clip.budget.order(1)[0].reshape(params.accumulate, -1)
    monkeypatch.setattr(System, "goes_one_by_one", lambda self, shape: alone and shape[0] > 1)

    features, building = load_features("st_vgg16", features_folder), threading.Lock()  # of networks: there is one generator of draws

    def run(world: World) -> SimpleNamespace:
        with building:
            system = build_system(params, pose_channels(stick, params.pose_map), features, world, learn, clip)
            batches = _batches(world, alone, clip, windows, 7)
        return stepped(system, batches, replay)

    one = run(World(0, 1, CPU))
    exchange = Exchange(processes_)
    monkeypatch.setattr(processes, "distributed", exchange)
    found: dict[int, SimpleNamespace] = {}

    def process(rank: int) -> None:
        exchange.own.rank = rank
        found[rank] = run(World(rank, processes_, CPU))

    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(processes_)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(processes_))
    assert one.losses.count_nonzero() >= 2
    for many in found.values():
        torch.testing.assert_close(many.losses, one.losses, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(many.windows, one.windows, rtol=1e-5, atol=1e-6)
        assert len(many.slopes) == len(one.slopes) > 0
        for other, slope in zip(many.slopes, one.slopes, strict=True):
            assert (other - slope).norm() <= 1e-3 * slope.norm() + 1e-6
        assert all(torch.equal(a, b) for a, b in zip(many.looked, one.looked, strict=True))
    assert all(torch.equal(a, b) for many in found.values() for a, b in zip(many.slopes, found[0].slopes, strict=True))
