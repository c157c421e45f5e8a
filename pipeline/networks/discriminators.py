"""The discriminators of the spatial-temporal dual constraint (§3.2, Eq. 10-11)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


def _convolution(inputs: int, outputs: int, kernel: int, spectral: bool, stride: int = 1, dilation: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation)
    return spectral_norm(convolution) if spectral else convolution


class _Trunk(nn.Module):
    """`layers` strided 4x4 convolutions of doubling width; pose maps, smooth as they are, join at half size."""

    def __init__(self, pose_channels: int, image_channels: int, width: int, layers: int, spectral: bool) -> None:
        super().__init__()
        self.image = _convolution(image_channels, width, 4, spectral, stride=2)
        self.pose = _convolution(pose_channels, width, 1, spectral)
        steps: list[nn.Module] = []
        self.width = width
        for index in range(1, layers):
            narrower, self.width = self.width, width * min(2**index, 8)
            steps += [_convolution(narrower, self.width, 4, spectral, stride=2), nn.LeakyReLU(SLOPE, inplace=True)]
        self.rest = nn.Sequential(*steps)

    def forward(self, poses: Tensor, images: Tensor) -> Tensor:
        x = self.image(images.contiguous(memory_format=torch.channels_last)) + self.pose(poses)
        return self.rest(F.leaky_relu(x, SLOPE, inplace=True))


class QualityDiscriminator(nn.Module):
    """D_q: judges patches of one frame's (pose map, foreground)."""

    def __init__(self, pose_channels: int, width: int, layers: int, spectral: bool) -> None:
        super().__init__()
        self.trunk = _Trunk(pose_channels, 3, width, layers, spectral)
        self.judge = _convolution(self.trunk.width, 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (n 1 h' w'), positive = real, for poses (n c h/2 w/2) and foregrounds M x F (n 3 h w)."""
        return self.judge(self.trunk(poses, foregrounds)).float()


class TemporalDiscriminator(nn.Module):
    """D_t: judges a window of frames and poses by a set of parallel dilated convolutions."""

    def __init__(
        self, pose_channels: int, frames: int, width: int, layers: int, dilations: list[int], spectral: bool
    ) -> None:
        super().__init__()
        self.trunk = _Trunk(pose_channels * frames, 3 * frames, width, layers, spectral)
        last = self.trunk.width
        self.branches = nn.ModuleList(
            _convolution(last, last // 2, 3, spectral, dilation=dilation) for dilation in dilations
        )
        self.judge = _convolution(last // 2 * len(dilations), 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (b 1 h' w'), positive = real, for windows of poses (b k c h/2 w/2) and foregrounds (b k 3 h w)."""
        x = self.trunk(poses.flatten(1, 2), foregrounds.flatten(1, 2))
        x = torch.cat([branch(x) for branch in self.branches], 1)
        return self.judge(F.leaky_relu(x, SLOPE)).float()
