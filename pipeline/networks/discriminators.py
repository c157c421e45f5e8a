"""The discriminators of the spatial-temporal dual constraint (§3.2, Eq. 10-11)."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


def _convolution(inputs: int, outputs: int, kernel: int, spectral: bool, stride: int = 1, dilation: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation)
    return spectral_norm(convolution) if spectral else convolution


def _halving(inputs: int, width: int, layers: int, spectral: bool) -> tuple[nn.Sequential, int]:
    """`layers` strided 4x4 convolutions, doubling their width; returns them and the last width."""
    steps: list[nn.Module] = []
    for index in range(layers):
        outputs = width * min(2**index, 8)
        steps += [_convolution(inputs, outputs, 4, spectral, stride=2), nn.LeakyReLU(SLOPE, inplace=True)]
        inputs = outputs
    return nn.Sequential(*steps), inputs


class QualityDiscriminator(nn.Module):
    """D_q: judges patches of one frame's (pose map, foreground)."""

    def __init__(self, pose_channels: int, width: int, layers: int, spectral: bool) -> None:
        super().__init__()
        self.trunk, last = _halving(pose_channels + 3, width, layers, spectral)
        self.judge = _convolution(last, 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (n 1 h w), positive = real, for poses (n c s s) and foregrounds M x F (n 3 s s)."""
        x = torch.cat([poses, foregrounds], 1).contiguous(memory_format=torch.channels_last)
        return self.judge(self.trunk(x)).float()


class TemporalDiscriminator(nn.Module):
    """D_t: judges a window of frames and poses by a set of parallel dilated convolutions."""

    def __init__(
        self, pose_channels: int, frames: int, width: int, layers: int, dilations: list[int], spectral: bool
    ) -> None:
        super().__init__()
        self.trunk, last = _halving((pose_channels + 3) * frames, width, layers, spectral)
        self.branches = nn.ModuleList(
            _convolution(last, last // 2, 3, spectral, dilation=dilation) for dilation in dilations
        )
        self.judge = _convolution(last // 2 * len(dilations), 1, 3, spectral)

    def forward(self, poses: Tensor, foregrounds: Tensor) -> Tensor:
        """Logits (b 1 h w), positive = real, for windows of poses (b k c s s) and foregrounds (b k 3 s s)."""
        x = torch.cat([poses, foregrounds], 2).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        x = self.trunk(x)
        x = torch.cat([branch(x) for branch in self.branches], 1)
        return self.judge(nn.functional.leaky_relu(x, SLOPE)).float()
