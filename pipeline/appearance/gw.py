"""Gromov-Wasserstein loss between the distance structures of real and generated features (Eq. 1-3, Alg. 1)."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from pipeline.params import Section

CONVERGED = 1e-12  # largest change of the plan below which further iterations change nothing
CHECK_EVERY = 25  # iterations between looks at the change
TINY = 1e-12  # least scale of distances: frames that are all alike cost nothing


class GwParams(Section):
    """How the plan of Alg. 1 is found; lambda_gw is relative to the squared mean distance between frames."""

    solver: Literal["own", "pot"]
    start: Literal["matched", "uniform"]
    lambda_gw: float = Field(gt=0)
    projections: int = Field(ge=1)
    sinkhorn: int = Field(ge=1)
    layer: int = Field(ge=1, le=5)
    grid: int = Field(ge=1, le=32)


def pool_features(features: Tensor, grid: int) -> Tensor:
    """Feature maps (n c h w) averaged onto a fixed grid, as rows (n d), d = c grid^2, float32."""
    return F.adaptive_avg_pool2d(features.float(), grid).flatten(1)


def distances(features: Tensor) -> Tensor:
    """L1 distances (n n) between rows (n d), divided by d."""
    return (features[:, None] - features[None]).abs().mean(-1)


def mean_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the pairs of different frames of both distance matrices, (m m) and (n n): the unit of lambda and of the loss."""
    m, n = len(real), len(fake)
    return ((real.sum() + fake.sum()) / max(m * (m - 1) + n * (n - 1), 1)).clamp_min(TINY)


def starting_plan(kind: Literal["matched", "uniform"], m: int, n: int, device: torch.device) -> Tensor:
    """Plan (m n) that Alg. 1 starts from: uniform (line 4), or half of it laid on the frames that belong together (m = n).

    Frames of a window hardly tell forth from back, so that from the uniform plan Alg. 1 often ends in another near-isometry
    of the frames than theirs. Not in the paper, whose text wants distances as those of the *corresponding* real frames.
    """
    uniform = torch.full((m, n), 1.0 / (m * n), dtype=torch.float64, device=device)
    return uniform if kind == "uniform" else (uniform + torch.eye(m, dtype=torch.float64, device=device) / m) / 2


def _cost(real: Tensor, fake: Tensor, plan: Tensor) -> Tensor:
    """Line 9 of Alg. 1: squared differences of distances, summed over the plan's other end, (m n)."""
    rows = (real.square() @ plan.sum(1))[:, None]
    columns = (fake.square() @ plan.sum(0))[None]
    return rows + columns - 2 * real @ plan @ fake.T


@torch.no_grad()
def transport_plan(
    real: Tensor, fake: Tensor, lambda_: float, projections: int, sinkhorn: int, start: Literal["matched", "uniform"] = "uniform"
) -> Tensor:
    """Plan (m n) of Alg. 1 between distance matrices real (m m) and fake (n n), marginals 1/m and 1/n (Eq. 2), float64.

    Sinkhorn runs on logarithms: exp(-C / lambda) of line 10 underflows for small lambda. Lambda is half the weight of
    the entropy in the objective that the fixed point minimises. Alg. 1 starts each projection from b = 1, and so do we.
    Everything stays on the matrices' device. A CPU ends where nothing changes any more; a GPU, which would have to be waited for to
    know, goes on to the same plan.
    """
    real, fake = real.double(), fake.double()
    m, n = len(real), len(fake)
    plan, projected = starting_plan(start, m, n, real.device), Settling(real.device)
    for projection in range(1, projections + 1):
        # Lines 8-10 of Alg. 1: the cost under the present plan; then Sinkhorn to its marginals.
        log_k = -_cost(real, fake, plan) / lambda_
        log_a, log_b = log_k.new_zeros(m), log_k.new_zeros(n)
        scaled = Settling(real.device)
        for iteration in range(1, sinkhorn + 1):
            previous = log_b
            log_a, log_b = scaled.kept((log_a, log_b), _scaled(log_k, log_b))
            if scaled.settled(iteration, log_b, previous):
                break
        before = plan
        (plan,) = projected.kept((plan,), (torch.exp(log_a[:, None] + log_k + log_b[None]),))
        if projected.settled(projection, plan, before):
            break
    return plan


