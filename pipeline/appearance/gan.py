"""The pose-to-appearance GAN in training: its networks and what its players pay (§3.2, §3.5)."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.appearance import losses
from pipeline.appearance.dataset import Batch
from pipeline.appearance.gw import gromov_wasserstein, pool_features
from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.system import Rendering, System, frozen
from pipeline.networks.discriminators import QualityDiscriminator, TemporalDiscriminator
from pipeline.networks.generator import Generator, GeneratorShape
from pipeline.networks.vgg import StVgg16, Vgg19
from pipeline.processes import World, gather
from pipeline.training import autocast, seed_step


def generator_shape(params: AppearanceParams, pose_channels: int) -> GeneratorShape:
    """The generator that params ask for."""
    n = params.network
    return GeneratorShape(pose_channels, params.k, n.base_width, n.levels, n.blocks, n.dense_skips)


class Gan(System):
    """Windows of poses to windows of foregrounds and mattes; two discriminators, D_t only for windows of several frames."""

    LOSSES = ("perceptual", "gw", "pixel", "matte", "quality", "temporal", "discriminators")

    def __init__(self, params: AppearanceParams, pose_channels: int, features: StVgg16 | Vgg19, world: World) -> None:
        seed_step(params.seed, 0, 0)
        generator = Generator(generator_shape(params, pose_channels))
        d, weights = params.discriminators, params.losses
        players = nn.ModuleDict()
        if weights.quality:
            players["quality"] = QualityDiscriminator(pose_channels, d.width, d.layers, d.spectral_norm)
        if weights.temporal and params.k > 1:
            players["temporal"] = TemporalDiscriminator(pose_channels, params.k, d.width, d.layers, d.dilations, d.spectral_norm)
        super().__init__(params, world, features, generator, players)

    @property
    def shape(self) -> dict[str, Any]:
        return vars(self.generator.shape)

    @property
    def weights(self) -> dict[str, float]:
        """Each process knows the whole L_GW but only its own frames' slope, and slopes get averaged."""
        own = self.params.losses.model_dump()
        return {**own, "gw": own["gw"] * self.world.size}

    def render(self, batch: Batch) -> Rendering:
        """Generate a batch; its colours are judged under the true matte.

        Under its own, a colour near the middle of the range could be had by leaving the matte half open.
        """
        colours, logits = self.generate(batch.poses)
        return Rendering(colours * batch.mattes, logits)

    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        p = self.params
        real, fake = self.feature_maps(batch.foregrounds, rendering.foregrounds, p.perceptual, p.gw.layer if p.losses.gw else 1)
        frames = losses.perceptual(real, fake, p.perceptual.layers)
        found = {"windows": frames.unflatten(0, (-1, p.k)).mean(1), "perceptual": frames.mean()}
        if p.losses.gw:
            found["gw"] = self._gromov_wasserstein(real, fake, earlier)
        if replay:
            return found
        assert rendering.logits is not None
        found["pixel"] = losses.pixel(batch.foregrounds, rendering.foregrounds)
        found["matte"] = losses.matte(batch.mattes, rendering.logits)
        with frozen(self.players):
            for name, logits in self._judgements(batch.halved_poses, rendering.foregrounds).items():
                found[name] = losses.judged_real(logits, p.adversarial)
        return found

    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        real = self._judgements(batch.halved_poses, batch.foregrounds)
        fake = self._judgements(batch.halved_poses, rendering.foregrounds.detach())
        return torch.stack([losses.told_apart(real[n], fake[n], self.params.adversarial) for n in real]).sum()

    def _judgements(self, poses: Tensor, foregrounds: Tensor) -> dict[str, Tensor]:
        found = {}
        with autocast(self.world.device, self.dtype):
            if "quality" in self.players:
                found["quality"] = self.players["quality"](poses.flatten(0, 1), foregrounds.flatten(0, 1))
            if "temporal" in self.players:
                found["temporal"] = self.players["temporal"](poses, foregrounds)
        return found

    def _gromov_wasserstein(self, real: list[Tensor], fake: list[Tensor], earlier: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Over all frames of all processes and of the windows accumulated so far in this step."""
        p = self.params.gw
        rows = [gather(pool_features(maps[p.layer - 1], p.grid), self.world) for maps in (real, fake)]
        seen = [torch.cat([*(pair[i] for pair in earlier), rows[i]]) for i in (0, 1)]
        earlier.append((rows[0], rows[1].detach()))
        return gromov_wasserstein(seen[0], seen[1], p)
