"""The pose-to-appearance GAN of the paper in training: its networks and their losses (§3.2, §3.5)."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.appearance import losses
from pipeline.appearance.batch import Batch, composited
from pipeline.appearance.detail import finer_picture
from pipeline.appearance.gw import gromov_wasserstein, pool_features
from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.systems.base import Carrying, Rendering, System, frozen
from pipeline.errors import InputError
from pipeline.networks.carrying import Carried, carry
from pipeline.networks.discriminators import QualityDiscriminator, TemporalDiscriminator, shrunk, stacked_maps
from pipeline.networks.generator import Generator, GeneratorShape, own_picture
from pipeline.networks.vgg import WIDTHS
from pipeline.training.device import autocast
from pipeline.training.processes import gather
from pipeline.training.sharing import Share


def generator_shape(params: AppearanceParams, pose_channels: int, references: int = 0) -> GeneratorShape:
    """The generator that params ask for."""
    n = params.network
    return GeneratorShape(pose_channels, params.k, n.base_width, n.levels, n.blocks, n.dense_skips, references)


class FakeVideo(System):
    """Windows of poses to windows of foregrounds and mattes; two discriminators, D_t only for windows of several frames."""

    LOSSES = ("perceptual", "gw", "pixel", "matte", "own", "detail", "quality", "temporal", "discriminators")
    KEYS = frozenset({"network", "discriminators", "losses", "adversarial", "perceptual", "gw", "memory"})
    SEES_REFERENCES = True
    REPLAYS = True
    WHOLE = frozenset({"gw"})
    LOOKS = 3  # for the generator's losses, and for the discriminators' at what is real and what is not

    def build(self, pose_channels: int, carrying: Carrying | None) -> tuple[nn.Module, nn.ModuleDict]:
        params, d, weights = self.params, self.params.discriminators, self.params.losses
        self.carrying = None if carrying is None else carrying.shape
        self.carrying_weights = {} if carrying is None else carrying.weights
        self._seen: tuple[Tensor, Tensor, Tensor] | None = None  # what the discriminators see of a batch: poses, what is true, what is made
        generator = Generator(generator_shape(params, pose_channels, 0 if carrying is None else carrying.references))
        discriminators = nn.ModuleDict()
        channels = sum(WIDTHS[layer - 1] for layer in d.sees)
        if weights.quality:
            discriminators["quality"] = QualityDiscriminator(pose_channels, d.width, d.layers, d.spectral_norm, channels)
        if weights.temporal and params.k > 1:
            discriminators["temporal"] = TemporalDiscriminator(
                pose_channels, params.k, d.width, d.layers, d.dilations, d.spectral_norm, channels
            )
        return generator, discriminators

    @classmethod
    def check(cls, params: AppearanceParams, crop_hw: tuple[int, int]) -> None:
        super().check(params, crop_hw)
        multiple = 2 ** (params.network.levels - 1)
        if any(side % multiple for side in crop_hw):
            raise InputError(
                f"both sides of the crop must be multiples of {multiple} px for {params.network.levels} levels, found "
                f"{crop_hw[1]}x{crop_hw[0]}: lower appearance.network.levels, or change crop.size_px"
            )

    @property
    def shape(self) -> dict[str, Any]:
        return vars(self.generator.shape)

    @property
    def weights(self) -> dict[str, float]:
        return {**self.params.losses.model_dump(), **self.carrying_weights}

    @property
    def _needs_features(self) -> bool:
        """Whether a loss or a discriminator sees feature maps of whole frames: they take most of a step."""
        weights, d = self.params.losses, self.params.discriminators
        return bool(weights.perceptual or weights.gw or (d.sees and len(self.discriminators)))

    def render(self, batch: Batch) -> Rendering:
        """Generate a batch and lay it by its predicted mattes over the batch's backgrounds, where the truth lies by the true ones.

        A colour near the middle of the range could be had by a matte left half open: over a background of another colour in each
        step that is seen.
        """
        if self.carrying is None or batch.warped is None:
            colours, logits = own_picture(self.generate(batch.poses))
            return Rendering(composited(colours, torch.sigmoid(logits), batch.backgrounds), logits)
        made = carry(self.generate(batch.poses, batch.warped).flatten(0, 1), batch.warped.flatten(0, 1), self.carrying)
        laid = [
            composited(colours.unflatten(0, (-1, self.params.k)), mattes.unflatten(0, (-1, self.params.k)), batch.backgrounds)
            for colours, mattes in ((made.colours, made.mattes), (made.own_colours, torch.sigmoid(made.own_logits)))
        ]
        return Rendering(laid[0], made.own_logits.unflatten(0, (-1, self.params.k)), laid[1], self._finer(batch, made))

    def _finer(self, batch: Batch, made: Carried) -> tuple[Tensor, Tensor] | None:
        """The batch's patches, true and generated, (m 3 p p) over the windows' backgrounds; None without any."""
        patches = batch.patches
        if patches is None or self.carrying is None:
            return None
        colours, mattes = finer_picture(made, patches, self.params.k, self.carrying.band_px)
        behind = torch.cat([batch.backgrounds[window] for window in patches.window])
        return patches.truth[:, :3] + (1 - patches.truth[:, 3:]) * behind, composited(colours, mattes, behind)

    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        p = self.params
        found, real, fake = {}, [], []
        if self._needs_features:
            least = max(p.gw.layer if p.losses.gw else 1, *p.discriminators.sees, 1)
            real, fake = self.feature_maps(batch.composites, rendering.foregrounds, p.perceptual, least)
            frames = losses.perceptual(real, fake, p.perceptual.layers)
            found["perceptual"] = frames.mean()
        else:  # the memory goes by the pixels
            frames = (batch.composites - rendering.foregrounds).abs().mean((2, 3, 4)).flatten()
        found["windows"] = frames.unflatten(0, (-1, p.k)).mean(1)
        if p.losses.gw:
            found["gw"] = self._gromov_wasserstein(real, fake, earlier, batch.share or Share(1))
        if replay:
            return found
        assert rendering.logits is not None
        found["pixel"] = losses.pixel(batch.composites, rendering.foregrounds)
        if rendering.own is not None:
            found["own"] = losses.pixel(batch.composites, rendering.own)
        found["matte"] = losses.matte(batch.mattes, rendering.logits)
        if rendering.finer is not None:
            maps = [self.features.features(x.contiguous(memory_format=torch.channels_last)) for x in rendering.finer]
            found["detail"] = losses.unit_distance(*maps) + losses.pixel(*rendering.finer)
        if self.carrying_weights.get("detail") and batch.share is not None:  # some windows have no patch
            patches = rendering.foregrounds.new_full((1,), 0 if rendering.finer is None else len(rendering.finer[0]))
            found["detail"] = self.over_all(found.get("detail", rendering.foregrounds.new_zeros(())), patches, batch.share)
        if len(self.discriminators):
            made = self._as_seen(rendering.foregrounds, fake)
            poses = self._poses_for(batch.halved_poses, made)
            # In the type that both discriminators' convolutions work in; the generator's slopes keep theirs.
            self._seen = poses, self._as_seen(batch.composites, real).to(self.dtype), made.detach().to(self.dtype)
            with frozen(self.discriminators):
                for name, logits in self._logits(poses, made).items():
                    found[name] = losses.generator_adversarial(logits, p.adversarial)
        return found

    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        assert self._seen is not None
        poses, *seen = self._seen
        real, fake = (self._logits(poses, windows) for windows in seen)
        self._seen = None
        return torch.stack([losses.discriminator_adversarial(real[n], fake[n], self.params.adversarial) for n in real]).sum()

    def _as_seen(self, foregrounds: Tensor, maps: list[Tensor]) -> Tensor:
        """What the discriminators see of windows (b k 3 h w): the windows themselves, or of their feature maps those that params name."""
        sees = self.params.discriminators.sees
        return stacked_maps([maps[layer - 1] for layer in sees]).unflatten(0, foregrounds.shape[:2]) if sees else foregrounds

    def _poses_for(self, poses: Tensor, seen: Tensor) -> Tensor:
        """Halved poses (b k c h/2 w/2) at the size of the feature maps that discriminators see: shrunk once for all looks at a batch."""
        if not self.params.discriminators.sees:
            return poses
        return shrunk(poses.flatten(0, 1), seen.shape[-2:]).unflatten(0, poses.shape[:2])

    def _logits(self, poses: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """Logits by discriminator for windows of halved poses (b k c h/2 w/2), or as _poses_for(), and what _as_seen() makes of windows."""
        found = {}
        with autocast(self.world.device, self.dtype):
            if "quality" in self.discriminators:
                found["quality"] = self.discriminators["quality"](poses.flatten(0, 1), seen.flatten(0, 1))
            if "temporal" in self.discriminators:
                found["temporal"] = self.discriminators["temporal"](poses, seen)
        return found

    def _gromov_wasserstein(
        self, real: list[Tensor], fake: list[Tensor], earlier: list[tuple[Tensor, Tensor]], share: Share
    ) -> Tensor:
        """Over all frames of the batch, which processes may share, and of the windows accumulated before it in this step."""
        p, frames = self.params.gw, [count * self.params.k for count in share.counts]
        rows = [gather(pool_features(maps[p.layer - 1], p.grid), self.world, frames) for maps in (real, fake)]
        seen = [*share.before, *share.partners]
        real_rows, fake_rows = (torch.cat([*(pair[i] for pair in earlier), *(rows[i][rank] for rank in seen)]) for i in (0, 1))
        earlier.append((torch.cat(rows[0]), torch.cat(rows[1]).detach()))
        return gromov_wasserstein(real_rows, fake_rows, p)
