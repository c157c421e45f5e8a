"""The Gromov-Wasserstein loss against Python Optimal Transport and against its own definition."""

import json
import os
from itertools import permutations
from pathlib import Path

import numpy as np
import ot
import pytest
import torch

from pipeline.appearance.gw import (
    GwParams,
    distances,
    gromov_wasserstein,
    mean_distance,
    pool_features,
    pot_plan,
    transport_plan,
    transported,
)
from pipeline.params import read_section

ORACLES = os.environ.get("MOTION_COPY_ORACLES")
DEFAULT = read_section(Path(__file__).resolve().parents[2] / "params.yaml", "appearance.gw", GwParams)

# Distances, in millionths, between two windows of three training frames of the demo's man, by the default features (st_vgg16, layer 4 at
# half of 128 px, on a grid of 4 x 4): of the frames themselves, blurred (binomial 5 x 5), with noise (deviation 0.1 of -1..1), shifted by
# a pixel each way, with colours x 0.8.
REAL = json.loads((Path(__file__).parent / "gw_distances.json").read_text())
CHANGES = ("real", "blurred", "noisy", "shifted", "darker")


def real_scale(draw: int, change: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances between real frames and between changed ones, as the loss sees them: in units of their mean."""
    real, fake = (torch.tensor(REAL[draw][name], dtype=torch.float64) for name in ("real", change))
    unit = mean_distance(real, fake)
    return real / unit, fake / unit


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
@pytest.mark.parametrize("start", ["matched", "uniform"])
def test_order_of_frames_changes_nothing(solver, start):
    """From the uniform plan real and generated frames may each be in any order, else in the same one."""
    params = DEFAULT.model_copy(update={"solver": solver, "start": start, "lambda_gw": 0.2, "projections": 100, "sinkhorn": 500})
    real, fake = rows(9), rows(10)
    value = float(gromov_wasserstein(real, fake, params))
    order = torch.randperm(7)
    shuffled = float(gromov_wasserstein(real[order], fake[order if start == "matched" else torch.randperm(7)], params))
    assert shuffled == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("draw", range(len(REAL)))
@pytest.mark.parametrize("change", CHANGES)
def test_the_default_finds_each_frame_s_own_among_real_features(draw, change):
    real, fake = real_scale(draw, change)
    plan = transport_plan(real, fake, DEFAULT.lambda_gw, DEFAULT.projections, DEFAULT.sinkhorn, DEFAULT.start)
    assert plan.diagonal().sum() >= 0.9  # 1/6 for a plan that says nothing
    torch.testing.assert_close(plan.sum(0), torch.full((6,), 1 / 6, dtype=torch.float64))


@pytest.mark.parametrize("change", CHANGES)
def test_real_features_by_pot(change):
    """The same iterations from the same start, at a lambda where Sinkhorn ends soon."""
    real, fake = real_scale(1, change)
    plans = [solve(real, fake, 0.05, 10, 2000, "matched") for solve in (transport_plan, pot_plan)]
    torch.testing.assert_close(plans[0], plans[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("draw", range(len(REAL)))
def test_from_the_uniform_plan_real_frames_find_themselves(draw):
    """Line 4 of Alg. 1 suffices where nothing is changed."""
    real, fake = real_scale(draw, "real")
    assert transport_plan(real, fake, DEFAULT.lambda_gw, DEFAULT.projections, DEFAULT.sinkhorn).diagonal().sum() >= 0.9


@pytest.mark.parametrize("start", ["matched", "uniform"])
@pytest.mark.parametrize("factor", [1e-4, 0.02, 300.0])
def test_the_scale_of_features_changes_neither_plan_nor_value(start, factor):
    params = DEFAULT.model_copy(update={"start": start})
    real, fake = rows(20, 6), rows(21, 6).requires_grad_()
    scaled = (fake.detach() * factor).requires_grad_()
    value, same = gromov_wasserstein(real, fake, params), gromov_wasserstein(real * factor, scaled, params)
    assert float(same.detach()) == pytest.approx(float(value.detach()), rel=1e-6)
    value.backward()
    same.backward()
    assert fake.grad is not None
    assert scaled.grad is not None
    torch.testing.assert_close(scaled.grad * factor, fake.grad, rtol=1e-5, atol=1e-9)


def unregularised(real: torch.Tensor, fake: torch.Tensor) -> float:
    """Least sum of the definition over all ways to pair the frames: no entropy, no start."""
    orders = torch.tensor(list(permutations(range(len(real)))))
    return float((real - fake[orders[:, :, None], orders[:, None]]).square().mean((1, 2)).min())


@pytest.mark.parametrize("seed", range(4))
def test_a_step_down_the_slope_lowers_the_distance_itself(seed):
    """Features of real scale: two windows of neighbours 0.02 apart on the mean, generated ones drawn together and noisy."""
    generator = torch.Generator().manual_seed(seed)
    window = torch.randn(2, 1, 500, generator=generator).mul(0.02)
    way = torch.randn(2, 1, 500, generator=generator).mul(0.005) * torch.arange(3.0)[:, None]
    real = (window + way).flatten(0, 1).double()
    mean = real.mean(0, keepdim=True)
    fake = (mean + 0.6 * (real - mean) + 0.003 * torch.randn(6, 500, generator=generator)).requires_grad_()
    gromov_wasserstein(real, fake, DEFAULT).backward()
    assert fake.grad is not None
    lower = fake.detach() - 0.01 * fake.detach().norm() * fake.grad / fake.grad.norm()
    assert unregularised(distances(real), distances(lower)) < unregularised(distances(real), distances(fake.detach()))


def test_frames_all_alike_cost_nothing():
    same = torch.ones(6, 20)
    assert float(gromov_wasserstein(same, same, DEFAULT)) == 0
    assert float(gromov_wasserstein(rows(1, 1), rows(2, 1), DEFAULT)) == 0


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
    params = DEFAULT.model_copy(update={"lambda_gw": 0.01})
    fake = rows(14).requires_grad_()
    gromov_wasserstein(rows(15), fake, params).backward()
    assert fake.grad is not None
    assert fake.grad.abs().max() > 0
