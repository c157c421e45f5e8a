"""How a warped reference is to be moved, so that it lies on the picture that was generated for the same pose. Not in the paper.

Iterative least squares in a pyramid (Lucas and Kanade 1981, Bouguet 2001), from half the working size down: a generated picture is
rather out of focus, but where its parts lie it knows from all training frames, a warped one from two poses alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.networks.sampling import blur, move_by

ROUNDS = 2  # corrections at each size
WINDOW_PX = 2.0  # sigma of the window whose pixels move alike
LEAST_SLOPE = 3e-3  # squared slope of brightness (0..1 a px) under which nothing is said: flat colour moves nowhere
LONGEST_STEP_PX = 1.0  # of a correction
BELIEVED = 1.5  # share of the gap between both that a flow must close to count as whole: 1 / BELIEVED
FAINT = 1e-4  # squared gap that is none


def register(pictures: Tensor, moving: Tensor, limit_px: float) -> Tensor:
    """Flow (n 2 h w) in px, each of its coordinates within limit_px, such that `moving` at x + flow(x) shows what pictures do at x.

    Images (n c h w) in [0, 1], on whose device it is worked out. Where it does not bring both nearer to each other it is 0, where it
    does so little it is shortened.
    """
    size = pictures.shape[-2:]
    pyramid = [_halved(pictures, moving)]
    while len(pyramid) < round(math.log2(max(limit_px, 2.0))) and min(pyramid[-1][0].shape[-2:]) >= 16:
        pyramid.append(_halved(*pyramid[-1]))
    flow = torch.zeros_like(pyramid[-1][0][:, :2])
    for still, other in reversed(pyramid):
        flow = _refined(_enlarged(flow, still.shape[-2:]), still, other)
    # It counts as far as it closes the gap.
    still, other = pyramid[0]
    before, after = _windowed((still - other).square(), (still - move_by(other, flow, "border")).square())
    flow = flow * (BELIEVED * (before - after) / (before + FAINT)).clamp(0, 1)
    return _enlarged(flow, size).clamp(-limit_px, limit_px)


def _halved(*images: Tensor) -> tuple[Tensor, ...]:
    return tuple(F.avg_pool2d(image, 2) for image in images)


def _enlarged(flow: Tensor, size: torch.Size) -> Tensor:
    """A flow (n 2 h w) at another size, in its px."""
    if flow.shape[-2:] == size:
        return flow
    return F.interpolate(flow, size=size, mode="bilinear", align_corners=False) * (size[1] / flow.shape[-1])


def _refined(flow: Tensor, still: Tensor, moving: Tensor) -> Tensor:
    """A flow (n 2 h w) after ROUNDS corrections."""
    x, y = _slopes(still)
    xx, xy, yy = _windowed(x * x, x * y, y * y)
    xx, yy = xx + LEAST_SLOPE, yy + LEAST_SLOPE
    determinant = xx * yy - xy * xy
    for _ in range(ROUNDS):
        gap = still - move_by(moving, flow, "border")
        gx, gy = _windowed(x * gap, y * gap)
        step = torch.cat([yy * gx - xy * gy, xx * gy - xy * gx], 1) / determinant
        flow = flow + step.clamp(-LONGEST_STEP_PX, LONGEST_STEP_PX)
    return flow


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences (n c h w) along x and y."""
    wide = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2, (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2


def _windowed(*products: Tensor) -> tuple[Tensor, ...]:
    """Sums over channels of products (n c h w), averaged over the window, (n 1 h w) each."""
    return blur(torch.cat([p.sum(1, keepdim=True) for p in products], 1), WINDOW_PX).split(1, 1)
