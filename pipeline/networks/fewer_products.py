"""Networks in float32 on a CPU with fewer products, for evaluation alone: results are the same but for rounding.

Convolutions go by the minimal algorithm of Winograd, after Lavin and Gray (CVPR 2016): tiles of 6 x 6 pixels are taken to six points,
where a convolution is a product of matrices, with a quarter of the products. A result is off by some 1e-6 of the largest.
"""

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product, zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.networks.shift_tolerant import Blur

POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)  # and infinity
TILE = len(POINTS) + 1
SIDE = 3  # of a kernel: with 5 there is nothing to be gained
STEP = TILE + 1 - SIDE
TILES_AT_ONCE = 256  # a cache holds what becomes of them
LEAST_CHANNELS = 64  # with fewer, taking tiles to the points costs more than it saves


def with_fewer_products(network: nn.Module) -> nn.Module:
    """The same network, those of its layers replaced that this makes faster on a CPU."""
    children = list(network.named_children())
    for (name, child), (following, after) in zip_longest(children, children[1:], fillvalue=("", None)):
        if isinstance(child, nn.Conv2d) and isinstance(after, Blur) and _blurs_evenly(after) and _plain(child):
            setattr(network, name, BlurredConvolution(child, after))
            setattr(network, following, nn.Identity())
        elif isinstance(child, nn.Conv2d) and _fits(child):
            setattr(network, name, FewerProducts(child))
        elif isinstance(child, nn.MaxPool2d) and (child.stride, child.padding, child.dilation) == (1, 0, 1):
            setattr(network, name, SlidingMaximum(child))
        elif child is not None:
            with_fewer_products(child)
    return network


def _plain(layer: nn.Conv2d) -> bool:
    """Square, of stride 1, zeros around."""
    square = len({*layer.kernel_size}) == len({*layer.padding}) == 1 and not isinstance(layer.padding, str)
    return square and layer.stride == layer.dilation == (1, 1) and layer.groups == 1 and layer.padding_mode == "zeros"


def _fits(layer: nn.Conv2d) -> bool:
    wide = min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS
    return _plain(layer) and wide and (layer.kernel_size[0], layer.padding[0]) == (SIDE, 1)


def _blurs_evenly(blur: Blur) -> bool:
    """Whether a blur is the same for all channels, along both axes, and to both sides."""
    taps = _taps(blur)
    return bool(torch.equal(taps, taps.flip(0)) and torch.allclose(blur.filt[:, 0].double(), torch.outer(taps, taps), atol=1e-7))


def _taps(blur: Blur) -> Tensor:
    return blur.filt[0, 0].double().sum(1)


