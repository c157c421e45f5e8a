"""What public code said to be the paper's does, in training: a baseline, whole frames made from two poses each.

Three anonymous uploads hold code of this paper or its predecessor (FakeVideoCode/FakeVideo, AAAI22-858/AAAI-858,
CodeTDSC/FakeVideo), of uncertain provenance, without a licence, not runnable as uploaded. This is our own code from a table of
what they do; no line is theirs. It differs from the paper: no windows of frames and no matte, L1 perceptual and
feature-matching losses, transport between features in place of L_GW, no memory of windows but a batch trained once more,
a D_t of two frames without dilations.

Ours, where the table is silent: both frames of a window of two are learnt, the first one made from its own pose twice as at a
clip's start; the patch discriminators see both poses beside the frame; transport is among frames of one place in their windows; D_t's
depth; the moving average that is published. Features come from `appearance.features`, where st_vgg16 stands in for their VGG19 and
ResNet-18 alike and needs other weights (presets.yaml). Their faces and local GANs are not modelled apart from ours, and the
third GAN that they fuse with is left out: frames are made whole, mattes are 1.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.appearance import losses
from pipeline.appearance.batch import Batch
from pipeline.appearance.gw import pool_features
from pipeline.appearance.systems.base import Carrying, Rendering, System, frozen
from pipeline.appearance.systems.edn import Maps, feature_matching, perceptual
from pipeline.appearance.transport import transport_loss
from pipeline.networks.as_published import FramePairDiscriminator, PosePairGenerator
from pipeline.networks.edn import MultiscaleDiscriminator
from pipeline.training.device import autocast
from pipeline.training.processes import gather
from pipeline.training.sharing import Share


class AsPublished(System):
    """A generator from two poses to one frame; patch discriminators of (two poses, frame), and D_t of two frames."""

    LOSSES = ("perceptual", "feature_matching", "adversarial", "transport", "temporal", "discriminators")
    KEYS = frozenset({"as_published"})
    SECTION = "as_published"
    WHOLE_FRAMES = True
    HOLDS_JOINTS = True
    WHOLE = frozenset({"transport"})
    LOOKS = 3  # of D_t: for the generator's losses, and for its own at what is made and what is real

    def build(self, pose_channels: int, carrying: Carrying | None) -> tuple[nn.Module, nn.ModuleDict]:
        p, d, weights = self.params.as_published, self.params.as_published.discriminators, self.params.as_published.losses
        self.iteration, self.repeats = 0, 0
        self._shape = {"pose_channels": pose_channels, "width": p.width, "downsamplings": p.downsamplings, "blocks": p.blocks}
        generator = PosePairGenerator(pose_channels, p.width, p.downsamplings, p.blocks)
        discriminators = nn.ModuleDict()
        if weights.adversarial or weights.feature_matching:
            discriminators["frame"] = MultiscaleDiscriminator(2 * pose_channels + 3, d.width, d.layers, d.scales)
        if weights.temporal:
            discriminators["temporal"] = FramePairDiscriminator(p.temporal.width, p.temporal.blocks)
        return generator, discriminators

    @property
    def shape(self) -> dict[str, Any]:
        return self._shape

    @property
    def weights(self) -> dict[str, float]:
        return self.params.as_published.losses.model_dump()

    @property
    def images_repeated(self) -> int:
        return self.repeats * self.params.images_a_step

    def step(self, batches: list[Batch], rate: float, replay: bool = False) -> tuple[Tensor, Tensor]:
        """One step, and the same once more at every so many iterations, or if the generator's loss was *low*.

        That is what the uploads have in place of the paper's memory, which replays what went badly. Returns the first pass's losses.
        """
        found, windows = super().step(batches, rate, replay)
        self.iteration += 1
        if self._is_repeated(found):
            super().step(batches, rate, replay)
            self.repeats += 1
        return found, windows

    def render(self, batch: Batch) -> Rendering:
        frames = self.generate(_both_poses(batch.poses).flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return Rendering(frames.unflatten(0, batch.poses.shape[:2]), None)

    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        p, made = self.params.as_published, rendering.foregrounds
        deepest = p.transport.layer if p.losses.transport else 1
        real_maps, fake_maps = self.feature_maps(batch.foregrounds, made, p.perceptual, deepest)
        windows = perceptual(real_maps, fake_maps, p.perceptual.layers).unflatten(0, batch.poses.shape[:2]).mean(1)
        found = {"windows": windows, "perceptual": windows.mean()}
        if p.losses.transport:
            found["transport"] = self._transport(real_maps, fake_maps, batch.share or Share(1))
        with frozen(self.discriminators):
            if "frame" in self.discriminators:
                fake = self._discriminate_frames(batch.poses, made)
                with torch.no_grad():
                    real = self._discriminate_frames(batch.poses, batch.foregrounds)
                found["adversarial"] = torch.stack([losses.generator_adversarial(maps[-1], "lsgan") for maps in fake]).sum()
                found["feature_matching"] = feature_matching(real, fake)
            if "temporal" in self.discriminators:
                found["temporal"] = -self._discriminate_pairs(made).mean()
        return found

    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        made, total = rendering.foregrounds.detach(), []
        if "frame" in self.discriminators:
            real, fake = self._discriminate_frames(batch.poses, batch.foregrounds), self._discriminate_frames(batch.poses, made)
            total += [losses.discriminator_adversarial(p[-1], q[-1], "lsgan") for p, q in zip(real, fake, strict=True)]
        if "temporal" in self.discriminators:
            total.append(self._discriminate_pairs(made).mean() - self._discriminate_pairs(batch.foregrounds).mean())
        return torch.stack(total).sum()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "iteration": self.iteration, "repeats": self.repeats}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.iteration, self.repeats = state["iteration"], state["repeats"]

    def _is_repeated(self, found: Tensor) -> bool:
        """found: the unweighted losses, means over all processes, so that all decide alike."""
        r, weights = self.params.as_published.repeat, self.params.as_published.losses.model_dump()
        due = r.interval is not None and self.iteration % r.interval == 0
        if due or r.below is None:
            return due
        return sum(weights.get(name, 0.0) * value for name, value in zip(self.LOSSES, found.tolist(), strict=True)) < r.below

    def _discriminate_frames(self, poses: Tensor, frames: Tensor) -> Maps:
        seen = torch.cat([_both_poses(poses), frames], 2).flatten(0, 1)
        with autocast(self.world.device, self.dtype):
            return self.discriminators["frame"](seen.contiguous(memory_format=torch.channels_last))

    def _discriminate_pairs(self, frames: Tensor) -> Tensor:
        with autocast(self.world.device, self.dtype):
            return self.discriminators["temporal"](frames.flatten(1, 2).contiguous(memory_format=torch.channels_last))

    def _transport(self, real: list[Tensor], fake: list[Tensor], share: Share) -> Tensor:
        """Mean over a window's places; among the windows of a batch, which processes may share: nothing but L1 with one window a batch."""
        p = self.params.as_published.transport
        pooled = (pool_features(maps[p.layer - 1], p.grid).unflatten(0, (-1, self.params.k)) for maps in (real, fake))
        parts = [gather(rows, self.world, share.counts) for rows in pooled]
        places = zip(*(torch.cat([part[rank] for rank in share.partners]).unbind(1) for part in parts), strict=True)
        return torch.stack([transport_loss(r, f, p) for r, f in places]).mean()


def _both_poses(poses: Tensor) -> Tensor:
    """Pose maps (b k c h w) each behind those of the frame before, of the first one behind its own: (b k 2c h w)."""
    return torch.cat([torch.cat([poses[:, :1], poses[:, :-1]], 1), poses], 2)