def _scaled(log_k: Tensor, log_b: Tensor) -> tuple[Tensor, Tensor]:
    """One iteration of Sinkhorn on log K (m n): log a (m), log b (n)."""
    m, n = log_k.shape
    log_a = -math.log(m) - torch.logsumexp(log_k + log_b[None], 1)
    return log_a, -math.log(n) - torch.logsumexp(log_k + log_a[:, None], 0)


class Settling:
    """Whether an iteration still changes anything, looked at every CHECK_EVERY times: by a CPU, which then ends it, or on the device,
    which then keeps what it has."""

    def __init__(self, device: torch.device) -> None:
        self.looks = may_look(device)
        self._done: Tensor | None = None

    def kept(self, before: tuple[Tensor, ...], now: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What an iteration made, or what was there where all had settled."""
        if self._done is None:
            return now
        return tuple(torch.where(self._done, old, new) for old, new in zip(before, now, strict=True))

    def settled(self, iteration: int, now: Tensor, before: Tensor) -> bool:
        """Whether to end after this iteration, from 1."""
        if iteration % CHECK_EVERY:
            return False
        done = (now - before).abs().max() < CONVERGED
        if self.looks:
            return bool(done)
        self._done = done if self._done is None else self._done | done
        return False


def may_look(device: torch.device) -> bool:
    """Whether a number of the device's is at hand without waiting."""
    return device.type == "cpu"


def pot_plan(
    real: Tensor, fake: Tensor, lambda_: float, projections: int, sinkhorn: int, start: Literal["matched", "uniform"] = "uniform"
) -> Tensor:
    """The same plan by POT's entropic solver, on the CPU; its epsilon is twice Alg. 1's lambda."""
    import ot

    first = starting_plan(start, len(real), len(fake), torch.device("cpu")).numpy()
    plan = ot.gromov.entropic_gromov_wasserstein(
        real.double().cpu().numpy(), fake.double().cpu().numpy(), loss_fun="square_loss", epsilon=2 * lambda_, G0=first,
        max_iter=projections, tol=1e-12, solver="PGD", numItermax=sinkhorn, stopThr=1e-12, warn=False,
    )  # fmt: skip
    return torch.as_tensor(plan)


def transported(real: Tensor, fake: Tensor, plan: Tensor) -> Tensor:
    """Line 19 of Alg. 1: sum of |E_ik - D_jl|^2 pi_ij pi_kl with the plan held fixed."""
    return (_cost(real, fake, plan) * plan).sum()


def gromov_wasserstein(real: Tensor, fake: Tensor, params: GwParams) -> Tensor:
    """Loss between real and generated feature rows (n d) of the same frames in the same order; 0 for a single frame.

    Distances are taken in units of their mean, real and generated together, so that the same lambda and the same weight
    of the loss fit any features: scaling them changes neither the plan nor the value. Not in the paper. The gradient
    flows through the two distance matrices, unit and plan held fixed: by the envelope theorem that is the gradient of the
    entropic objective at its minimum.
    """
    real_distances, fake_distances = distances(real), distances(fake)
    unit = mean_distance(real_distances, fake_distances).detach()
    real_distances, fake_distances = real_distances / unit, fake_distances / unit
    solve = transport_plan if params.solver == "own" else pot_plan
    plan = solve(
        real_distances.detach(), fake_distances.detach(), params.lambda_gw, params.projections, params.sinkhorn, params.start
    )
    return transported(real_distances, fake_distances, plan.to(fake_distances))
