"""The Gromov-Wasserstein loss against Python Optimal Transport and against its own definition."""

import os
from pathlib import Path

import numpy as np
import ot
import pytest
import torch

from pipeline.appearance.gw import (
    GwParams,
    distances,
    gromov_wasserstein,
    pool_features,
    pot_plan,
    transport_plan,
    transported,
)

ORACLES = os.environ.get("MOTION_COPY_ORACLES")


def rows(seed: int, n: int = 7, d: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def converged(real: torch.Tensor, fake: torch.Tensor, lambda_: float) -> torch.Tensor:
    return transport_plan(real, fake, lambda_, projections=500, sinkhorn=1000)


def by_definition(real: torch.Tensor, fake: torch.Tensor, plan: torch.Tensor) -> float:
    """Line 19 of Alg. 1 as its four sums."""
    gap = (real[:, None, :, None] - fake[None, :, None, :]).abs() ** 2
    return float(torch.einsum("ijkl,ij,kl->", gap, plan, plan))


def test_distances_are_means_of_absolute_differences():
    assert distances(torch.tensor([[0.0, 0.0], [1.0, 3.0], [0.0, 4.0]])).tolist() == [[0, 2, 2], [2, 0, 1], [2, 1, 0]]


def test_pooling_makes_rows_of_one_length():
    for size in (4, 9, 33):
        assert pool_features(torch.ones(2, 3, size, size), 4).shape == (2, 48)
    assert pool_features(torch.arange(4.0).view(1, 1, 2, 2), 1).item() == 1.5


def test_value_is_the_sum_of_the_definition():
    real, fake = distances(rows(1)), distances(rows(2))
    plan = converged(real, fake, 0.3)
    assert float(transported(real, fake, plan)) == pytest.approx(by_definition(real, fake, plan), rel=1e-10)


@pytest.mark.parametrize(("lambda_", "sizes"), [(0.2, (7, 7)), (0.25, (6, 9)), (0.5, (12, 5))])
def test_plan_and_value_equal_pot(lambda_, sizes):
    real, fake = distances(rows(3, sizes[0])), distances(rows(4, sizes[1]))
    plan = converged(real, fake, lambda_)
    theirs, log = ot.gromov.entropic_gromov_wasserstein(
        real.numpy(), fake.numpy(), loss_fun="square_loss", epsilon=2 * lambda_,
        max_iter=500, tol=1e-13, log=True, numItermax=20000, stopThr=1e-14,
    )  # fmt: skip
    assert np.abs(plan.numpy() - theirs).max() < 1e-5
    assert float(transported(real, fake, plan)) == pytest.approx(float(log["gw_dist"]), abs=1e-5)
    torch.testing.assert_close(pot_plan(real, fake, lambda_, 500, 20000), plan, atol=1e-5, rtol=0)


@pytest.mark.skipif(ORACLES is None, reason="set MOTION_COPY_ORACLES to the folder of metrics_golden.npz")
@pytest.mark.parametrize(("name", "epsilon", "value"), [("5e-2", 0.05, 0.06203111182176601), ("5e-3", 0.005, 0.035773341561008254)])
def test_plan_golden(name, epsilon, value):
    golden = np.load(Path(str(ORACLES)) / "metrics_golden.npz")
    real, fake = torch.from_numpy(golden["gw_C1"]), torch.from_numpy(golden["gw_C2"])
    plan = converged(real, fake, epsilon / 2)
    assert np.abs(plan.numpy() - golden[f"gw_T_unif_eps{name}"]).max() < 1e-5
    assert float(transported(real, fake, plan)) == pytest.approx(value, abs=1e-5)


def test_marginals_are_uniform():
    plan = converged(distances(rows(5, 6)), distances(rows(6, 9)), 0.2)
    torch.testing.assert_close(plan.sum(1), torch.full((6,), 1 / 6, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(0), torch.full((9,), 1 / 9, dtype=torch.float64))


def entropic(real: torch.Tensor, fake: torch.Tensor, lambda_: float) -> float:
    """Minimum of <L, pi x pi> + epsilon sum pi (log pi - 1), epsilon = 2 lambda."""
    plan = converged(real, fake, lambda_)
    return float(transported(real, fake, plan) + 2 * lambda_ * (plan * (plan.log() - 1)).sum())


def test_fixed_plan_slope_is_the_entropic_objective_s():
    lambda_, features = 0.3, rows(7, 5, 3).requires_grad_()
    real = distances(rows(8, 5, 3))
    fake = distances(features)
    transported(real, fake, converged(real, fake.detach(), lambda_)).backward()
    assert features.grad is not None
    step = 1e-5
    for i, j in [(0, 0), (2, 1), (4, 2)]:
        ends = []
        for sign in (1, -1):
            moved = features.detach().clone()
            moved[i, j] += sign * step
            ends.append(entropic(real, distances(moved), lambda_))
        assert float(features.grad[i, j]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("solver", ["own", "pot"])
def test_order_of_frames_changes_nothing(solver):
    params = GwParams(solver=solver, lambda_gw=0.2, projections=100, sinkhorn=500, layer=4, grid=4)
    real, fake = rows(9), rows(10)
    value = float(gromov_wasserstein(real, fake, params))
    shuffled = float(gromov_wasserstein(real[torch.randperm(7)], fake[torch.randperm(7)], params))
    assert shuffled == pytest.approx(value, rel=1e-6)


def test_equal_sets_are_at_distance_zero_as_lambda_vanishes():
    real = distances(rows(11))
    values = [float(transported(real, real, converged(real, real, lambda_))) for lambda_ in (0.1, 0.01, 0.001, 0.0001)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-12


def test_small_lambda_does_not_underflow():
    plan = transport_plan(distances(rows(12)), distances(rows(13)), 1e-6, 50, 50)
    assert torch.isfinite(plan).all()
    assert float(plan.sum()) == pytest.approx(1)


def test_slope_reaches_the_generated_features_only():
    params = GwParams(solver="own", lambda_gw=0.01, projections=5, sinkhorn=10, layer=4, grid=4)
    fake = rows(14).requires_grad_()
    gromov_wasserstein(rows(15), fake, params).backward()
    assert fake.grad is not None
    assert fake.grad.abs().max() > 0
