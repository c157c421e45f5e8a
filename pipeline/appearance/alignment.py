"""Optical flow from true frames to warped references: what the generator's correction flow learns to foresee. Not in the paper."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.networks.carrying import OPACITY, SOUND, WARPED_CHANNELS, blur, move_by

LEVELS = 3  # sizes at which the flow is looked for, each half of the one before
ROUNDS = 2  # corrections at each
WINDOW_PX = 3.0  # sigma of the window whose pixels move alike
LEAST_SLOPE = 3e-3  # squared slope of brightness (0..1 a px) under which nothing is said: flat colour moves nowhere
LONGEST_STEP_PX = 1.0  # of a correction
OPAQUE = 0.5


def optical_flow(first: Tensor, second: Tensor) -> Tensor:
    """Flow (n 2 h w) in px such that `second` at x + flow(x) shows what `first` does at x, for images (n c h w) in [0, 1].

    Iterative least squares in a pyramid (Lucas and Kanade 1981, Bouguet 2001), over all channels; on the images' device.
    """
    pyramid = [(first, second)]
    for _ in range(LEVELS - 1):
        if min(pyramid[-1][0].shape[-2:]) < 16:
            break
        pyramid.append((F.avg_pool2d(pyramid[-1][0], 2), F.avg_pool2d(pyramid[-1][1], 2)))
    flow = first.new_zeros(len(first), 2, *pyramid[-1][0].shape[-2:])
    for still, moving in reversed(pyramid):
        if flow.shape[-2:] != still.shape[-2:]:
            flow = 2 * F.interpolate(flow, size=still.shape[-2:], mode="bilinear", align_corners=False)
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


def misaligned(flows: Tensor, warped: Tensor, foregrounds: Tensor, mattes: Tensor, limit_px: float) -> tuple[Tensor, Tensor]:
    """Mean distance in px between the generator's flows (n r 2 h w) and the optical flow to each of r warped references (n 6r h w),
    and over how many pixels (1) that is.

    foregrounds M ⊙ F (n 3 h w) in [-M, M] and mattes (n 1 h w) of the true frames. Over pixels of the subject in both; 0 without any.
    Flows beyond limit_px, which the generator cannot say, count as that far.
    """
    r = flows.shape[1]
    with torch.no_grad():
        seen = warped.float().unflatten(1, (r, WARPED_CHANNELS)).flatten(0, 1)
        true, opaque = (x.float().repeat_interleave(r, 0) for x in (foregrounds, mattes))
        wanted = optical_flow(_on_grey(true), _on_grey(seen[:, :3])).clamp(-limit_px, limit_px)
        both = ((opaque > OPAQUE) & (seen[:, OPACITY : SOUND + 1] > OPAQUE).all(1, keepdim=True)).float()
    off = (flows.flatten(0, 1) - wanted).square().sum(1, keepdim=True).add(1e-6).sqrt()
    return (off * both).sum() / both.sum().clamp_min(1), both.sum()[None]


def _on_grey(premultiplied: Tensor) -> Tensor:
    """M ⊙ F in [-M, M] over middle grey, in [0, 1]."""
    return (premultiplied + 1) / 2


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences (n c h w) along x and y."""
    wide = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2, (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2


def _windowed(*products: Tensor) -> tuple[Tensor, ...]:
    """Sums over channels of products (n c h w), averaged over the window, (n 1 h w) each."""
    return blur(torch.cat([p.sum(1, keepdim=True) for p in products], 1), WINDOW_PX).split(1, 1)
