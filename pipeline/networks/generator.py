"""Pose-to-appearance generator: a U-shape with dense skip connections (§3.2, Fig. 3), from k poses to k frames.

The frames of a window share the convolutions and tell each other what they see at the bottom of the U (not in the paper, which
does not say how k frames share a network). Made of one stack of k frames' channels instead, a frame looked otherwise in the next
window: flicker with period k.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.networks.carrying import WARPED_CHANNELS, output_channels
from pipeline.training.device import as_autocast

WIDEST = 8  # the deepest layers are at most this many times the base width


@dataclass(frozen=True)
class GeneratorShape:
    """What fixes the generator's tensors: pose channels a frame, frames a window, width, depth, kind of skips, and how many
    warped reference frames it sees beside each pose."""

    pose_channels: int
    frames: int
    base_width: int
    levels: int
    blocks: int
    dense_skips: bool
    references: int = 0

    @property
    def widths(self) -> list[int]:
        """Channels of layers 1..levels."""
        return [self.base_width * min(2**i, WIDEST) for i in range(self.levels)]


def _unit(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, normalisation over groups of channels, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(max(1, outputs // 16), outputs), nn.ReLU(inplace=True))


class Gather(nn.Linear):
    """1x1 convolution of many sparse maps to a few channels, cheap first; reads maps in any layout without a copy, writes channels last."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _unit(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(max(1, width // 16), width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.second(self.first(x)))


class Exchange(nn.Module):
    """What the frames of a window tell each other: a 1x1 convolution over all of them at once, beside the identity."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.mix = nn.Conv2d(width * frames, width * frames, 1)
        for weight in self.mix.parameters():
            nn.init.zeros_(weight)  # training begins with frames by themselves

    def forward(self, x: Tensor) -> Tensor:
        together = x.unflatten(0, (-1, self.frames)).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        return x + self.mix(together).unflatten(1, (self.frames, -1)).flatten(0, 1)


class DecoderLayer(nn.Module):
    """Decoder layer i: the deeper layer's output and encoder layers 1..i, each brought to its own size, fused."""

    def __init__(self, deeper: int, skips: list[int], width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(deeper, width, 1, bias=False) if deeper else None
        self.select = nn.Conv2d(sum(skips), width, 1, bias=False)
        self.fuse = _unit(width, width)
        self.refine = _unit(width, width)

    def forward(self, deeper: Tensor | None, skips: list[Tensor]) -> Tensor:
        """Fuse deeper (b c h/2 w/2; None at the bottom) with skips, finest first, the last at this layer's size."""
        size = skips[-1].shape[-2:]
        x = self.select(torch.cat([_shrink(skip, size) for skip in skips], 1))
        if self.narrow is not None and deeper is not None:
            x = x + F.interpolate(self.narrow(deeper), size=size, mode="bilinear", align_corners=False)
        return self.refine(self.fuse(x))


def together(parts: list[Tensor]) -> Tensor:
    """Maps (n h w c) as one (n c h w), channels last in memory, in the type that the first layer would turn them into."""
    typed = [as_autocast(part) for part in parts]
    return (typed[0] if len(typed) == 1 else torch.cat(typed, 3)).permute(0, 3, 1, 2)


def _shrink(x: Tensor, size: torch.Size) -> Tensor:
    """Area average down to size; no copy where the size is right already."""
    factor = x.shape[-1] // size[-1]
    return x if factor == 1 else F.avg_pool2d(x, factor)


def own_picture(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Straight colour (… 3 h w) in [-1, 1] and matte logits (… 1 h w) of a generator's outputs (… c h w)."""
    squashed = torch.tanh(outputs)  # of everything: a slice of interleaved channels takes four times as long
    return squashed.narrow(-3, 0, 3), outputs.narrow(-3, 3, 1)


class Generator(nn.Module):
    """Poses of k frames, and with references a warped real frame each, to the outputs of k frames, in one pass."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        gather = Gather(shape.pose_channels + WARPED_CHANNELS * shape.references, widths[0], bias=False)
        self.encoders = nn.ModuleList([nn.Sequential(gather, _unit(widths[0], widths[0]))])
        for narrower, width in pairwise(widths):
            self.encoders.append(nn.Sequential(_unit(narrower, width, stride=2), _unit(width, width)))
        exchanges = (Exchange(widths[-1], shape.frames) if shape.frames > 1 else nn.Identity() for _ in range(shape.blocks))
        self.bottom = nn.Sequential(*(part for exchange in exchanges for part in (exchange, Residual(widths[-1]))))
        self.decoders = nn.ModuleList()
        for i, width in enumerate(widths):
            deeper = widths[i + 1] if i + 1 < shape.levels else 0
            skips = widths[: i + 1] if shape.dense_skips else [width]
            self.decoders.append(DecoderLayer(deeper, skips, width))
        self.head = nn.Conv2d(widths[0], output_channels(shape.references), 3, padding=1)
        if shape.references:  # gates and flow begin as CarryShape says, everywhere alike
            nn.init.zeros_(self.head.weight[4:])
            nn.init.zeros_(self.head.bias[4:])  # type: ignore[index]

    def encode(self, poses: Tensor) -> list[Tensor]:
        """Outputs (n c h w) of encoder layers 1..levels, before the bottom, for poses (n c h w), sides multiples of 2 ** (levels - 1)."""
        maps = []
        for layer in self.encoders:
            poses = layer(poses)
            maps.append(poses)
        return maps

    def decode(self, layer: int, deeper: Tensor | None, encoded: list[Tensor]) -> Tensor:
        """Output of decoder layer `layer` (1 = finest) from the deeper one's output and the encoder layers' outputs."""
        skips = encoded[:layer] if self.shape.dense_skips else encoded[layer - 1 : layer]
        return self.decoders[layer - 1](deeper, skips)

    def forward(self, poses: Tensor, warped: Tensor | None = None) -> Tensor:
        """Poses (b k c h w) in [0, 1] and r warped references each (b k 6r h w) to output_channels(r) maps (b k . h w) float32.

        own_picture() and carrying.carry() read them.
        """
        seen = [part.flatten(0, 1).permute(0, 2, 3, 1) for part in ([poses] if warped is None else [poses, warped.to(poses.dtype)])]
        return self._run(together(seen)).unflatten(0, (-1, self.shape.frames))

    def _run(self, frames: Tensor) -> Tensor:
        """The head's output (n . h w) float32 for frames (n c h w)."""
        # A CPU without gradients to keep takes one frame after the other: its cache and allocator like small maps better.
        share = 1 if frames.device.type == "cpu" and not torch.is_grad_enabled() else len(frames)
        encoded = [self.encode(part) for part in frames.split(share)]
        bottom = self.bottom(torch.cat([maps[-1] for maps in encoded])).split(share)
        return torch.cat([self.ascend([*maps[:-1], deepest]) for maps, deepest in zip(encoded, bottom, strict=True)])

    def ascend(self, encoded: list[Tensor]) -> Tensor:
        """Colours, matte and the rest (n . h w) float32, before their limits, from the encoder layers' outputs, the deepest one's as the
        bottom has made it."""
        x = None
        for layer in range(self.shape.levels, 0, -1):
            x = self.decode(layer, x, encoded)
        return self.head(x).float()
