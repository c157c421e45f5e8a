"""HRNet-W48, the network that sees one frame: branches of 4 resolutions, joined again and again; names as in its checkpoints."""

from collections.abc import Sequence

import torch
from torch import nn

WIDTHS = (48, 96, 192, 384)
MODULES = (1, 4, 3)  # of the stages with 2, 3 and 4 branches
BLOCKS = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions about a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn1(self.conv1(x)).relu_()
        return (self.bn2(self.conv2(inner)) + x).relu_()


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 to four times the width, about a shortcut."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if channels != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn1(self.conv1(x)).relu_()
        inner = self.bn2(self.conv2(inner)).relu_()
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.bn3(self.conv3(inner)) + shortcut).relu_()


class Exchange(nn.Module):
    """Every branch for itself, then each receives the sum of all; with one_out only the finest one does."""

    def __init__(self, widths: Sequence[int], one_out: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(BLOCKS))) for width in widths)
        receivers = range(1 if one_out else len(widths))
        self.fuse_layers = nn.ModuleList(nn.ModuleList(_path(widths, j, i) for j in range(len(widths))) for i in receivers)

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for paths in self.fuse_layers:
            total = torch.zeros(())
            for j, path in enumerate(paths):  # type: ignore[arg-type]
                total = path(maps[j]) if j == 0 else total + path(maps[j])
            fused.append(total.relu())
        return fused


class HRNet(nn.Module):
    """Frames (b 3 h w), ImageNet-normalised → heat maps (b joints h/4 w/4)."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3)))
        self.transition1 = nn.ModuleList([_step(256, WIDTHS[0], 1), nn.Sequential(_step(256, WIDTHS[1], 2))])
        self.stage2 = _stage(2, one_out=False)
        self.transition2 = _new_branch(2)
        self.stage3 = _stage(3, one_out=False)
        self.transition3 = _new_branch(3)
        self.stage4 = _stage(4, one_out=True)
        self.final_layer = nn.Conv2d(WIDTHS[0], joints, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu_()
        x = self.layer1(self.bn2(self.conv2(x)).relu_())
        maps = self.stage2([step(x) for step in self.transition1])
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        maps = self.stage4([*maps, self.transition3[-1](maps[-1])])
        return self.final_layer(maps[0])


def _step(channels: int, width: int, stride: int, relu: bool = True) -> nn.Sequential:
    """A 3x3 convolution with normalisation, and ReLU where wanted."""
    layers = [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


def _new_branch(branches: int) -> nn.ModuleList:
    """Half the resolution of the coarsest of so many branches; the others go on as they are."""
    stay = [nn.Identity() for _ in range(branches)]
    return nn.ModuleList([*stay, nn.Sequential(_step(WIDTHS[branches - 1], WIDTHS[branches], 2))])


def _stage(branches: int, one_out: bool) -> nn.Sequential:
    count = MODULES[branches - 2]
    return nn.Sequential(*(Exchange(WIDTHS[:branches], one_out and i == count - 1) for i in range(count)))


def _path(widths: Sequence[int], source: int, receiver: int) -> nn.Module:
    """How a branch reaches another: itself, 1x1 and nearest upsampling, or 3x3 convolutions of stride 2 (ReLU between them)."""
    if source == receiver:
        return nn.Identity()
    if source > receiver:
        convolution = nn.Conv2d(widths[source], widths[receiver], 1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(widths[receiver]), nn.Upsample(scale_factor=2.0 ** (source - receiver)))
    steps = [_step(widths[source], widths[source], 2) for _ in range(receiver - source - 1)]
    return nn.Sequential(*steps, _step(widths[source], widths[receiver], 2, relu=False))
