"""The params section `refine`."""

from pydantic import Field

from pipeline.params import Section
from pipeline.training import Precision


class RefineLosses(Section):
    """Weight of each loss of a refiner; 0 switches it off, and with it its network."""

    pixel: float = Field(ge=0)
    perceptual: float = Field(ge=0)
    adversarial: float = Field(ge=0)


class RefineParams(Section):
    """Section `refine` of params.yaml: five refiners, one per region, trained alike."""

    enabled: bool
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    width: int = Field(ge=4, le=256)
    discriminator_width: int = Field(ge=4, le=256)
    learning_rate: float = Field(gt=0)
    ema_decay: float = Field(ge=0, lt=1)
    losses: RefineLosses
    jitter: float = Field(ge=0, le=0.5)
    blur_px: float = Field(ge=0, le=16)
    most_frames: int = Field(ge=1)
    precision: Precision
    threads: int = Field(ge=1)
    checkpoint_steps: int = Field(ge=1)
    seed: int = Field(ge=0)
