"""The params section `appearance`."""

from typing import Literal

from pydantic import Field

from pipeline.appearance.gw import GwParams
from pipeline.appearance.memory import MemoryParams
from pipeline.drawing import PoseMapParams
from pipeline.params import Section
from pipeline.training import Precision


class NetworkParams(Section):
    """Size of the generator."""

    base_width: int = Field(ge=4, le=256)
    levels: int = Field(ge=2, le=7)
    blocks: int = Field(ge=0, le=16)
    dense_skips: bool


class DiscriminatorParams(Section):
    """Size of both discriminators; dilations are those of D_t's parallel convolutions."""

    width: int = Field(ge=4, le=256)
    layers: int = Field(ge=1, le=5)
    dilations: list[int] = Field(min_length=2)
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

    layers: list[float] = Field(min_length=5, max_length=5)
    shrink: Literal[1, 2, 4]


class AugmentParams(Section):
    """Joint similarity of frames, mattes and keypoints; shift is a share of the crop's side."""

    share: float = Field(ge=0, le=1)
    scale: float = Field(ge=0, lt=1)
    rotation_deg: float = Field(ge=0, le=180)
    shift: float = Field(ge=0, le=1)


class OptimiserParams(Section):
    """Adam; the rates stay constant, then fall linearly to 0 over the last `decay_share` of the steps."""

    generator_rate: float = Field(gt=0)
    discriminator_rate: float = Field(gt=0)
    betas: list[float] = Field(min_length=2, max_length=2)
    decay_share: float = Field(ge=0, le=1)


class AppearanceParams(Section):
    """Section `appearance` of params.yaml."""

    features: Literal["st_vgg16", "vgg19"]
    k: int = Field(ge=1, le=15)
    max_stride: int = Field(ge=1, le=16)
    steps: int = Field(ge=1)
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
    optimiser: OptimiserParams
    ema: float = Field(ge=0, lt=1)
