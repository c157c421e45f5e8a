"""Warping of a reference frame to another pose, limb by limb. Not in the paper, which carries real pixels of the face alone (Eq. 6-7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.body.fields import Field, part_field
from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    import torch
    from torch import Tensor

FOLDED = (0.1, 0.3)  # areas of the source over the picture's at which a field counts as folded, and as sound
LONGEST = 4.0  # px that a field moves from pixel to pixel where it leaps
CELL = 2  # px between the points at which a picture's field is worked out
LEAP = 0.01  # what is interpolated may lie this far, in body sizes, from what the nearest cell says


def picture_field(
    query: Tensor, reference: Tensor, skeleton: Skeleton, size_hw: tuple[int, int], cell: int = CELL
) -> tuple[Tensor, Tensor]:
    """part_field() at all pixels of a picture of size_hw: (n h w 2), (n 1 h w).

    Worked out at every cell-th pixel and interpolated between, but where it leaps from part to part: there each pixel goes on as the
    nearest one that was worked out, since between an arm's place and that of what it lies over there is nothing.
    """
    found = part_field(query, reference, skeleton, *cell_centres(size_hw, cell, query.device))
    return enlarged(found, size_hw, cell)


def cell_centres(size_hw: tuple[int, int], cell: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates x (w), y (h) amid each cell of a picture of size_hw, and of one row of cells around it."""
    import torch

    height, width = size_hw
    x, y = (torch.arange(-1, -(-side // cell) + 1, device=device) * cell + (cell - 1) / 2 for side in (width, height))
    return x, y


def enlarged(found: Field, size_hw: tuple[int, int], cell: int) -> tuple[Tensor, Tensor]:
    """A field at the centres of cells, at all pixels of a picture: as picture_field() has it."""
    import torch
    import torch.nn.functional as F

    height, width = size_hw
    device = found.field.device
    linear = found.linear.flatten(3).permute(0, 3, 1, 2)
    coarse = torch.cat([found.field.permute(0, 3, 1, 2), found.own[:, None]], 1)
    inside = slice(cell, cell + height), slice(cell, cell + width)
    smooth = F.interpolate(coarse, scale_factor=cell, mode="bilinear", align_corners=False)[:, :, *inside]
    near = F.interpolate(torch.cat([coarse, linear], 1), scale_factor=cell, mode="nearest")[:, :, *inside]
    # The nearest cell's own map, gone on to each pixel; it stands in where the field leaps.
    offset = [(torch.arange(side, device=device) % cell - (cell - 1) / 2) for side in (height, width)]
    down, across = offset[0][:, None], offset[1][None]
    gone_on = torch.stack([near[:, c] + near[:, 3 + 2 * c] * across + near[:, 4 + 2 * c] * down for c in (0, 1)], 1)
    leaps = (smooth[:, :2] - gone_on).square().sum(1, keepdim=True) > (LEAP * found.size).square()[:, None, None, None]
    field = torch.where(leaps, gone_on, smooth[:, :2])
    return field.permute(0, 2, 3, 1), torch.where(leaps, near[:, 2:3], smooth[:, 2:])


def detail_field(
    query: Tensor, reference: Tensor, skeleton: Skeleton, size_hw: tuple[int, int], cell: int = CELL
) -> tuple[Tensor, Tensor]:
    """picture_field(), and how far detail is to be had there (n 1 h w): where the part that is asked for is seen, and unfolded()."""
    field, own = picture_field(query, reference, skeleton, size_hw, cell)
    return field, own * unfolded(field)


def sample_field(images: Tensor, field: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Images (n c h w) sampled bilinearly at field (n h' w' 2), px: (n c h' w'); outside 0, or the border's pixels."""
    import torch
    import torch.nn.functional as F

    size = torch.cat([field.new_full((1,), side) for side in (images.shape[-1], images.shape[-2])])  # no copy, for which a GPU would wait
    return F.grid_sample(images, (2 * field + 1) / size - 1, padding_mode=outside, align_corners=False)


def unfolded(field: Tensor) -> Tensor:
    """Where a field (n h w 2) is one that a body could follow: (n 1 h w) in [0, 1], 0 where it folds over or smears a few pixels wide.

    By the determinant of its slope, the area of the source over that of the picture: negative where the sides of a limb are
    exchanged, near 0 where a thin strip is drawn out. And 0 on both sides of a leap from part to part.
    """
    import torch
    import torch.nn.functional as F

    across, down = _slope(field)
    area = _area(across, down)
    longest = torch.maximum(across.square().sum(-1), down.square().sum(-1)).sqrt()
    sound = torch.minimum((area - FOLDED[0]) / (FOLDED[1] - FOLDED[0]), LONGEST - longest).clamp(0, 1)[:, None]
    return -F.max_pool2d(F.pad(-sound, (1, 0, 1, 0), mode="replicate"), 2, 1)  # both sides of a leap


def likeness(field: Tensor) -> Tensor:
    """How little a field (n h w 2) turns and stretches, (n 1 h w) in [0, 1]: 1 for a shift, falling with the norm of its strain."""
    import torch

    across, down = _slope(field)
    x, y = torch.eye(2, device=field.device)
    return torch.exp(-((across - x).square().sum(-1) + (down - y).square().sum(-1)).sqrt())[:, None]


def undistorted(field: Tensor) -> Tensor:
    """How little a field (n h w 2) stretches, (n 1 h w) in [0, 1]: 1 for a shift and a turn, falling with the norm of its strain.

    By the nearest turn: of a slope of singular values s and t it is (s - 1, t - 1) away, and s t its determinant.
    """
    across, down = _slope(field)
    area = _area(across, down)
    norm = across.square().sum(-1) + down.square().sum(-1)
    strain = norm + 2 - 2 * (norm + 2 * area).clamp_min(0).sqrt()
    return (-strain.clamp_min(0).sqrt()).exp()[:, None]


def _slope(field: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of a field (n h w 2) to the next pixel across and down, the last ones repeated."""
    import torch.nn.functional as F

    across = F.pad(field[:, :, 1:] - field[:, :, :-1], (0, 0, 0, 1))
    down = F.pad(field[:, 1:] - field[:, :-1], (0, 0, 0, 0, 0, 1))
    across[:, :, -1], down[:, -1] = across[:, :, -2], down[:, -2]
    return across, down


def _area(across: Tensor, down: Tensor) -> Tensor:
    """Determinant of a field's slope: the area of the source over that of the picture, below 0 where it is mirrored."""
    return across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
