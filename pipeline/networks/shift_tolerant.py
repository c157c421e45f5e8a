"""What the shift-tolerant networks of stlpips-pytorch have in common: blurred strides, and a distance with linear heads.

"Shift-tolerant Perceptual Similarity Metric", Ghildyal and Liu, ECCV 2022. Not in the paper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Blur(nn.Module):
    """Binomial 3x3 filter with stride 2, its kernel kept in the state under `filt`."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.zeros(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        if padded.requires_grad and padded.dtype == torch.bfloat16 and padded.device.type == "cpu":
            return _Strided.apply(padded, self.filt)
        return F.conv2d(padded, self.filt, stride=2, groups=x.shape[1])


class _Strided(torch.autograd.Function):
    """The filter on maps (n c h w), its slope worked out in float32: a CPU takes twenty times as long for it in bfloat16, and the
    few terms of each sum leave nothing else to be rounded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.spare = [(side - kernel.shape[-1]) % 2 for side in x.shape[-2:]]
        return F.conv2d(x, kernel, stride=2, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (kernel,), (slope,) = ctx.saved_tensors, slopes
        groups = len(kernel)
        found = F.conv_transpose2d(slope.float(), kernel.float(), stride=2, groups=groups, output_padding=ctx.spare)
        return found.to(slope.dtype), None


class Scaling(nn.Module):
    """Colours in [-1, 1] to the trunk's mean and deviation."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class ShiftTolerant(nn.Module):
    """A trunk in slices, and a perceptual distance by a linear head on each; state names as the package's files have them.

    Images are RGB in [-1, 1], (n 3 h w), sides of at least 32 px. slices: layers by the number that each has in the trunk.
    """

    def __init__(self, slices: Sequence[Mapping[int, nn.Module]], widths: Sequence[int]) -> None:
        super().__init__()
        self.scaling_layer = Scaling()
        self.net = nn.ModuleDict({f"slice{index + 1}": _numbered(layers) for index, layers in enumerate(slices)})
        for index, width in enumerate(widths):
            head = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{index}", nn.ModuleDict({"model": head}))

    def features(self, x: Tensor, depth: int = 5) -> list[Tensor]:
        """Feature maps after the first `depth` slices, finest first."""
        x, maps = self.scaling_layer(x.to(next(self.parameters()).dtype)), []
        for index in range(depth):
            x = self.net[f"slice{index + 1}"](x)
            maps.append(x)
        return maps

    def distance(self, a: Tensor, *others: Tensor) -> list[Tensor]:
        """The distance (n) of images a to each of others, all (n 3 h w): 0 for equal images, larger is worse."""
        own = self.known(a)
        return [self.apart(own, b) for b in others]

    def known(self, a: Tensor) -> list[Tensor]:
        """What apart() takes of images (n 3 h w), however many they are compared with."""
        return [_unit(p.float()) for p in self.features(a)]

    def apart(self, own: list[Tensor], b: Tensor) -> Tensor:
        """The distance (n) of images b (n 3 h w) to those that known() took."""
        total = torch.zeros(len(b), device=b.device)
        for index, (p, q) in enumerate(zip(own, self.features(b), strict=True)):
            head = self.get_submodule(f"lin{index}.model.1")
            weights = next(head.parameters()).float()
            total = total + F.conv2d(_unit(q.float()).sub_(p).square_(), weights).mean((1, 2, 3))
        return total


def _numbered(layers: Mapping[int, nn.Module]) -> nn.Sequential:
    made = nn.Sequential()
    for number, layer in layers.items():
        made.add_module(str(number), layer)
    return made


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
