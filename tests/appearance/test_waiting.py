"""Nothing in a training step makes the host wait for a GPU: no number is fetched, and none is sent. Shown on the CPU, by what is called."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from appearance.test_references import LEARN, clip_of
from drawn_stick import AS_PUBLISHED, EDN, small
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.appearance import gw
from pipeline.appearance.gw import transport_plan
from pipeline.appearance.train import build_system
from pipeline.body.pose_maps import pose_channels
from pipeline.networks.vgg import load_features
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World

CPU = torch.device("cpu")
WAITING = {  # what gives the host numbers, or shapes that depend on them; torch.tensor(…) and lists as indices, which send some
    "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::equal",
    "aten::lift_fresh", "aten::is_nonzero", "aten::repeat_interleave", "aten::index", "aten::index_put", "aten::index_put_",
    "aten::_index_put_impl_",
}  # fmt: skip
FETCHING = ("tolist", "numpy", "cpu", "item", "__bool__", "__float__", "__int__", "__index__", "__array__", "__contains__")


class Watched(TorchDispatchMode):
    """Notes the operations that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        if name in WAITING:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def watch(monkeypatch) -> Callable[[Callable[[], Any]], list[str]]:
    """Call something; which of its calls would make the host wait for a GPU."""

    def called(run: Callable[[], Any]) -> list[str]:
        fetched: list[str] = []
        with Watched() as watched, monkeypatch.context() as patched:
            for name in FETCHING:
                own = getattr(torch.Tensor, name)
                patched.setattr(torch.Tensor, name, lambda *a, n=name, o=own, **k: (fetched.append(n), o(*a, **k))[1])
            for name in ("from_numpy", "as_tensor"):
                own = getattr(torch, name)
                patched.setattr(torch, name, lambda *a, n=name, o=own, **k: (fetched.append(n), o(*a, **k))[1])
            run()
        return watched.found + fetched

    return called


@pytest.mark.parametrize(
    "run",
    [
        lambda x: x.sum().item(), lambda x: bool(x.max() > 0), lambda x: x.tolist(), lambda x: x.cpu(), lambda x: x[x > 0],
        lambda x: torch.nonzero(x), lambda x: x / torch.tensor([1.0, 2.0]), lambda x: x[[1, 0]], lambda x: float(x[0]),
        lambda x: torch.from_numpy(x.detach().numpy()), lambda x: x.masked_select(x > 0),
    ],
)  # fmt: skip
def test_what_waits_is_noticed(watch, run):
    assert watch(lambda: run(torch.tensor([1.0, 2.0])))


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("changes", [{"accumulate": 2}, EDN, AS_PUBLISHED], ids=["fakevideo", "edn", "as_published"])
def test_a_step_of_any_system_waits_for_nothing(tmp_path, stick, features_folder, monkeypatch, watch, changes, replay):
    prepare_cpu(1)
    monkeypatch.setattr(gw, "may_look", lambda device: False)  # as on a GPU
    monkeypatch.setattr(gw, "CHECK_EVERY", 2)
    params = small(**changes)
    clip = clip_of(tmp_path, stick, **changes)
    learn = LEARN if params.system == "fakevideo" else None
    features = load_features("st_vgg16", features_folder)
    system = build_system(params, pose_channels(stick, params.pose_map), features, World(0, 1, CPU), learn, clip)
    windows = clip.budget.order(1)[0].reshape(params.accumulate, -1)
    batches = [clip.batch(some, 0, 1, CPU, i) for i, some in enumerate(windows)]
    if params.system == "fakevideo":
        assert all(batch.patches is not None for batch in batches)
    before = [p.clone() for p in system.generator.parameters()]
    for _ in range(2):
        assert watch(lambda: system.step(batches, 1.0, replay)) == []
    assert any(not torch.equal(a, b) for a, b in zip(before, system.generator.parameters(), strict=True))


def test_the_plan_that_a_gpu_solves_without_looking_is_that_of_one_who_looks(monkeypatch):
    """Each stops changing where the other ends; without that it would go on to another in the last bits."""
    draw = torch.Generator().manual_seed(3)
    real, fake = (gw.distances(torch.rand(5, 7, generator=draw, dtype=torch.float64)) for _ in range(2))
    work = (real, fake, 0.5, 30, 100)
    looked = transport_plan(*work)
    monkeypatch.setattr(gw, "may_look", lambda device: False)
    assert torch.equal(transport_plan(*work), looked)
    monkeypatch.setattr(gw, "CHECK_EVERY", 10**9)
    assert not torch.equal(transport_plan(*work), looked)
    torch.testing.assert_close(transport_plan(*work), looked, atol=1e-9, rtol=0)
