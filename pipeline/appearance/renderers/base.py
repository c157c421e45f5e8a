"""What all renderers have in common: a trained generator with what its description says, and how it makes a motion's frames.

Apart from training, which an edit here must not start again.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.appearance.blending import Frame
from pipeline.appearance.core import BodyCore
from pipeline.appearance.fading import Fades
from pipeline.appearance.poses import draw_poses
from pipeline.appearance.references import ReferencePictures
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import ChosenReferences, References
from pipeline.body.pose_maps import PoseMapParams
from pipeline.body.skeleton import Skeleton
from pipeline.networks.carrying import CarryShape
from pipeline.params import Section
from pipeline.training.device import Precision


class GenerateParams(Section):
    """Section `generate` of params.yaml; `overlap_stride` k or more leaves windows disjoint, 1 averages k renderings a frame."""

    overlap_stride: int = Field(ge=1)
    fade_s: float = Field(ge=0, le=5)
    matte_contrast: float = Field(ge=1.0, le=16.0)
    favour_nearest: float = Field(ge=0.0, le=10.0)
    batch_windows: int = Field(ge=1)
    threads: int = Field(ge=1)
    precision: Precision
    compile: bool


@dataclass(frozen=True)
class Seen:
    """The references that the generator sees: pictures, the ranks (t r) of each frame's, how they fade, which ends (t e) bool of limbs the
    second one shows in the first one's stead; and what is surely of the body."""

    pictures: ReferencePictures
    ranks: np.ndarray
    fading: Fades
    core: BodyCore
    ends: np.ndarray


@dataclass(frozen=True)
class Renderer(ABC):
    """A trained generator with what its description says of its inputs."""

    network: nn.Module
    pose_map: PoseMapParams
    skeleton: Skeleton
    crop_hw: tuple[int, int]
    grey: bool
    weights_sha256: str
    carrying: CarryShape | None = None

    @staticmethod
    @abstractmethod
    def build(shape: dict[str, Any]) -> nn.Module:
        """The untrained generator that a model's description tells of."""

    @property
    def k(self) -> int:
        """Frames that are made together."""
        return 1

    def read(self, motion: Track) -> Track:
        """The motion as the network learnt to read one."""
        return motion

    def see(
        self, references: References | None, chosen: ChosenReferences | None, present: np.ndarray, fade: int, scale: float
    ) -> Seen | None:
        """What the network sees of references in frames present (t), of which a fade lasts `fade`; None where it sees none.

        scale: working px per full px. InputError when references that it needs are not there.
        """
        return None

    @abstractmethod
    def frames(self, motion: Track, points: np.ndarray, params: GenerateParams, seen: Seen | None) -> Iterator[Frame]:
        """Every frame of the motion in order, for points (t j 2) in crop px; empty ones where the subject is absent."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def on_device(self, array: np.ndarray) -> Tensor:
        """An array where the network is."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def poses(self, points: Tensor, scores: Tensor) -> Tensor:
        """Pose maps (b k c h w) as the network reads them, of points (b k j 2) in crop px."""
        return draw_poses(points, scores, self.skeleton, self.crop_hw, self.pose_map)
