"""Processes of one training: how many, what they exchange, how an error of one ends."""

import multiprocessing

import pytest
import torch
from torch import nn
from working import exchange_and_refuse

from pipeline.errors import InputError
from pipeline.training.processes import World, add_gradients, gather, launch
from pipeline.training.sharing import Share, count_processes, share_out, sharing_told

CPU = World(0, 1, torch.device("cpu"))


def test_a_cpu_run_is_one_process_and_gpus_are_as_many_as_shorten_a_step(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert count_processes(4, 8) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for gpus, batches, windows, processes in (
        (1, 1, 8, 1), (2, 1, 8, 2), (3, 1, 8, 3), (5, 1, 8, 4), (4, 1, 2, 2), (2, 1, 1, 1), (4, 2, 2, 4), (3, 4, 1, 2), (8, 4, 1, 4),
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert count_processes(batches, windows) == processes, (gpus, batches, windows)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("processes", range(1, 9))
@pytest.mark.parametrize(("batches", "windows"), [(1, 1), (1, 2), (1, 5), (2, 2), (3, 2), (4, 1), (5, 3)])
def test_each_window_of_a_step_counts_once_in_order_whatever_the_number_of_processes(batches, windows, processes, alone):
    shown, means, values = [], 0.0, 0.0
    units, size = (batches * windows, 1) if alone else (batches, windows)
    for parts in share_out(batches, windows, processes, alone):
        assert len(parts) == processes
        for rank, part in enumerate(parts):
            first, last = part.place * windows // part.among, (part.place + 1) * windows // part.among
            assert last > first  # also what only looks on has something to look at
            assert part.unit == (part.batch * windows + first if alone else part.batch)
            share = Share(units, size, rank, parts)
            assert rank in share.partners or not part.windows
            assert [parts[i].unit for i in share.before] == sorted(parts[i].unit for i in share.before)
            means += part.windows / share.divisor / max(part.windows, 1)
            values += share.whole / share.divisor
            if part.windows:
                assert part.windows == last - first
                shown += [(part.batch, window) for window in range(first, last)]
                assert sum(share.counts[i] for i in share.partners) == size
    assert shown == [(batch, window) for batch in range(batches) for window in range(windows)]


def test_how_a_step_is_shared_is_one_line():
    assert sharing_told(1, 3, 2, False) == (
        "2 processes share the 3 windows of a step, in 1 turn; their gradients add up to those of one process"
    )
    assert sharing_told(2, 2, 2, False).startswith("2 processes share the 4 windows of a step, in 2 turns;")
    assert sharing_told(1, 2, 4, False).endswith("; 2 of them find nothing to do: raise appearance.batch_windows or accumulate")
    assert "1 of them finds nothing to do" in sharing_told(1, 2, 3, False)


def test_one_process_needs_no_messages():
    values = torch.rand(2, 3, requires_grad=True)
    assert gather(values, CPU)[0] is values
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([3.0, 4.0])
    add_gradients([weight, nn.Parameter(torch.ones(1))], CPU)
    assert weight.grad.tolist() == [3, 4]


def test_two_processes_share_values_and_add_slopes_and_what_one_refuses_stays_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^two processes must agree, found 2$"):
        launch(exchange_and_refuse, (tmp_path,), 2)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found["everyone"].tolist() == [1, 1, 2, 2]
        assert found["uneven"].tolist() == [0, 1, 1]
        assert found["grad"].tolist() == [3, 3]  # each process sees the slope of its own part: 1 + 2
    assert not multiprocessing.active_children()
