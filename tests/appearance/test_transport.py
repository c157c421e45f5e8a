"""Entropic transport between features: POT's plan, its limits, and nothing but L1 for a batch of one."""

import numpy as np
import ot
import pytest
import torch

from pipeline.appearance.transport import TransportParams, sinkhorn_plan, transport_loss

PARAMS = TransportParams(epsilon=100.0, rounds=10, layer=5, grid=1)


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 100.0])
def test_the_plan_is_pot_s(epsilon):
    cost = torch.from_numpy(np.random.default_rng(0).uniform(0, 5, (4, 3)))
    expected = ot.sinkhorn(np.full(4, 1 / 4), np.full(3, 1 / 3), cost.numpy(), epsilon, "sinkhorn_log", numItermax=2000, stopThr=1e-14)
    torch.testing.assert_close(sinkhorn_plan(cost, epsilon, 2000), torch.from_numpy(expected), atol=1e-9, rtol=0)


def test_a_batch_of_one_is_plain_l1():
    real, fake = torch.randn(1, 7), torch.randn(1, 7)
    assert sinkhorn_plan(torch.tensor([[123.0]]), 100.0, 10).item() == pytest.approx(1)
    torch.testing.assert_close(transport_loss(real, fake, PARAMS), (real - fake).abs().sum())


def test_limits_of_the_entropy():
    cost = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(sinkhorn_plan(cost, 1e6, 10), torch.full((2, 2), 0.25).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(sinkhorn_plan(cost, 1e-3, 10), torch.eye(2).double() / 2, atol=1e-6, rtol=0)


def test_frames_in_another_order_cost_nothing_where_the_entropy_is_small():
    """What it forgives and Gromov-Wasserstein does not need to: features must be the same, only their order is free."""
    real = torch.tensor([[0.0, 0.0], [5.0, 5.0], [0.0, 9.0]])
    sharp = PARAMS.model_copy(update={"epsilon": 0.01})
    assert transport_loss(real, real[[2, 0, 1]], sharp) == pytest.approx(0, abs=1e-6)
    assert transport_loss(real, real + 1, sharp) == pytest.approx(2, abs=1e-4)  # a shift costs, which leaves distances alone


def test_the_slope_is_that_of_the_cost_under_the_plan_held_fixed():
    torch.manual_seed(0)
    real, fake = torch.randn(3, 4), torch.randn(3, 4, requires_grad=True)
    transport_loss(real, fake, PARAMS).backward()
    with torch.no_grad():
        plan = sinkhorn_plan((real[:, None] - fake[None]).abs().sum(-1), PARAMS.epsilon, PARAMS.rounds).float()
        expected = (plan[..., None] * torch.sign(fake[None] - real[:, None])).sum(0)
    torch.testing.assert_close(fake.grad, expected)
