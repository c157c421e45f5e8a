"""Gromov-Wasserstein loss between the distance structures of real and generated features (Eq. 1-3, Alg. 1)."""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from pipeline.params import Section

CONVERGED = 1e-12  # largest change of the plan below which further projections change nothing


class GwParams(Section):
    """How the plan of Alg. 1 is found."""

    solver: Literal["own", "pot"]
    lambda_gw: float = Field(gt=0)
    projections: int = Field(ge=1)
    sinkhorn: int = Field(ge=1)
    layer: int = Field(ge=1, le=5)
    grid: int = Field(ge=1, le=32)


def pool_features(features: Tensor, grid: int) -> Tensor:
    """Feature maps (n c h w) averaged onto a fixed grid, as rows (n d), d = c grid^2, float32."""
    return F.adaptive_avg_pool2d(features.float(), grid).flatten(1)


def distances(features: Tensor) -> Tensor:
    """L1 distances (n n) between rows (n d), divided by d so that lambda means the same at every resolution."""
    return (features[:, None] - features[None]).abs().mean(-1)


def _cost(real: Tensor, fake: Tensor, plan: Tensor) -> Tensor:
    """Line 9 of Alg. 1: squared differences of distances, summed over the plan's other end, (m n)."""
    rows = (real.square() @ plan.sum(1))[:, None]
    columns = (fake.square() @ plan.sum(0))[None]
    return rows + columns - 2 * real @ plan @ fake.T


@torch.no_grad()
def transport_plan(real: Tensor, fake: Tensor, lambda_: float, projections: int, sinkhorn: int) -> Tensor:
    """Plan (m n) of Alg. 1 between distance matrices real (m m) and fake (n n), marginals 1/m and 1/n (Eq. 2).

    Sinkhorn runs on logarithms: exp(-C / lambda) of line 10 underflows for small lambda. Lambda is half the weight of
    the entropy in the objective that the fixed point minimises. Alg. 1 starts each projection from b = 1, and so do we.
    """
    real, fake = real.double(), fake.double()
    m, n = len(real), len(fake)
    log_p = torch.full((m,), -torch.log(torch.tensor(float(m))).item(), dtype=torch.float64)
    log_q = torch.full((n,), -torch.log(torch.tensor(float(n))).item(), dtype=torch.float64)
    plan = torch.full((m, n), 1.0 / (m * n), dtype=torch.float64)
    for _ in range(projections):
        log_k = -_cost(real, fake, plan) / lambda_
        log_b = torch.zeros(n, dtype=torch.float64)
        log_a = torch.zeros(m, dtype=torch.float64)
        for _ in range(sinkhorn):
            previous = log_b
            log_a = log_p - torch.logsumexp(log_k + log_b[None], 1)
            log_b = log_q - torch.logsumexp(log_k + log_a[:, None], 0)
            if float((log_b - previous).abs().max()) < CONVERGED:
                break
        following = torch.exp(log_a[:, None] + log_k + log_b[None])
        change = float((following - plan).abs().max())
        plan = following
        if change < CONVERGED:
            break
    return plan


def pot_plan(real: Tensor, fake: Tensor, lambda_: float, projections: int, sinkhorn: int) -> Tensor:
    """The same plan by POT's entropic solver, whose epsilon is twice Alg. 1's lambda."""
    import ot

    plan = ot.gromov.entropic_gromov_wasserstein(
        real.double().numpy(), fake.double().numpy(), loss_fun="square_loss", epsilon=2 * lambda_,
        max_iter=projections, tol=1e-12, solver="PGD", numItermax=sinkhorn, stopThr=1e-12, warn=False,
    )  # fmt: skip
    return torch.as_tensor(plan)


def transported(real: Tensor, fake: Tensor, plan: Tensor) -> Tensor:
    """Line 19 of Alg. 1: sum of |E_ik - D_jl|^2 pi_ij pi_kl with the plan held fixed."""
    return (_cost(real, fake, plan) * plan).sum()


def gromov_wasserstein(real: Tensor, fake: Tensor, params: GwParams) -> Tensor:
    """Loss between real and generated feature rows (n d) of the same frames.

    The gradient flows through the two distance matrices, the plan held fixed: by the envelope theorem that is the
    gradient of the entropic objective at its minimum.
    """
    real_distances, fake_distances = distances(real), distances(fake)
    solve = transport_plan if params.solver == "own" else pot_plan
    plan = solve(
        real_distances.detach().cpu(), fake_distances.detach().cpu(), params.lambda_gw, params.projections, params.sinkhorn
    )
    return transported(real_distances, fake_distances, plan.to(fake_distances))
