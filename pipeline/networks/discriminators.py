"""The discriminators of the spatial-temporal dual constraint (§3.2, Eq. 10-11)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pipeline.training.device import as_autocast

SLOPE = 0.2


def _convolution(inputs: int, outputs: int, kernel: int, spectral: bool, stride: int = 1, dilation: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation)
    return spectral_norm(convolution) if spectral else convolution


def stacked_maps(maps: list[Tensor]) -> Tensor:
    """Feature maps (n c h w) of several layers, finest first, as discriminators see them: of unit length, all at the first one's size.

    Not in the paper. A discriminator of pixels has to learn what a picture is from a hundred frames; one that sees through a network which
    knows tells real from generated within minutes (projected GAN, Sauer et al. 2021).
    """
    size = maps[0].shape[-2:]
    unit = [x / (x.float().square().sum(1, keepdim=True) + 1e-6).sqrt() for x in maps]
    larger = (F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in unit[1:])
    return torch.cat([unit[0], *(_WholeSlope.apply(x) for x in larger)], 1)


class _WholeSlope(torch.autograd.Function):
    """Maps as they are; their slope, a slice of another's, in memory of its own: what follows takes ten times as long on slices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return slopes[0].contiguous(memory_format=torch.channels_last)


def shrunk(poses: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Pose maps (n c h w) averaged over areas to a size; as they are where they have it."""
    return poses if tuple(poses.shape[-2:]) == tuple(size_hw) else F.interpolate(poses, size=tuple(size_hw), mode="area")


def side_by_side(windows: Tensor) -> Tensor:
    """Windows (b k c h w), whose frames' channels lie last in memory, as (b k·c h w) likewise: one copy, of whole pixels, in the type that
    a convolution would turn them into."""
    return as_autocast(windows).permute(0, 3, 4, 1, 2).flatten(3).permute(0, 3, 1, 2)


class _Trunk(nn.Module):
    """`layers` 4x4 convolutions of doubling width, strided; pose maps, smooth as they are, join after the first.

    The first one sees images, or in place of that, by a 1x1 convolution, feature maps of as many channels.
    """

    def __init__(self, pose_channels: int, image_channels: int, width: int, layers: int, spectral: bool, features: bool = False) -> None:
        super().__init__()
        kernel, stride = (1, 1) if features else (4, 2)
        self.image = _convolution(image_channels, width, kernel, spectral, stride)
        self.pose = _convolution(pose_channels, width, 1, spectral)
        steps: list[nn.Module] = []
        self.width = width
        for index in range(1, layers):
            narrower, self.width = self.width, width * min(2**index, 8)
            steps += [_convolution(narrower, self.width, 4, spectral, stride=2), nn.LeakyReLU(SLOPE, inplace=True)]
        self.rest = nn.Sequential(*steps)

    def forward(self, poses: Tensor, images: Tensor) -> Tensor:
        x = self.image(images.contiguous(memory_format=torch.channels_last))
        x = x + self.pose(shrunk(poses, x.shape[-2:]))
        return self.rest(F.leaky_relu(x, SLOPE, inplace=True))


class QualityDiscriminator(nn.Module):
    """D_q: logits of patches of one frame's (pose map, foreground), or of (pose map, stacked_maps()) with as many feature_channels."""

    def __init__(self, pose_channels: int, width: int, layers: int, spectral: bool, feature_channels: int = 0) -> None:
        super().__init__()
        self.trunk = _Trunk(pose_channels, feature_channels or 3, width, layers, spectral, bool(feature_channels))
        self.head = _convolution(self.trunk.width, 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (n 1 h' w'), positive = real, for poses (n c h/2 w/2) and foregrounds M x F (n 3 h w), or their stacked_maps()."""
        return self.head(self.trunk(poses, foregrounds)).float()


class TemporalDiscriminator(nn.Module):
    """D_t: logits of a window of frames and poses by a set of parallel dilated convolutions."""

    def __init__(
        self, pose_channels: int, frames: int, width: int, layers: int, dilations: list[int], spectral: bool, feature_channels: int = 0
    ) -> None:
        """feature_channels as for QualityDiscriminator."""
        super().__init__()
        self.trunk = _Trunk(pose_channels * frames, (feature_channels or 3) * frames, width, layers, spectral, bool(feature_channels))
        last = self.trunk.width
        self.branches = nn.ModuleList(
            _convolution(last, last // 2, 3, spectral, dilation=dilation) for dilation in dilations
        )
        self.head = _convolution(last // 2 * len(dilations), 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (b 1 h' w'), positive = real, for windows of poses (b k c h/2 w/2) and foregrounds (b k 3 h w) or their stacked_maps()."""
        x = self.trunk(side_by_side(poses), side_by_side(foregrounds))
        x = torch.cat([branch(x) for branch in self.branches], 1)
        return self.head(F.leaky_relu(x, SLOPE)).float()
