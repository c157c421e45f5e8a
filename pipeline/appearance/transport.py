"""Entropic optimal transport between real and generated features, what the public code has under the name of L_GW.

It is not Gromov-Wasserstein (Eq. 1-3; gw.py): features themselves are compared, not the distances among them. With one window a
batch, as published, there is nothing to transport: the plan is 1, and the loss a plain L1 distance between features.
"""

import torch
from pydantic import Field
from torch import Tensor

from pipeline.params import Section


class TransportParams(Section):
    """Weight of the entropy, most rounds of Sinkhorn, and the features that are compared."""

    epsilon: float = Field(gt=0)
    rounds: int = Field(ge=1)
    layer: int = Field(ge=1, le=5)
    grid: int = Field(ge=1, le=32)


@torch.no_grad()
def sinkhorn_plan(cost: Tensor, epsilon: float, rounds: int) -> Tensor:
    """Plan (m n) float64 between uniform marginals for costs (m n), in logarithms; its columns' sums are exact."""
    log_k = -cost.double() / epsilon
    m, n = cost.shape
    log_m, log_n = (log_k.new_full((), size).log() for size in (m, n))  # made there: a GPU would wait for numbers from here
    log_a, log_b = log_k.new_zeros(m), log_k.new_zeros(n)
    for _ in range(rounds):
        log_a = -torch.logsumexp(log_k + log_b, 1) - log_m
        log_b = -torch.logsumexp(log_k + log_a[:, None], 0) - log_n
    return torch.exp(log_a[:, None] + log_k + log_b)


def transport_loss(real: Tensor, fake: Tensor, params: TransportParams) -> Tensor:
    """Cost of carrying generated feature rows (n d) to real ones (n d): L1, summed over d, under the plan held fixed."""
    cost = (real[:, None] - fake[None]).abs().sum(-1)
    return (sinkhorn_plan(cost, params.epsilon, params.rounds).to(cost) * cost).sum()
