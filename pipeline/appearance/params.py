"""The params section `appearance`."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.appearance.dropout import DropoutParams
from pipeline.appearance.gw import GwParams
from pipeline.appearance.memory import MemoryParams
from pipeline.appearance.transport import TransportParams
from pipeline.body.pose_maps import PoseMapParams
from pipeline.networks.carrying import CarryShape
from pipeline.params import Section
from pipeline.training.device import Precision


class NetworkParams(Section):
    """Size of the generator."""

    base_width: int = Field(ge=4, le=256)
    levels: int = Field(ge=2, le=7)
    blocks: int = Field(ge=0, le=16)
    dense_skips: bool


class DiscriminatorParams(Section):
    """Size of both discriminators, and the feature layers that they see, none = the frames; dilations are those of D_t's convolutions."""

    sees: list[Annotated[int, Field(ge=1, le=5)]]
    width: int = Field(ge=4, le=256)
    layers: int = Field(ge=1, le=5)
    dilations: list[Annotated[int, Field(ge=1, le=64)]] = Field(min_length=2)
    spectral_norm: bool


class LossWeights(Section):
    """Weight of each loss of the generator; 0 switches it off, and with it its network."""

    perceptual: float = Field(ge=0)
    gw: float = Field(ge=0)
    pixel: float = Field(ge=0)
    matte: float = Field(ge=0)
    quality: float = Field(ge=0)
    temporal: float = Field(ge=0)


class PerceptualParams(Section):
    """Weights of the five feature layers, finest first, and how much smaller than the crop the network sees frames."""

    layers: list[Annotated[float, Field(ge=0)]] = Field(min_length=5, max_length=5)
    shrink: Literal[1, 2, 4]


class AugmentParams(Section):
    """Joint similarity of frames, mattes and keypoints; shift is a share of each axis' own side of the crop, mirror one of the windows."""

    share: float = Field(ge=0, le=1)
    scale: float = Field(ge=0, lt=1)
    rotation_deg: float = Field(ge=0, le=180)
    shift: float = Field(ge=0, le=1)
    mirror: float = Field(ge=0, le=1)
    mirror_sides: Literal["exchanged", "kept"]


class OptimiserParams(Section):
    """Adam; the rates stay constant, then fall linearly to 0 over the last `decay_share` of the steps."""

    generator_rate: float = Field(gt=0)
    discriminator_rate: float = Field(gt=0)
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(min_length=2, max_length=2)
    decay_share: float = Field(ge=0, le=1)


class PatchDiscriminatorParams(Section):
    """Patch discriminators of systems that make whole frames: how many, each at half the size of the one before, and their size."""

    scales: int = Field(ge=1, le=4)
    width: int = Field(ge=4, le=256)
    layers: int = Field(ge=1, le=5)


class EdnLossWeights(Section):
    """Weight of each loss of the baseline's generator; 0 switches it off."""

    adversarial: float = Field(ge=0)
    feature_matching: float = Field(ge=0)
    perceptual: float = Field(ge=0)


class EdnParams(Section):
    """The baseline Everybody Dance Now: size of its networks, weights of its losses.

    Four halvings fit every legal crop: its sides are multiples of 32 px.
    """

    width: int = Field(ge=4, le=256)
    downsamplings: int = Field(ge=1, le=4)
    blocks: int = Field(ge=0, le=16)
    discriminators: PatchDiscriminatorParams
    losses: EdnLossWeights
    perceptual: PerceptualParams


class PairDiscriminatorParams(Section):
    """D_t of the system as_published: channels of its first block, and blocks, each at half the size of the one before."""

    width: int = Field(ge=4, le=256)
    blocks: int = Field(ge=1, le=5)


class AsPublishedLossWeights(Section):
    """Weight of each loss of that system's generator; 0 switches it off."""

    adversarial: float = Field(ge=0)
    feature_matching: float = Field(ge=0)
    perceptual: float = Field(ge=0)
    transport: float = Field(ge=0)
    temporal: float = Field(ge=0)


class RepeatParams(Section):
    """When a batch is trained once more: at every so many iterations, or where the generator's loss lies below; null = never."""

    interval: int | None = Field(ge=1)
    below: float | None


class AsPublishedParams(Section):
    """The baseline as_published: size of its networks, weights of its losses, its stand-ins for L_GW and the memory."""

    width: int = Field(ge=4, le=256)
    downsamplings: int = Field(ge=1, le=4)
    blocks: int = Field(ge=0, le=16)
    discriminators: PatchDiscriminatorParams
    temporal: PairDiscriminatorParams
    losses: AsPublishedLossWeights
    perceptual: PerceptualParams
    transport: TransportParams
    repeat: RepeatParams


class LearnParams(Section):
    """Section `reference.learn` of params.yaml: how carrying is learnt; lengths are shares of the crop's longer side."""

    band: float = Field(gt=0, le=0.2)
    flow: float = Field(ge=0, le=0.2)
    gate_start: float = Field(ge=-6, le=6)
    detail_start: float = Field(ge=-6, le=6)
    own: float = Field(ge=0)
    detail: float = Field(ge=0)
    absent: float = Field(ge=0, le=1)
    far: float = Field(ge=0, le=1)

    def shape(self, crop_hw: tuple[int, int]) -> CarryShape:
        """The same in working px."""
        longer = max(crop_hw)
        return CarryShape(self.band * longer, self.flow * longer, self.gate_start, self.detail_start)


class AppearanceParams(Section):
    """Section `appearance` of params.yaml."""

    system: Literal["fakevideo", "edn", "as_published"]
    features: Literal["st_vgg16", "vgg19"]
    k: int = Field(ge=1, le=15)
    max_stride: int = Field(ge=1, le=16)
    epochs: int = Field(ge=1)
    epoch_windows: int = Field(ge=1)
    least_steps: int = Field(ge=1)
    most_steps: int = Field(ge=1)
    steps: int | None = Field(ge=1)
    batch_windows: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    seed: int = Field(ge=0)
    threads: int = Field(ge=1)
    precision: Precision
    compile: bool
    checkpoint_s: float = Field(ge=0)
    pose_map: PoseMapParams
    network: NetworkParams
    discriminators: DiscriminatorParams
    losses: LossWeights
    adversarial: Literal["log", "lsgan"]
    perceptual: PerceptualParams
    gw: GwParams
    memory: MemoryParams
    augment: AugmentParams
    dropout: DropoutParams
    optimiser: OptimiserParams
    ema: float = Field(ge=0, lt=1)
    edn: EdnParams
    as_published: AsPublishedParams

    @property
    def images_a_step(self) -> int:
        """Frames of one step, over all processes."""
        return self.batch_windows * self.accumulate * self.k
