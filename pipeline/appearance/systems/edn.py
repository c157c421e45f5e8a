"""Everybody Dance Now in training, a baseline: whole frames, each made from its pose and the frame made before it.

Our own code from the published description (Chan et al. 2019, §3.2 and §5). Ours: the moving average that is published,
and feature networks other than VGG19 where `appearance.features` names one.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.appearance import losses
from pipeline.appearance.batch import Batch
from pipeline.appearance.systems.base import Carrying, Rendering, System, frozen
from pipeline.networks.edn import GlobalGenerator, MultiscaleDiscriminator
from pipeline.training.device import autocast

PUBLISHED_LAYERS = 4  # of the discriminators whose features are matched, over which pix2pixHD takes the sum
Maps = list[list[Tensor]]  # of every scale and layer, each scale's last the logits


class Edn(System):
    """One global generator run twice, I0 given zeros and I1 given I0; discriminators that see both poses and both frames."""

    LOSSES = ("perceptual", "feature_matching", "adversarial", "discriminators")
    KEYS = frozenset({"edn"})
    SECTION = "edn"
    WHOLE_FRAMES = True

    def build(self, pose_channels: int, carrying: Carrying | None) -> tuple[nn.Module, nn.ModuleDict]:
        e, d = self.params.edn, self.params.edn.discriminators
        self._shape = {"pose_channels": pose_channels, "width": e.width, "downsamplings": e.downsamplings, "blocks": e.blocks}
        generator = GlobalGenerator(pose_channels + 3, e.width, e.downsamplings, e.blocks)
        discriminators = nn.ModuleDict()
        if e.losses.adversarial or e.losses.feature_matching:
            discriminators["pairs"] = MultiscaleDiscriminator(2 * (pose_channels + 3), d.width, d.layers, d.scales)
        return generator, discriminators

    @property
    def shape(self) -> dict[str, Any]:
        return self._shape

    @property
    def weights(self) -> dict[str, float]:
        return self.params.edn.losses.model_dump()

    def render(self, batch: Batch) -> Rendering:
        """Frame by frame, as a motion is rendered: the slope of a frame passes through the one it was given."""
        frames = [torch.zeros_like(batch.foregrounds[:, 0])]
        for poses in batch.poses.unbind(1):
            frames.append(self.generate(torch.cat([poses, frames[-1]], 1)))
        return Rendering(torch.stack(frames[1:], 1), None)

    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        p = self.params.edn.perceptual
        windows = perceptual(*self.feature_maps(batch.foregrounds, rendering.foregrounds, p), p.layers).unflatten(0, (-1, self.params.k))
        found = {"windows": windows.mean(1), "perceptual": windows.sum(1).mean()}
        if replay or not len(self.discriminators):
            return found
        with frozen(self.discriminators):
            fake = self._discriminate(batch.poses, rendering.foregrounds)
            with torch.no_grad():
                real = self._discriminate(batch.poses, batch.foregrounds)
        found["adversarial"] = torch.stack([losses.generator_adversarial(maps[-1], "lsgan") for maps in fake]).sum()
        found["feature_matching"] = feature_matching(real, fake)
        return found

    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        real, fake = self._discriminate(batch.poses, batch.foregrounds), self._discriminate(batch.poses, rendering.foregrounds.detach())
        return torch.stack([losses.discriminator_adversarial(p[-1], q[-1], "lsgan") for p, q in zip(real, fake, strict=True)]).sum()

    def _discriminate(self, poses: Tensor, frames: Tensor) -> Maps:
        with autocast(self.world.device, self.dtype):
            return self.discriminators["pairs"](stacked(poses, frames))


def stacked(poses: Tensor, frames: Tensor) -> Tensor:
    """What the discriminators see of windows of two: (x_t, x_t+1, y_t, y_t+1) of poses (b 2 c h w) and frames (b 2 3 h w), (b 2c+6 h w)."""
    return torch.cat([poses.flatten(1, 2), frames.flatten(1, 2)], 1).contiguous(memory_format=torch.channels_last)


def perceptual(real: list[Tensor], fake: list[Tensor], weights: list[float]) -> Tensor:
    """L1 between feature maps (n c h w), its mean over each map, weighted by layer: (n)."""
    total = torch.zeros(len(fake[0]), device=fake[0].device)
    for p, q, weight in zip(real, fake, weights, strict=False):
        if weight:
            total = total + weight * (p - q).float().abs().mean((1, 2, 3))
    return total


def feature_matching(real: Maps, fake: Maps) -> Tensor:
    """L1 between the discriminators' features on real and generated frames, without their logits: mean over layers and scales.

    Times PUBLISHED_LAYERS, so that the published weight means the same for discriminators of any depth.
    """
    gaps = [(p - q).abs().mean() for a, b in zip(real, fake, strict=True) for p, q in zip(a[:-1], b[:-1], strict=True)]
    return PUBLISHED_LAYERS * torch.stack(gaps).mean()
