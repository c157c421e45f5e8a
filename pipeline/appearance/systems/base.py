"""What all systems have in common in training: a generator, its discriminators, and one step of both."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from pipeline.appearance.batch import Batch
from pipeline.appearance.params import AppearanceParams, PerceptualParams
from pipeline.errors import InputError
from pipeline.networks.carrying import CarryShape
from pipeline.networks.vgg import StVgg16, Vgg19
from pipeline.training.device import autocast, choose_dtype
from pipeline.training.processes import World, add_gradients, gather
from pipeline.training.sharing import Share
from pipeline.training.steps import MovingAverage, seed_step

LEAST_SEEN_PX = 32  # the feature networks read no less

REPLAYED = ("perceptual", "gw")  # line 9 of Alg. 2
LARGE_PX = 224  # side of a square frame, in float32; from there on a batch at once may take more than 4 GB


@dataclass(frozen=True)
class Rendering:
    """What the generator made of a batch: foregrounds (b k 3 h w) in [-1, 1], laid over the batch's backgrounds, and matte logits
    (b k 1 h w) where it has any. Where it carries real pixels: the same without them, and finer patches (m 3 p p), true and generated.
    """

    foregrounds: Tensor
    logits: Tensor | None
    own: Tensor | None = None
    finer: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Carrying:
    """How a generator learns to carry real pixels of so many references a frame; weights of carrying's losses by name."""

    shape: CarryShape
    weights: dict[str, float]
    references: int


