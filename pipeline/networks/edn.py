"""The networks of Everybody Dance Now: pix2pixHD's global generator and its multiscale patch discriminators.

Written from the published descriptions (Wang et al. 2018, §3.1-3.2 and supplement; Chan et al. 2019, §5 and appendix); a
baseline and the yardstick for speed, not part of the method. A convolution before an instance norm has no bias, which the
norm would take away again: its slope would be rounding errors alone, which Adam makes steps of.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, DOWNSAMPLINGS, BLOCKS = 64, 4, 9
SLOPE = 0.2
DEVIATION = 0.02  # of every convolution's first weights


class InstanceNorm(nn.Module):
    """Each channel of each image to mean 0 and deviation 1.

    Group norm with a channel a group where slopes are needed: on the CPU those of torch's instance norm are wrong for a
    single image whose gradient comes channels last (2.14), unlike its values.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, x.shape[1]) if x.requires_grad else F.instance_norm(x)


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 × 3 convolutions with instance norm, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=False),
            InstanceNorm(),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=False),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class GlobalGenerator(nn.Module):
    """(b c h w) → (b 3 h w) in [-1, 1]; h and w multiples of 2 ** downsamplings. One frame a pass, with its background."""

    def __init__(self, in_channels: int, width: int = WIDTH, downsamplings: int = DOWNSAMPLINGS, blocks: int = BLOCKS) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7, bias=False), InstanceNorm(), nn.ReLU()]
        for _ in range(downsamplings):
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False), InstanceNorm(), nn.ReLU()]
            width *= 2
        layers += [ResidualBlock(width) for _ in range(blocks)]
        for _ in range(downsamplings):
            layers += [nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=False)]
            layers += [InstanceNorm(), nn.ReLU()]
            width //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7)]
        self.layers = nn.Sequential(*layers)
        self.apply(draw_weights)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layers(x).float())


class PatchDiscriminator(nn.Module):
    """`layers` strided 4 × 4 convolutions of doubling width (at most eightfold), one more at stride 1, and the one that makes logits."""

    def __init__(self, in_channels: int, width: int, layers: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList([nn.Sequential(nn.Conv2d(in_channels, width, 4, 2, 2), nn.LeakyReLU(SLOPE))])
        for index in range(1, layers + 1):
            narrower, wider = (width * min(2**i, 8) for i in (index - 1, index))
            convolution = nn.Conv2d(narrower, wider, 4, 1 if index == layers else 2, 2, bias=False)
            self.steps.append(nn.Sequential(convolution, InstanceNorm(), nn.LeakyReLU(SLOPE)))
        self.steps.append(nn.Conv2d(width * min(2**layers, 8), 1, 4, 1, 2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps of every layer, the last one the logits (n 1 h' w'), positive = real."""
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return maps


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators alike, each seeing the images at half the size of the one before."""

    def __init__(self, in_channels: int, width: int, layers: int, scales: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(in_channels, width, layers) for _ in range(scales))
        self.apply(draw_weights)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Feature maps (finest scale first) of images (n c h w), each ending with the logits; float32."""
        found = []
        for scale in self.scales:
            found.append([maps.float() for maps in scale(x)])
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return found


def draw_weights(module: nn.Module) -> None:
    """First weights of a convolution, normal as pix2pixHD has them; for `Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, DEVIATION)
