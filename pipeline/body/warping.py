"""Warping of a reference frame to another pose, limb by limb. Not in the paper, which carries real pixels of the face alone (Eq. 6-7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.body.parts import Part, body_parts, body_size, distances, nearness, part_maps
from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    import torch
    from torch import Tensor

STEEPNESS = 2.0  # power with which a part's weight falls beyond; higher = harder borders between parts
AGREE = 0.07  # sources this far apart, in body sizes, are not averaged: between an arm and what it lies over there is nothing
SHARED = 2.0  # as STEEPNESS, where it is asked whose pixel a source is
STRANGE = (0.4, 0.7)  # how far a source must be of the parts that ask for it: nothing is taken below, all above
FOLDED = (0.1, 0.3)  # areas of the source over the picture's at which a field counts as folded, and as sound
LONGEST = 4.0  # px that a field moves from pixel to pixel where it leaps
HAND_REACH = 0.04  # in body sizes: pixels so near to a hand's points may follow its fingers
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


@dataclass(frozen=True)
class Field:
    """Sources (n h w 2) px; own (n h w) in [0, 1]; linear (n h w 2 2), the source's slope if parts kept their shares; size (n): of a
    body in the reference, px."""

    field: Tensor
    own: Tensor
    linear: Tensor
    size: Tensor


def part_field(query: Tensor, reference: Tensor, skeleton: Skeleton, x: Tensor, y: Tensor) -> Field:
    """Where each pixel of the query's picture is taken from in the reference's: field (n h w 2) float32 as (x, y) px.

    query, reference (n j 2) px in their own pictures, NaN where missing; x (w), y (h): the query's pixel coordinates at
    which the field is wanted. Each limb that both poses show turns and stretches along its axis, trunk and head as one; a pixel
    follows the nearest part, and the others as far as they agree. Parts that one pose lacks do not count; without a common one the
    whole picture is shifted by the mean of the common joints, or stays where it is. The identity for equal poses.
    own: how far the pixel there is of the part that asks for it, low where another lies over it.
    """
    import torch

    query, reference = query.float(), reference.float()
    poses = Poses.of(query, reference, skeleton)
    seen, fingers = poses.seen, skeleton.fingers()
    parts = [part for part in body_parts(skeleton) if (seen[:, part.joints].sum(1) >= 2).any()]
    body = [part for part in parts if not fingers.intersection(part.joints)]
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(1, -1, 2)
    common = seen.float()[..., None] / seen.sum(1).clamp_min(1)[:, None, None]
    field = pixels + ((poses.reference - poses.query) * common).sum(1)[:, None]
    slope = torch.eye(2, device=query.device).flatten()
    layers = torch.cat([field, torch.ones_like(field[..., :1]), slope.expand(*field.shape[:2], 4)], -1)
    if body:
        layers = _by_parts(pixels, layers, body, poses)
    if len(parts) > len(body):  # fingers are many, and matter only about the hands
        index, inside = about_hands(pixels[0], poses, skeleton)
        there = index[..., None].expand(-1, -1, layers.shape[-1])
        coarse = layers.gather(1, there)
        fine = _by_parts(pixels[0][index], coarse, parts, poses)
        layers = layers.scatter(1, there, torch.where(inside[..., None], fine, coarse))
    shaped = layers.unflatten(1, (len(y), len(x)))
    return Field(shaped[..., :2], shaped[..., 2], shaped[..., 3:].unflatten(-1, (2, 2)), poses.size * poses.scale)


@dataclass(frozen=True)
class Poses:
    """Query and reference (n j 2) px, 0 where missing; seen (n j) in both; size, scale (n) as body_size() has them."""

    query: Tensor
    reference: Tensor
    seen: Tensor
    size: Tensor
    scale: Tensor

    @staticmethod
    def of(query: Tensor, reference: Tensor, skeleton: Skeleton) -> Poses:
        import torch

        seen = torch.isfinite(query).all(-1) & torch.isfinite(reference).all(-1)
        return Poses(torch.nan_to_num(query), torch.nan_to_num(reference), seen, *body_size(query, reference, skeleton))


def _by_parts(pixels: Tensor, layers: Tensor, parts: list[Part], poses: Poses) -> Tensor:
    """Layers (n p 7) of pixels (n p 2), or of the same ones for all (1 p 2): source, own and slope; as they were where no part is seen."""
    import torch

    q, r, seen, size, scale = poses.query, poses.reference, poses.seen, poses.size, poses.scale
    usable = torch.stack([seen[:, part.joints].sum(1) >= 2 for part in parts], 1)[:, None]  # (n 1 l)
    linear, shift = part_maps(q, r, parts, seen, size, scale)
    near = nearness(distances(pixels, q, seen, parts, size), usable)
    found, shares, asked = _followed(pixels, linear, shift, near, size * scale)
    whose = nearness(distances(found, r, seen, parts, size * scale), usable) ** SHARED
    alike = (asked * whose).sqrt().sum(-1) / (asked.sum(-1) * whose.sum(-1)).sqrt().clamp_min(1e-12)
    own = ((alike - STRANGE[0]) / (STRANGE[1] - STRANGE[0])).clamp(0, 1)
    return torch.where(usable.any(-1)[..., None], torch.cat([found, own[..., None], shares @ linear.flatten(2)], -1), layers)


def about_hands(pixels: Tensor, poses: Poses, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Pixels (p 2) about the hands of each pose: their positions (n k), as many for all, and which of these do lie there (n k)."""
    import torch

    near = torch.zeros((len(poses.query), len(pixels)), dtype=torch.bool, device=pixels.device)
    for hand in skeleton.hands():
        points, seen = poses.query[:, hand], poses.seen[:, hand][..., None]
        reach = (HAND_REACH * poses.size)[:, None]
        low = torch.where(seen, points, torch.inf).amin(1) - reach
        high = torch.where(seen, points, -torch.inf).amax(1) + reach
        near |= ((pixels >= low[:, None]) & (pixels <= high[:, None])).all(-1)
    most = int(near.sum(1).max())
    index = near.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return index, near.gather(1, index)


