"""The pose-to-appearance GAN in training: networks, optimisers, one step of both players (§3.2, §3.5)."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.appearance import losses
from pipeline.appearance.dataset import Batch
from pipeline.appearance.gw import gromov_wasserstein, pool_features
from pipeline.appearance.params import AppearanceParams
from pipeline.networks.discriminators import QualityDiscriminator, TemporalDiscriminator
from pipeline.networks.generator import Generator, GeneratorShape
from pipeline.networks.vgg import StVgg16, Vgg19
from pipeline.training import Ema, World, autocast, average_gradients, choose_dtype, gather, seed_step

LOSSES: tuple[str, ...] = ("perceptual", "gw", "pixel", "matte", "quality", "temporal", "discriminators")


@dataclass(frozen=True)
class Rendering:
    """What the generator made of a batch: foregrounds M x F (b k 3 s s) in [-1, 1], matte logits (b k 1 s s)."""

    foregrounds: Tensor
    logits: Tensor


def generator_shape(params: AppearanceParams, pose_channels: int) -> GeneratorShape:
    """The generator that params ask for."""
    n = params.network
    return GeneratorShape(pose_channels, params.k, n.base_width, n.levels, n.blocks, n.dense_skips)


class Gan:
    """Generator, its moving average, the two discriminators, their optimisers; D_t only where frames follow in time."""

    def __init__(
        self, params: AppearanceParams, pose_channels: int, features: StVgg16 | Vgg19, has_time: bool, world: World
    ) -> None:
        self.params, self.world = params, world
        self.dtype = choose_dtype(params.precision, world.device)
        seed_step(params.seed, 0, 0)
        self.generator = self._place(Generator(generator_shape(params, pose_channels)))
        self.ema = Ema(self.generator, params.ema)
        self.features = self._place(features.to(self.dtype))
        d, weights = params.discriminators, params.losses
        self.players = nn.ModuleDict()
        if weights.quality:
            self.players["quality"] = QualityDiscriminator(pose_channels, d.width, d.layers, d.spectral_norm)
        if weights.temporal and has_time and params.k > 1:
            self.players["temporal"] = TemporalDiscriminator(
                pose_channels, params.k, d.width, d.layers, d.dilations, d.spectral_norm
            )
        self._place(self.players)
        o = params.optimiser
        self.generator_optimiser = self._adam(self.generator, o.generator_rate)
        self.discriminator_optimiser = self._adam(self.players, o.discriminator_rate) if len(self.players) else None
        self._run = torch.compile(self.generator) if params.compile else self.generator

    def _place(self, network: Any) -> Any:
        return network.to(self.world.device).to(memory_format=torch.channels_last)

    def _adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        first, second = self.params.optimiser.betas
        return torch.optim.Adam(network.parameters(), rate, (first, second), fused=True)

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, batches: list[Batch], rate: float, replay: bool = False) -> tuple[Tensor, Tensor]:
        """Update both players once over accumulated batches; a replay updates the generator by L_p and L_GW alone.

        Returns the unweighted losses in the order of LOSSES, and the perceptual loss of each window of all processes.
        """
        self._set_rates(rate)
        total, windows = torch.zeros(len(LOSSES), device=self.world.device), []
        earlier: list[tuple[Tensor, Tensor]] = []
        for batch in batches:
            rendering = self.render(batch)
            found = self.generator_losses(batch, rendering, earlier, replay)
            windows.append(found.pop("windows").detach())
            (self._weighted(found, replay) / len(batches)).backward()
            if self.discriminator_optimiser is not None and not replay:
                found["discriminators"] = self.discriminator_loss(batch, rendering)
                (found["discriminators"] / len(batches)).backward()
            total += torch.stack([found.get(name, total.new_zeros(())).detach() for name in LOSSES]) / len(batches)
        self._update(self.generator, self.generator_optimiser)
        self.ema.update(self.generator)
        if self.discriminator_optimiser is not None and not replay:
            self._update(self.players, self.discriminator_optimiser)
        every = torch.stack([gather(w, self.world) for w in windows]).flatten()
        return gather(total[None], self.world).mean(0), every

    def render(self, batch: Batch) -> Rendering:
        """Generate a batch; its colours are judged under the true matte.

        Under its own, a colour near the middle of the range could be had by leaving the matte half open.
        """
        with autocast(self.world.device, self.dtype):
            colours, logits = self._run(batch.poses)
        return Rendering(colours * batch.mattes, logits)

    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        """Every loss of the generator by name, and `windows`: the perceptual loss of each window (b)."""
        real, fake = self._feature_maps(batch.foregrounds, rendering.foregrounds)
        frames = losses.perceptual(real, fake, self.params.perceptual.layers)
        found = {"windows": frames.unflatten(0, (-1, self.params.k)).mean(1), "perceptual": frames.mean()}
        if self.params.losses.gw:
            found["gw"] = self._gromov_wasserstein(real, fake, earlier)
        if replay:
            return found
        found["pixel"] = losses.pixel(batch.foregrounds, rendering.foregrounds)
        found["matte"] = losses.matte(batch.mattes, rendering.logits)
        with _frozen(self.players):
            for name, logits in self._judgements(batch.halved_poses, rendering.foregrounds).items():
                found[name] = losses.judged_real(logits, self.params.adversarial)
        return found

    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        """What D_q and D_t pay on real and generated windows; reaches nothing of the generator."""
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

    def _feature_maps(self, real: Tensor, fake: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        used = [i + 1 for i, weight in enumerate(self.params.perceptual.layers) if weight]
        depth = max([*used, self.params.gw.layer if self.params.losses.gw else 1])
        shrunk = [F.avg_pool2d(x.flatten(0, 1), self.params.perceptual.shrink) for x in (real, fake)]
        real_in, fake_in = (x.contiguous(memory_format=torch.channels_last) for x in shrunk)
        with torch.no_grad():
            real_maps = self.features.features(real_in, depth)
        return real_maps, self.features.features(fake_in, depth)

    def _gromov_wasserstein(self, real: list[Tensor], fake: list[Tensor], earlier: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Over all frames of all processes and of the windows accumulated so far in this step."""
        p = self.params.gw
        rows = [gather(pool_features(maps[p.layer - 1], p.grid), self.world) for maps in (real, fake)]
        seen = [torch.cat([*(pair[i] for pair in earlier), rows[i]]) for i in (0, 1)]
        earlier.append((rows[0], rows[1].detach()))
        return gromov_wasserstein(seen[0], seen[1], p)

    def _weighted(self, found: dict[str, Tensor], replay: bool) -> Tensor:
        """Weighted sum; each process knows the whole L_GW but only its own frames' slope, and slopes get averaged."""
        weights = self.params.losses.model_dump()
        names = ("perceptual", "gw") if replay else tuple(weights)
        factor = {"gw": self.world.size}
        parts = [weights[n] * factor.get(n, 1) * found[n] for n in names if weights[n] and n in found]
        return torch.stack(parts).sum()

    def _update(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        average_gradients(network.parameters(), self.world)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def _set_rates(self, share: float) -> None:
        o = self.params.optimiser
        pairs = ((self.generator_optimiser, o.generator_rate), (self.discriminator_optimiser, o.discriminator_rate))
        for optimiser, rate in pairs:
            for group in optimiser.param_groups if optimiser else []:
                group["lr"] = rate * share

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {name: part.state_dict() for name, part in self._parts()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint."""
        for name, part in self._parts():
            part.load_state_dict(state[name])

    def _parts(self) -> Iterator[tuple[str, Any]]:
        parts = {"generator": self.generator, "players": self.players, "ema": self.ema}
        optimisers = {"generator_optimiser": self.generator_optimiser, "discriminator_optimiser": self.discriminator_optimiser}
        yield from (item for item in chain(parts.items(), optimisers.items()) if item[1] is not None)


@contextlib.contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No gradient reaches the network's weights, though one passes through it."""
    network.requires_grad_(False)
    yield
    network.requires_grad_(True)
