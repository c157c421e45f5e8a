"""Contextual attention of DeepFill v2: features of the hole are rebuilt from patches of the features around it."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layout = Literal["pt", "tf"]

RATE = 2  # the match happens on features of half the resolution
MASK_STEP = 8  # image pixels per matched feature
SHARPNESS = 10.0
SMALLEST_NORM = 1e-4


def nearest(x: Tensor, size_hw: tuple[int, int], layout: Layout) -> Tensor:
    """Nearest neighbours of x (n c h w) at another size: `pt` floors the scaled index, `tf` aligns the corners and rounds."""
    rows, columns = (_sources(have, want, layout) for have, want in zip(x.shape[2:], size_hw, strict=True))
    return x[:, :, rows.to(x.device)][..., columns.to(x.device)]


def _sources(have: int, want: int, layout: Layout) -> Tensor:
    if layout == "pt":
        return torch.arange(want) * have // want
    return (torch.linspace(0, have - 1, want) + 0.5).floor().long()


class ContextualAttention(nn.Module):
    """Features (n c h w), h and w even, rebuilt patch by patch; each item of a batch obeys its own mask.

    A patch that touches a masked pixel, or any when all do, contributes nothing. `pt` keeps fuse_weight in its state
    and fuses neighbouring matches by default, `tf` does neither.
    """

    fuse_weight: Tensor

    def __init__(self, layout: Layout, fuse: bool | None = None) -> None:
        super().__init__()
        self.layout: Layout = layout
        self.fuse = layout == "pt" if fuse is None else fuse
        self.register_buffer("fuse_weight", torch.eye(3)[None, None], persistent=layout == "pt")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (n c h w); mask (n 1 4h 4w), 1 = hole, in pixels of the image."""
        return torch.cat([self._rebuild(x[i : i + 1], None if mask is None else mask[i : i + 1]) for i in range(len(x))])

    def _rebuild(self, x: Tensor, mask: Tensor | None) -> Tensor:
        small_hw = (x.shape[2] // RATE, x.shape[3] // RATE)
        patches = F.unfold(nearest(x, small_hw, self.layout), 3, padding=1)[0]
        norms = patches.square().sum(0).sqrt().clamp(min=SMALLEST_NORM)
        match = patches.T @ (patches / norms)  # (query, source)
        if self.fuse:
            match = self._fused(match, small_hw)
        if mask is not None:
            usable = self._usable(mask, small_hw)
            share = F.softmax(match * usable * SHARPNESS, dim=1) * usable
        else:
            share = F.softmax(match * SHARPNESS, dim=1)
        sources = F.unfold(x, 2 * RATE, stride=RATE, padding=1)[0]
        pasted = F.fold((sources @ share.T)[None], x.shape[2:], 2 * RATE, stride=RATE, padding=1)
        return pasted / 4  # every pixel lies in four of the pasted patches

    def _usable(self, mask: Tensor, small_hw: tuple[int, int]) -> Tensor:
        """1 for sources (h w) whose 3 x 3 surroundings hold no masked pixel, else 0."""
        if mask.shape[2] != small_hw[0] * MASK_STEP or mask.shape[3] != small_hw[1] * MASK_STEP:
            raise ValueError(f"mask must have {MASK_STEP} times the matched features' size {small_hw}, found {tuple(mask.shape[2:])}")
        touched = F.max_pool2d(nearest(mask, small_hw, self.layout), 3, stride=1, padding=1)
        return (touched == 0).flatten().to(mask.dtype)

    def _fused(self, match: Tensor, hw: tuple[int, int]) -> Tensor:
        """Matches gain from matches of the next pixel, along rows, then along columns."""
        h, w = hw
        turned = self._neighbours(match).reshape(h, w, h, w).permute(1, 0, 3, 2).reshape(h * w, h * w)
        return self._neighbours(turned).reshape(w, h, w, h).permute(1, 0, 3, 2).reshape(h * w, h * w)

    def _neighbours(self, match: Tensor) -> Tensor:
        """The matrix filtered with fuse_weight, zeros beyond its edge: by shifts, since a convolution library would lay
        this one channel out as sixteen, a gigabyte for an image of 512 pixels."""
        n = len(match)
        padded, total = F.pad(match, (1, 1, 1, 1)), torch.zeros_like(match)
        for down, right in self.fuse_weight[0, 0].nonzero().tolist():
            total.addcmul_(padded[down : down + n, right : right + n], self.fuse_weight[0, 0, down, right])
        return total