class FewerProducts(nn.Module):
    """A convolution of 3 x 3 weights with zeros around, pictures (n c h w) float32 in memory as (n h w c), of the size that they had."""

    weights: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        points = torch.tensor(_of_kernel(), dtype=torch.float64)
        at_points = layer.weight.detach().permute(1, 0, 2, 3).flatten(2).double() @ torch.kron(points, points).T  # (i o tile)
        self.register_buffer("weights", at_points.float().permute(2, 0, 1).contiguous(), persistent=False)
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach().float()
        self.register_buffer("bias", bias.clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n c h w) → (n o h w)."""
        n, _, height, width = x.shape
        down, across = -(-height // STEP), -(-width // STEP)
        framed = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, across * STEP + 1 - width, 1, down * STEP + 1 - height))
        made = framed.new_empty(n, down * STEP, across * STEP, len(self.bias))
        rows = max(1, TILES_AT_ONCE // across)
        for picture, top in product(range(n), range(0, down, rows)):
            count = min(rows, down - top)
            strip = framed[picture, top * STEP : (top + count) * STEP + SIDE - 1]
            target = made[picture, top * STEP : (top + count) * STEP].unflatten(0, (count, STEP)).unflatten(2, (across, STEP))
            self._strip(strip, target)
        return made[:, :height, :width].permute(0, 3, 1, 2)

    def _strip(self, strip: Tensor, target: Tensor) -> None:
        """Some rows of tiles: from pixels (h w c) to pixels (rows STEP columns STEP o), which it fills."""
        rows, columns = target.shape[0], target.shape[2]
        down = strip.new_empty(TILE, rows, *strip.shape[1:])
        _to_points([strip[i : i + STEP * (rows - 1) + 1 : STEP] for i in range(TILE)], down.unbind(0))
        both = strip.new_empty(TILE, TILE, rows, columns, strip.shape[2])
        _to_points([down[:, :, i : i + STEP * (columns - 1) + 1 : STEP] for i in range(TILE)], both.unbind(1))
        found = torch.bmm(both.view(TILE * TILE, rows * columns, -1), self.weights).view(TILE, TILE, rows, columns, -1)
        across = found.new_empty(STEP, *found.shape[1:])
        _from_points(found.unbind(0), across.unbind(0))
        _from_points(across.unbind(1), target.permute(1, 3, 0, 2, 4).unbind(1))
        target += self.bias


def _of_kernel() -> list[list[float]]:
    """What takes a kernel's weights to the points, (TILE SIDE): its polynomial's values there, and its last weight."""
    rows = [[p**k / math.prod(p - q for q in POINTS if q != p) for k in range(SIDE)] for p in POINTS]
    return [*rows, [0.0] * (SIDE - 1) + [1.0]]


def _to_points(x: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """TILE neighbouring pixels to the points: each the pixels' sum with the weights of the product of (t - q) over other points q."""
    even, odd = torch.sub(x[4], x[2], alpha=4), torch.sub(x[3], x[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    even, odd = torch.sub(x[4], x[2], out=even), torch.sub(x[3], x[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.sub(x[4], x[2], alpha=5, out=out[0]).add_(x[0], alpha=4)
    torch.sub(x[5], x[3], alpha=5, out=out[5]).add_(x[1], alpha=4)


def _from_points(y: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """The values at the points to STEP pixels: pixel i is the sum of values times point to the power of i."""
    near, far = (torch.add(y[1], y[2]), torch.sub(y[1], y[2])), (torch.add(y[3], y[4]), torch.sub(y[3], y[4]))
    for i, pixel in enumerate(out):
        torch.add(near[i % 2], far[i % 2], alpha=2**i, out=pixel)
    out[0].add_(y[0])
    out[-1].add_(y[5])


class BlurredConvolution(nn.Module):
    """A convolution and the blur that halves its result as one of stride 2, whose kernel is both: what is left out is not worked out.

    At its edges the blur sees the result mirrored. It blurs to both sides alike, so that its first value is the second once more; the
    last one is of the last two rows alone where their number is even, else the one before once more.
    """

    bias: Tensor

    def __init__(self, layer: nn.Conv2d, blur: Blur) -> None:
        super().__init__()
        self.padding, self.reach = int(layer.padding[0]), layer.kernel_size[0] + 1
        taps = _taps(blur)
        ends = {"inside": taps, "last": torch.stack([taps[0] + taps[2], taps[1]])}
        for down, across in product(ends, ends):
            kernel = _through(_through(layer.weight.detach().double(), ends[down], 2), ends[across], 3)
            self.register_buffer(f"{down}_{across}", kernel.float().contiguous(memory_format=torch.channels_last), persistent=False)
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias.detach()
        self.register_buffer("bias", (bias * taps.sum() ** 2).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n c h w), whose convolution has sides of 3 px or more → as the blur leaves it."""
        x = F.pad(x, [self.padding] * 4)
        rows = self._columns(x, "inside", 2)
        even = (x.shape[2] - self.reach) % 2 == 0
        last = self._columns(x[:, :, -self.reach :], "last", 1) if even else rows[:, :, -1:]
        return torch.cat([rows[:, :, :1], rows, last], 2)

    def _columns(self, x: Tensor, down: str, step: int) -> Tensor:
        inside = F.conv2d(x, self.get_buffer(f"{down}_inside"), self.bias, (step, 2))
        even = (x.shape[3] - self.reach) % 2 == 0
        last = F.conv2d(x[..., -self.reach :], self.get_buffer(f"{down}_last"), self.bias, (step, 1)) if even else inside[..., -1:]
        return torch.cat([inside[..., :1], inside, last], 3)


def _through(kernels: Tensor, taps: Tensor, axis: int) -> Tensor:
    """Kernels (o i h w), and after them taps along an axis, as one."""
    before = [0, 0, 0, 0]
    made = torch.zeros((), dtype=kernels.dtype)
    for i, tap in enumerate(taps):
        before[2 * (3 - axis) : 2 * (3 - axis) + 2] = i, len(taps) - 1 - i
        made = made + tap * F.pad(kernels, before)
    return made


class SlidingMaximum(nn.Module):
    """The largest value under a square that moves by one pixel: max pooling, which would also note where each value stood."""

    def __init__(self, layer: nn.MaxPool2d) -> None:
        super().__init__()
        size = layer.kernel_size
        self.sides = (size, size) if isinstance(size, int) else size

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n c h w) → smaller by a side less 1."""
        for axis, side in enumerate(self.sides, start=2):
            length = x.shape[axis] + 1 - side
            x = reduce(torch.maximum, (x.narrow(axis, i, length) for i in range(side)))
        return x
