"""Processes of one training: how many, what they exchange, how an error of one ends."""

import multiprocessing

import pytest
import torch
from torch import nn
from working import exchange_and_refuse

from pipeline.errors import InputError
from pipeline.training.processes import World, average_gradients, count_processes, gather, launch

CPU = World(0, 1, torch.device("cpu"))


def test_a_cpu_run_is_one_process_and_gpus_are_as_many_as_divide_the_windows(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert count_processes(8) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for gpus, windows, processes in ((1, 8, 1), (2, 8, 2), (3, 8, 2), (4, 2, 2), (4, 3, 3), (2, 1, 1)):
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert count_processes(windows) == processes, (gpus, windows)


def test_one_process_needs_no_messages():
    values = torch.rand(2, 3, requires_grad=True)
    assert gather(values, CPU) is values
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([3.0, 4.0])
    average_gradients([weight, nn.Parameter(torch.ones(1))], CPU)
    assert weight.grad.tolist() == [3, 4]


def test_two_processes_share_values_and_average_slopes_and_what_one_refuses_stays_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^two processes must agree, found 2$"):
        launch(exchange_and_refuse, (tmp_path,), 2)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found["everyone"].tolist() == [1, 1, 2, 2]
        assert found["grad"].tolist() == [1.5, 1.5]  # each process sees the slope of its own part: (1 + 2) / 2
    assert not multiprocessing.active_children()
