"""The local GAN of one body region: generator and discriminator (§3.2, Eq. 8)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle, pixel_unshuffle

SLOPE = 0.2


class LocalGenerator(nn.Module):
    """A small U-shaped network from a generated patch to the residual that is added to it (Eq. 8).

    It works on blocks of 2 x 2 pixels as channels, which quarters its cost; its residual is smoothed, since features seen at half
    the resolution would let a checkerboard pass. Its last layer starts at zero, so that an untrained one is the
    identity. The paper gives no architecture.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(_convolution(16, width), _convolution(width, width))
        self.halve = nn.Sequential(_convolution(width, 2 * width, stride=2), _convolution(2 * width, 2 * width))
        self.leave = _convolution(3 * width, width)
        self.residual = nn.Conv2d(width, 12, 3, padding=1)
        for parameter in self.residual.parameters():
            nn.init.zeros_(parameter)

    def forward(self, patches: Tensor, mattes: Tensor) -> Tensor:
        """Residuals (n 3 p p) float32 for patches (n 3 p p) in [-1, 1] and mattes (n 1 p p) in [0, 1]; p a multiple of 4."""
        x = pixel_unshuffle(torch.cat([patches, mattes * 2 - 1], 1), 2).contiguous(memory_format=torch.channels_last)
        fine = self.enter(x)
        wide = interpolate(self.halve(fine), scale_factor=2.0, mode="bilinear")
        return _smooth(pixel_shuffle(self.residual(self.leave(torch.cat([wide, fine], 1))).float(), 2))


class PatchDiscriminator(nn.Module):
    """Judges places of (generated patch, polished or true patch) as real or fake."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(24, width), _convolution(width, 2 * width, stride=2), nn.Conv2d(2 * width, 1, 3, 1, 1)
        )

    def forward(self, generated: Tensor, patches: Tensor) -> Tensor:
        """Logits (n 1 p/4 p/4), positive = real, for patches (n 3 p p) made from or belonging to generated (n 3 p p)."""
        x = pixel_unshuffle(torch.cat([generated, patches], 1), 2).contiguous(memory_format=torch.channels_last)
        return self.layers(x).float()


def _smooth(x: Tensor) -> Tensor:
    """A binomial 3 x 3 filter, which passes nothing of the checkerboard that blocks of 2 x 2 pixels leave."""
    kernel = torch.tensor([1.0, 2.0, 1.0], device=x.device, dtype=x.dtype) / 4
    weight = (kernel[:, None] * kernel).expand(x.shape[1], 1, 3, 3)
    return conv2d(pad(x, (1, 1, 1, 1), mode="replicate"), weight, groups=x.shape[1])


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(SLOPE, inplace=True))
