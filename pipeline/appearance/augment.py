"""Joint similarity of frame, matte and keypoints, drawn anew for every window. Not in the paper."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.appearance.params import AugmentParams


def draw_similarities(generator: np.random.Generator, count: int, params: AugmentParams, crop_hw: tuple[int, int]) -> np.ndarray:
    """Similarities (n 2 3) float64 of crop pixels to crop pixels; the identity for a share of 1 - params.share.

    A shift is a share of each axis' own side, so that as much of the crop stays in view either way. None is a mirror
    image: mirror.py makes those, where params ask for them.
    """
    maps = np.tile(np.eye(2, 3), (count, 1, 1))
    sides = np.array(crop_hw[::-1], np.float64)
    centre = (sides - 1) / 2
    for row in maps:
        chosen, scale, turn, *shift = generator.uniform(-1, 1, 5)
        if (chosen + 1) / 2 >= params.share:
            continue
        angle = np.deg2rad(turn * params.rotation_deg)
        factor = 1 + scale * params.scale
        rotation = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = centre + np.array(shift) * params.shift * sides
        row[:, :2] = rotation
        row[:, 2] = moved - rotation @ centre
    return maps


def move_points(points: Tensor, maps: Tensor) -> Tensor:
    """Apply maps (b 2 3) to points (b k j 2); NaN stays NaN."""
    return torch.einsum("bxy,bkjy->bkjx", maps[:, :, :2], points) + maps[:, None, None, :, 2]


def move_images(images: Tensor, maps: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Resample images (b k c h w) float under maps (b 2 3): bilinear, from outside 0, where no matte is, or the border's pixels."""
    b, k, c, height, width = images.shape
    square = torch.eye(3, dtype=torch.float64, device=maps.device).repeat(b, 1, 1)
    square[:, :2] = maps
    back = torch.linalg.inv(square)[:, :2].to(images.dtype)
    rows, columns = (torch.arange(side, dtype=images.dtype, device=images.device) for side in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1)
    source = torch.einsum("bij,hwj->bhwi", back, pixels)
    grid = (2 * source + 1) / torch.tensor([width, height], dtype=images.dtype, device=images.device) - 1
    return F.grid_sample(images.flatten(1, 2), grid, padding_mode=outside, align_corners=False).view(b, k, c, height, width)
