"""Everybody Dance Now at work: each frame from its pose and the network's own frame before it, of zeros at the start."""

from typing import Any

import torch
from torch import Tensor

from pipeline.appearance.renderers.sequence import InSequence
from pipeline.networks.edn import GlobalGenerator


class EdnRenderer(InSequence):
    """Hands each frame on."""

    @staticmethod
    def build(shape: dict[str, Any]) -> GlobalGenerator:
        return GlobalGenerator(shape["pose_channels"] + 3, shape["width"], shape["downsamplings"], shape["blocks"])

    def follow(self, poses: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        before = poses.new_zeros(1, 3, *poses.shape[-2:]) if before is None else before
        made = self.network(torch.cat([poses, before], 1))
        return made, made
