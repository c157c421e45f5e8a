"""DCPose's network: heat maps of three frames become better heat maps of the middle one. Names as in the official checkpoint.

Liu et al. 2021, "Deep Dual Consecutive Network for Human Pose Estimation": pose temporal merger, pose residual fusion,
pose correction network.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torchvision.ops import deform_conv2d

from pipeline.pose.refiners.dcpose.hrnet import HRNet

JOINTS = 17
DILATIONS = (3, 6, 9, 12, 15)
FEATURES = 64
STEPS = 4


class Unit(nn.Module):
    """Biased convolution, normalisation and, where wanted, ReLU."""

    def __init__(self, channels: int, width: int, size: int, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, size, padding=size // 2)
        self.bn = nn.BatchNorm2d(width)
        self._relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv(x))
        return x.relu_() if self._relu else x


class ResidualSteps(nn.Module):
    """A block of the residual steps network: four branches of 1, 2, 3 and 4 convolutions, each helped by the branch before it."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch = channels * 26 // 64
        self.conv_bn_relu1 = Unit(channels, STEPS * self.branch, 1)
        for i in range(1, STEPS + 1):
            for k in range(1, i + 1):
                self.add_module(f"conv_bn_relu2_{i}_{k}", Unit(self.branch, self.branch, 3))
        self.conv_bn_relu3 = Unit(STEPS * self.branch, width, 1, relu=False)
        self.downsample = Unit(channels, width, 1, relu=False) if channels != width else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.conv_bn_relu1(x).split(self.branch, 1)
        beside: list[torch.Tensor] = []  # outputs of the branch before, in the order of its convolutions
        ends = []
        for i in range(1, STEPS + 1):
            path, outputs = parts[i - 1], []
            for k in range(1, i + 1):
                path = path + beside[k - 1] if k <= len(beside) else path
                path = self.get_submodule(f"conv_bn_relu2_{i}_{k}")(path)
                outputs.append(path)
            beside = outputs
            ends.append(path)
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.conv_bn_relu3(torch.cat(ends, 1)) + shortcut).relu_()


class StepsChain(nn.Module):
    """Residual steps blocks in a row; the first one changes the number of channels."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(ResidualSteps(channels, width), *(ResidualSteps(width, width) for _ in range(blocks - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class DeformableLayer(nn.Module):
    """Modulated deformable 3x3 convolution, a group of offsets per joint; the mask is used raw, without a sigmoid."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.deform_conv = nn.Conv2d(JOINTS, JOINTS, 3)  # holds weight and bias under the checkpoint's names
        self._dilation = dilation

    def forward(self, x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        about, kernel = (self._dilation, self._dilation), self.deform_conv
        return deform_conv2d(x, offset, kernel.weight, kernel.bias, (1, 1), about, about, mask)


class DCPose(nn.Module):
    """Three frames (b 9 h w), channels current, previous, next, and margin (b 2) = distances to previous and next in frames.

    Returns heat maps of the current frame (b 17 h/4 w/4).
    """

    def __init__(self) -> None:
        super().__init__()
        self.rough_pose_estimation_net = HRNet(JOINTS)
        self.diff_temporal_fuse = StepsChain(4 * JOINTS, 2 * JOINTS, 2)
        self.support_temporal_fuse = StepsChain(3 * JOINTS, JOINTS, 1)
        self.offset_mask_combine_conv = StepsChain(3 * JOINTS, FEATURES, 2)
        self.offsets_list = nn.ModuleList(_dilated(18 * JOINTS, d) for d in DILATIONS)
        self.masks_list = nn.ModuleList(_dilated(9 * JOINTS, d) for d in DILATIONS)
        self.modulated_deform_conv_list = nn.ModuleList(DeformableLayer(d) for d in DILATIONS)

    def forward(self, frames: torch.Tensor, margin: torch.Tensor) -> torch.Tensor:
        current, previous, following = self.rough_pose_estimation_net(torch.cat(frames.split(3, 1))).chunk(3)
        distance = margin.to(current.dtype)[:, :, None, None, None]
        total = distance.sum(1)
        # Each neighbour weighs as much as the other one is far.
        weigh_previous, weigh_following = distance[:, 1] / total, distance[:, 0] / total
        before, after = current - previous, current - following
        residual = _joint_by_joint([before, before * weigh_previous, after, after * weigh_following])
        support = _joint_by_joint([current, previous * weigh_previous, following * weigh_following])
        residual, merged = self.diff_temporal_fuse(residual), self.support_temporal_fuse(support)
        features = self.offset_mask_combine_conv(torch.cat([residual, merged], 1))
        return self._corrected(merged, features)

    def _corrected(self, merged: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        layers = zip(self.modulated_deform_conv_list, self.offsets_list, self.masks_list, strict=True)
        # Not every device has the deformable convolution in anything narrower than float32.
        merged = merged.float()
        maps = [convolve(merged, offset(features).float(), mask(features).float()) for convolve, offset, mask in layers]
        return torch.stack(maps).mean(0)


def _dilated(width: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(FEATURES, width, 3, padding=dilation, dilation=dilation, bias=False))


def _joint_by_joint(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Interleave maps (b j h w): all kinds of the first joint, then all of the second."""
    return torch.stack(list(maps), 2).flatten(1, 2)