def _followed(pixels: Tensor, linear: Tensor, shift: Tensor, near: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (n p 2) of pixels (n p 2) by the parts' maps and nearness (n p l), the parts' shares in each, and what is asked of each.

    The nearest part is followed, and the others as far as their sources agree with its.
    """
    import torch

    source = torch.einsum("nlij,npj->npli", linear, pixels) + shift[:, None]
    best = near.argmax(-1, keepdim=True)[..., None].expand(-1, -1, 1, 2)
    apart = (source - source.gather(2, best)).square().sum(-1) / (AGREE * size).square()[:, None, None]
    agree = torch.exp(-apart / 2)
    shares = near**STEEPNESS * agree
    shares = shares / shares.sum(-1, keepdim=True).clamp_min(1e-12)
    return (shares[..., None] * source).sum(2), shares, near**SHARED * agree


def sample_field(images: Tensor, field: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Images (n c h w) sampled bilinearly at field (n h' w' 2), px: (n c h' w'); outside 0, or the border's pixels."""
    import torch
    import torch.nn.functional as F

    size = torch.tensor([images.shape[-1], images.shape[-2]], device=field.device)
    return F.grid_sample(images, (2 * field + 1) / size - 1, padding_mode=outside, align_corners=False)


def unfolded(field: Tensor) -> Tensor:
    """Where a field (n h w 2) is one that a body could follow: (n 1 h w) in [0, 1], 0 where it folds over or smears a few pixels wide.

    By the determinant of its slope, the area of the source over that of the picture: negative where the sides of a limb are
    exchanged, near 0 where a thin strip is drawn out. And 0 on both sides of a leap from part to part.
    """
    import torch
    import torch.nn.functional as F

    across, down = _slope(field)
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    longest = torch.maximum(across.square().sum(-1), down.square().sum(-1)).sqrt()
    sound = torch.minimum((area - FOLDED[0]) / (FOLDED[1] - FOLDED[0]), LONGEST - longest).clamp(0, 1)[:, None]
    return -F.max_pool2d(F.pad(-sound, (1, 0, 1, 0), mode="replicate"), 2, 1)  # both sides of a leap


def likeness(field: Tensor) -> Tensor:
    """How little a field (n h w 2) turns and stretches, (n 1 h w) in [0, 1]: 1 for a shift, falling with the norm of its strain."""
    import torch

    across, down = _slope(field)
    x, y = torch.eye(2, device=field.device)
    return torch.exp(-((across - x).square().sum(-1) + (down - y).square().sum(-1)).sqrt())[:, None]


def _slope(field: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of a field (n h w 2) to the next pixel across and down, the last ones repeated."""
    import torch.nn.functional as F

    across = F.pad(field[:, :, 1:] - field[:, :, :-1], (0, 0, 0, 1))
    down = F.pad(field[:, 1:] - field[:, :-1], (0, 0, 0, 0, 0, 1))
    across[:, :, -1], down[:, -1] = across[:, :, -2], down[:, -2]
    return across, down