class System(ABC):
    """Generator, its moving average, its discriminators, their optimisers.

    A system says what it asks of its params and inputs, what networks it has, what it renders of a batch and what their losses
    are; the loop of training is the same for all.
    """

    LOSSES: ClassVar[tuple[str, ...]]
    WHOLE: ClassVar[frozenset[str]] = frozenset()  # losses over all of a batch, known to each process that shares it, with its own slope
    LOOKS: ClassVar[int] = 0  # times that a step shows a batch to discriminators which change by looking (spectral norm)
    KEYS: ClassVar[frozenset[str]]  # of the section `appearance`, those that this system alone reads
    SECTION: ClassVar[str] = ""  # of params where its losses stand; empty: `appearance` itself
    WHOLE_FRAMES: ClassVar[bool] = False  # it makes the background too, frame after frame, and learns pairs of frames
    HOLDS_JOINTS: ClassVar[bool] = False  # it is shown a missing joint where it was in the frame before
    SEES_REFERENCES: ClassVar[bool] = False
    REPLAYS: ClassVar[bool] = False  # by the memory of Alg. 2

    def __init__(
        self,
        params: AppearanceParams,
        pose_channels: int,
        features: StVgg16 | Vgg19,
        world: World,
        carrying: Carrying | None = None,
    ) -> None:
        """carrying: how real pixels are carried into what is generated, None where none are."""
        self.params, self.world = params, world
        seed_step(params.seed, 0, 0)
        generator, discriminators = self.build(pose_channels, carrying)
        self.dtype = choose_dtype(params.precision, world.device)
        self.generator = self._place(generator)
        self.ema = MovingAverage(self.generator, params.ema)
        self.features = self._place(features.to(self.dtype))
        self.discriminators = self._place(discriminators)
        o = params.optimiser
        self.generator_optimiser = self._adam(self.generator, o.generator_rate)
        self.discriminator_optimiser = self._adam(self.discriminators, o.discriminator_rate) if len(self.discriminators) else None
        self._run = torch.compile(self.generator) if params.compile else self.generator

    def _place(self, network: Any) -> Any:
        return network.to(self.world.device).to(memory_format=torch.channels_last)

    def _adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        first, second = self.params.optimiser.betas
        return torch.optim.Adam(network.parameters(), rate, (first, second), fused=True)

    # --- what a system asks for ---------------------------------------------------------------------------------------

    @classmethod
    def check(cls, params: AppearanceParams, crop_hw: tuple[int, int]) -> None:
        """InputError unless the system can be trained by these params on crops of this size."""
        place = f"appearance.{cls.SECTION}".rstrip(".")
        own: Any = getattr(params, cls.SECTION) if cls.SECTION else params
        weights = own.losses.model_dump()
        if params.k == 1:
            weights.pop("temporal", None)  # there is no D_t for single frames
        if not any(weights.values()):
            raise InputError(f"one of {place}.losses must be above 0, found none: raise {', '.join(weights)}, or one of them")
        if weights["perceptual"] and not any(own.perceptual.layers):
            raise InputError(
                f"one of {place}.perceptual.layers must be above 0 where {place}.losses.perceptual is, found none: raise one"
            )
        if cls.REPLAYS and params.memory.enabled and not (weights["perceptual"] or weights["gw"]):
            raise InputError(
                "appearance.memory.enabled needs appearance.losses.perceptual or .gw above 0: it replays by these alone, found both 0: "
                "raise one, or set memory.enabled to false"
            )
        if cls.WHOLE_FRAMES and params.k != 2:
            raise InputError(
                f"appearance.system: {params.system} learns pairs of frames, which needs appearance.k 2, found {params.k}: set it to 2"
            )

    @classmethod
    def for_stills(cls, params: AppearanceParams) -> AppearanceParams:
        """Params for a clip without time: as many frames a step, each a window of its own, since none follows another.

        Not in the paper. Pairs of frames stay pairs.
        """
        if cls.WHOLE_FRAMES:
            return params
        return params.model_copy(update={"k": 1, "batch_windows": params.batch_windows * params.k})

    @classmethod
    def remembers(cls, params: AppearanceParams) -> bool:
        """Whether training replays windows from the memory."""
        return cls.REPLAYS and params.memory.enabled

    # --- what a system says of itself ---------------------------------------------------------------------------------

    @abstractmethod
    def build(self, pose_channels: int, carrying: Carrying | None) -> tuple[nn.Module, nn.ModuleDict]:
        """Generator and discriminators by name, untrained; drawn in this order."""

    @property
    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """What rebuilds the generator, for the model's description."""

    @property
    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Weight of each loss of the generator; 0 = off."""

    @property
    def images_repeated(self) -> int:
        """Frames that the system trained on again of its own accord, beside what the loop counts."""
        return 0

    @abstractmethod
    def render(self, batch: Batch) -> Rendering:
        """Generate a batch."""

    @abstractmethod
    def generator_losses(
        self, batch: Batch, rendering: Rendering, earlier: list[tuple[Tensor, Tensor]], replay: bool
    ) -> dict[str, Tensor]:
        """Every loss of the generator by name, and `windows`: the perceptual loss of each window (b).

        `earlier` holds what a loss over all batches of a step keeps of those before this one. Processes may share a batch: what is no
        mean over its windows is made one by over_all(), or stands in WHOLE.
        """

    @abstractmethod
    def discriminator_loss(self, batch: Batch, rendering: Rendering) -> Tensor:
        """The discriminators' loss on real and generated windows; reaches nothing of the generator."""

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, batches: list[Batch], rate: float, replay: bool = False) -> tuple[Tensor, Tensor]:
        """Update generator and discriminators once over accumulated batches; a replay updates the generator by L_p and L_GW alone.

        Returns the unweighted losses in the order of LOSSES, and the perceptual loss of each window of all processes.
        """
        self._set_rates(rate)
        total, windows = torch.zeros(len(self.LOSSES), device=self.world.device), []
        earlier: list[tuple[Tensor, Tensor]] = []
        share, looked = Share(1), 0
        for batch in batches:
            parts = batch.one_by_one() if batch.share is None and self.goes_one_by_one(batch.poses.shape) else [batch]
            for part in parts:
                share = part.share or Share(len(batches) * len(parts))
                looked = looked if replay else self._look_on(looked, share.own.unit) + 1
                rendering = self.render(part)
                found = self.generator_losses(part, rendering, earlier, replay)
                windows += gather(found.pop("windows").detach(), self.world, share.counts)
                (self._weighted(found, replay, share) / share.divisor).backward()
                if self.discriminator_optimiser is not None and not replay:
                    found["discriminators"] = self.discriminator_loss(part, rendering)
                    (found["discriminators"] / share.divisor).backward()
                total += torch.stack([found.get(name, total.new_zeros(())).detach() for name in self.LOSSES]) / share.divisor
        if not replay:
            self._look_on(looked, share.units)
        # Both are updated once, by slopes of the same renderings.
        self._update(self.generator, self.generator_optimiser)
        self.ema.update(self.generator)
        if self.discriminator_optimiser is not None and not replay:
            self._update(self.discriminators, self.discriminator_optimiser)
        # Losses and windows of all processes, so that all decide alike.
        return torch.cat(gather(total[None], self.world)).sum(0), torch.cat(windows)

    def over_all(self, mean: Tensor, count: Tensor, share: Share | None) -> Tensor:
        """A mean over `count` (1) things of a process's windows, as its part of the mean over those of the whole batch."""
        if share is None or self.world.size == 1:
            return mean
        counts = gather(count.float(), self.world)
        partners = [counts[rank] for rank in share.partners if share.counts[rank]]
        return mean * counts[share.rank][0] / torch.cat(partners).sum().clamp_min(1) * share.whole

    def _look_on(self, looked: int, until: int) -> int:
        """Have spectral norms iterate as if the discriminators here had been shown units of a step from `looked` on to `until`.

        With every look they come nearer to the true norm, so that processes must count as many as one alone. Returns `until`.
        """
        if self.world.size > 1:
            with torch.no_grad(), autocast(self.world.device, self.dtype):
                for _ in range((until - looked) * self.LOOKS):
                    for module in self.discriminators.modules():
                        _ = module.weight if is_parametrized(module, "weight") else None
        return until

    def goes_one_by_one(self, shape: Sequence[int]) -> bool:
        """Whether windows of pose maps of a shape (b k c h w) go through one at a time, as batches whose gradients add up.

        So memory suffices at large crops. On the CPU alone: there one process makes all of a step, on GPUs several may.
        """
        large = LARGE_PX**2 * (2 if self.dtype == torch.bfloat16 else 1)
        return self.world.device.type == "cpu" and shape[0] > 1 and shape[3] * shape[4] > large

    def generate(self, *inputs: Tensor) -> Any:
        """The generator's pass in the precision of the run."""
        with autocast(self.world.device, self.dtype):
            return self._run(*inputs)

    def feature_maps(self, real: Tensor, fake: Tensor, params: PerceptualParams, least: int = 1) -> tuple[list[Tensor], list[Tensor]]:
        """Maps of the feature network for real and generated windows (b k 3 h w), down to the last weighted layer or `least`.

        Frames are shrunk as params say, but not below LEAST_SEEN_PX on their shorter side.
        """
        used = [i + 1 for i, weight in enumerate(params.layers) if weight]
        depth = max([*used, least])
        shrink = max(1, min(params.shrink, min(real.shape[-2:]) // LEAST_SEEN_PX))
        shrunk = [F.avg_pool2d(x.flatten(0, 1), shrink) for x in (real, fake)]
        real_in, fake_in = (x.contiguous(memory_format=torch.channels_last) for x in shrunk)
        with torch.no_grad():
            real_maps = self.features.features(real_in, depth)
        return real_maps, self.features.features(fake_in, depth)

    def _weighted(self, found: dict[str, Tensor], replay: bool, share: Share | None = None) -> Tensor:
        whole = 1.0 if share is None else share.whole
        weights = {name: weight * (whole if name in self.WHOLE else 1) for name, weight in self.weights.items()}
        names = REPLAYED if replay else tuple(weights)
        return torch.stack([weights[n] * found[n] for n in names if weights.get(n) and n in found]).sum()

    def _update(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        add_gradients(network.parameters(), self.world)
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
        parts = {"generator": self.generator, "discriminators": self.discriminators, "ema": self.ema}
        optimisers = {"generator_optimiser": self.generator_optimiser, "discriminator_optimiser": self.discriminator_optimiser}
        yield from (item for item in chain(parts.items(), optimisers.items()) if item[1] is not None)


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradient reaches the network's weights, though one passes through it."""
    network.requires_grad_(False)
    yield
    network.requires_grad_(True)
