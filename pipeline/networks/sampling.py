"""Images moved by a flow, and blurred."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.body.warping import sample_field


def move_by(images: Tensor, flow: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Images (n c h w) sampled where the flow (n 2 h w), px, says: at x the value from x + flow(x)."""
    return sample_field(images, pixel_grid(images) + flow.permute(0, 2, 3, 1), outside)


def pixel_grid(images: Tensor) -> Tensor:
    """Coordinates (h w 2) of an image's pixels as (x, y)."""
    y, x = (torch.arange(side, dtype=torch.float32, device=images.device) for side in images.shape[-2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of images (n c h w), edges repeated."""
    reach = max(1, int(3 * sigma + 0.5))
    line = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-line.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel, groups=images.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=images.shape[1])
