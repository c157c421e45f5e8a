"""Networks as in the public code said to be the paper's: a frame made from two poses, and a discriminator of two frames.

Our own code, from facts about sizes and layers: no line of theirs is here. The generator is pix2pixHD's global one with dense
skips at its three deepest levels, where decoder layer i receives encoder layers 1..i (§3.2). At 64 channels, 4 downsamplings,
11 blocks and 65 pose channels it has 257 million weights and 443 GMAC at 512 x 512; theirs has 262 and 442.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pipeline.networks.edn import InstanceNorm, ResidualBlock, draw_weights

SKIP_LEVELS = 3  # of the decoder, the deepest ones


class DenseSkip(nn.Module):
    """A decoder level's maps beside the encoder's down to that level: strided convolutions, summed, concatenated, fused."""

    def __init__(self, width: int, level: int) -> None:
        super().__init__()
        own = width * 2**level
        self.shrink = nn.ModuleList(
            nn.Conv2d(width * 2**i, own, 3, stride=2 ** (level - i), padding=1, bias=False) for i in range(level)
        )
        self.fuse = nn.Sequential(nn.Conv2d(2 * own, own, 3, padding=1, bias=False), InstanceNorm(), nn.ReLU())

    def forward(self, x: Tensor, encoded: list[Tensor]) -> Tensor:
        """x (b c h w) of this level; encoded: the encoder's maps, finest first, the last of x's own size and width."""
        skip = encoded[-1]
        for shrink, maps in zip(self.shrink, encoded, strict=False):
            skip = skip + shrink(maps)
        return self.fuse(torch.cat([x, skip], 1))


class PosePairGenerator(nn.Module):
    """Pose maps of the frame before and of this one, stacked (b 2c h w) → this frame (b 3 h w) in [-1, 1], background included.

    h and w are multiples of 2 ** downsamplings.
    """

    def __init__(self, pose_channels: int, width: int, downsamplings: int, blocks: int) -> None:
        super().__init__()
        first = [nn.ReflectionPad2d(3), nn.Conv2d(2 * pose_channels, width, 7, bias=False), InstanceNorm(), nn.ReLU()]
        self.encoders = nn.ModuleList([nn.Sequential(*first)])
        self.decoders, self.skips = nn.ModuleList(), nn.ModuleDict()
        for level in range(1, downsamplings + 1):
            narrow, wide = width * 2 ** (level - 1), width * 2**level
            down = nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False)
            up = nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1, bias=False)
            self.encoders.append(nn.Sequential(down, InstanceNorm(), nn.ReLU()))
            self.decoders.append(nn.Sequential(up, InstanceNorm(), nn.ReLU()))
            if level > downsamplings - SKIP_LEVELS:
                self.skips[str(level)] = DenseSkip(width, level)
        self.bottom = nn.Sequential(*(ResidualBlock(width * 2**downsamplings) for _ in range(blocks)))
        self.head = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7))
        self.apply(draw_weights)

    def forward(self, x: Tensor) -> Tensor:
        encoded: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(x)
            encoded.append(x)
        x = self.bottom(x)
        for level in range(len(self.decoders), 0, -1):
            if str(level) in self.skips:
                x = self.skips[str(level)](x, encoded[: level + 1])
            x = self.decoders[level - 1](x)
        return torch.tanh(self.head(x).float())


class _Halving(nn.Module):
    """Two 3 x 3 convolutions beside a 1 x 1 one, then half the size; pictures, signed as they are, come in without a ReLU."""

    def __init__(self, inputs: int, outputs: int, pictures: bool) -> None:
        super().__init__()
        self.enter = nn.Identity() if pictures else nn.ReLU()
        self.first = spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.beside = spectral_norm(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.second(F.relu(self.first(self.enter(x)))) + self.beside(x), 2)


class FramePairDiscriminator(nn.Module):
    """D_t on two frames: residual blocks under spectral norm, each at half the size and twice the width; no dilation, no poses."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        widths = [6, *(width * 2**i for i in range(blocks))]
        self.trunk = nn.Sequential(*(_Halving(a, b, pictures=i == 0) for i, (a, b) in enumerate(pairwise(widths))))
        self.head = spectral_norm(nn.Conv2d(widths[-1], 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Judgements (n 1 h' w') of pairs of frames (n 6 h w), larger = more real; float32."""
        return self.head(F.relu(self.trunk(frames))).float()
