"""Losses of the pose-to-appearance GAN (Eq. 1-5, 10-11)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Adversarial = Literal["log", "lsgan"]


def perceptual(real: list[Tensor], fake: list[Tensor], weights: list[float]) -> Tensor:
    """Squared L2 between feature maps (n c h w), its mean over each map, weighted by layer: (n) (Eq. 5).

    The paper takes the output of the 16th convolution alone: weights 0, 0, 0, 0, 1 with vgg19.
    """
    total = torch.zeros(len(fake[0]), device=fake[0].device)
    for p, q, weight in zip(real, fake, weights, strict=False):
        if weight:
            total = total + weight * (p - q).float().square().mean((1, 2, 3))
    return total


def unit_distance(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Mean over feature maps (n c h w) of the squared L2 between features of unit length: how unlike two textures are, contrast apart.

    Not in the paper. Unlike Eq. 5 it is not least for a blurred guess (LPIPS, Zhang et al. 2018, without its learnt weights).
    """
    gaps = [(_unit(p.float()) - _unit(q.float())).square().sum(1).mean() for p, q in zip(real, fake, strict=True)]
    return torch.stack(gaps).mean()


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + 1e-6).sqrt()


def pixel(real: Tensor, fake: Tensor) -> Tensor:
    """L1 between foregrounds M x F in [-1, 1]. Not in the paper, which rejects pixel losses (Eq. 4)."""
    return F.l1_loss(fake, real)


def matte(real: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of the predicted matte. Not in the paper: Eq. 9 needs M for a pose that was never filmed."""
    return F.binary_cross_entropy_with_logits(logits, real)


def generator_adversarial(logits: Tensor, form: Adversarial) -> Tensor:
    """The generator's adversarial loss for a discriminator's logits on generated frames.

    Eq. 10-11 have it minimise log(1 - D), which has no slope where D is sure; -log D has, and the same optimum.
    """
    return F.softplus(-logits).mean() if form == "log" else (logits - 1).square().mean()


def discriminator_adversarial(real: Tensor, fake: Tensor, form: Adversarial) -> Tensor:
    """A discriminator's loss for its logits on real and generated frames (Eq. 10-11, negated; or least squares)."""
    if form == "log":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())
