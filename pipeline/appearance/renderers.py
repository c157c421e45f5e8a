"""Trained generators by system: rebuilt from a model's description, and run frame after frame where they are of that kind.

Apart from training, which an edit here must not start again.
"""

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.held import hold_missing
from pipeline.artifacts.keypoints import Track
from pipeline.networks.as_published import PosePairGenerator
from pipeline.networks.edn import GlobalGenerator
from pipeline.networks.generator import Generator, GeneratorShape

Network = Generator | GlobalGenerator | PosePairGenerator


class Renderer(Protocol):
    """Makes frames in their order; h and w as the network allows."""

    def restart(self) -> None:
        """What is rendered next follows nothing."""

    def render(self, poses: Tensor) -> Tensor:
        """The frame (1 3 h w) in [-1, 1] of a pose map (1 c h w)."""
        ...


def build_network(system: str, shape: dict[str, Any]) -> Network:
    """The untrained generator that a model's description tells of."""
    match system:
        case "edn":
            return GlobalGenerator(shape["pose_channels"] + 3, shape["width"], shape["downsamplings"], shape["blocks"])
        case "as_published":
            return PosePairGenerator(**shape)
        case _:
            return Generator(GeneratorShape(**shape))


def in_sequence(network: GlobalGenerator | PosePairGenerator) -> Renderer:
    """The renderer of a network that makes one frame a pass."""
    return FrameHandedOn(network) if isinstance(network, GlobalGenerator) else PoseHandedOn(network)


def as_read(network: Network, motion: Track, threshold: float) -> Track:
    """The motion as the network learnt to read one: missing joints held, where its training held them."""
    if not isinstance(network, PosePairGenerator) or not motion.clock.has_time:
        return motion
    shown = np.flatnonzero(motion.present)
    points, score = motion.points.copy(), motion.score.copy()
    points[shown], score[shown] = hold_missing(points[shown], score[shown], shown, threshold)
    return replace(motion, points=points, score=score)


class FrameHandedOn:
    """Everybody Dance Now: each frame from its pose and the network's own frame before it, of zeros at the start."""

    def __init__(self, network: GlobalGenerator) -> None:
        self.network = network
        self.before: Tensor | None = None

    def restart(self) -> None:
        self.before = None

    def render(self, poses: Tensor) -> Tensor:
        before = poses.new_zeros(1, 3, *poses.shape[-2:]) if self.before is None else self.before
        made = self.network(torch.cat([poses, before], 1))
        self.before = made
        return made


class PoseHandedOn:
    """as_published: each frame from the pose before it and its own, of its own twice at the start."""

    def __init__(self, network: PosePairGenerator) -> None:
        self.network = network
        self.before: Tensor | None = None

    def restart(self) -> None:
        self.before = None

    def render(self, poses: Tensor) -> Tensor:
        before, self.before = poses if self.before is None else self.before, poses
        return self.network(torch.cat([before, poses], 1))
