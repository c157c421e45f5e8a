"""Section `face` of params.yaml."""

from typing import Literal

from pydantic import Field

from pipeline.params import Section


class FaceParams(Section):
    """Section `face` of params.yaml."""

    align: Literal["mesh", "joints"]
    alpha: float = Field(ge=0, le=1)
    beta: float | Literal["1 - alpha"]
    candidates: int = Field(ge=1, le=16)
    similarity: Literal["vectors", "image_features"]
    vectors: int = Field(ge=2, le=6)
    expression: float = Field(ge=0, le=100)
    max_misfit: float = Field(gt=0)
    normalise: bool
    exclude_neighbours: int = Field(ge=0)
    hysteresis: float = Field(ge=0, lt=1)
    min_sharpness: float = Field(ge=0)

    @property
    def beta_value(self) -> float:
        """β of Eq. 7."""
        return 1 - self.alpha if isinstance(self.beta, str) else self.beta
