"""The params section `refine`."""

from collections.abc import Collection
from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.errors import InputError
from pipeline.params import Section
from pipeline.training.device import Precision


class RefineLosses(Section):
    """Weight of each loss of a local generator; 0 switches it off, and with it its network."""

    pixel: float = Field(ge=0)
    perceptual: float = Field(ge=0)
    adversarial: float = Field(ge=0)

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not (self.pixel or self.perceptual or self.adversarial):
            raise ValueError("one of pixel, perceptual, adversarial must be above 0, or refine.enabled false")
        return self


class RefineParams(Section):
    """Section `refine` of params.yaml: a local generator for each of the chosen regions, trained alike."""

    enabled: bool
    regions: Literal["all"] | list[str]
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

    def chosen_regions(self, regions: Collection[str]) -> list[str]:
        """Those of a skeleton's regions that get a local generator, in its order.

        InputError for a name that is none of them; a skeleton without regions has nothing to choose from.
        """
        named = regions if self.regions == "all" else self.regions
        unknown = [name for name in named if name not in regions]
        if regions and unknown:
            legal, found = ", ".join(regions), ", ".join(unknown)
            raise InputError(f"refine.regions must be all or name regions of the skeleton ({legal}), found {found}")
        return [name for name in regions if name in named]
