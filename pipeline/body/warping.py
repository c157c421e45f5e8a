"""Warping of a reference frame to another pose, limb by limb. Not in the paper, which carries real pixels of the face alone (Eq. 6-7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING, Literal

from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor

BREADTH = 0.03  # half the width of an arm, in body sizes: distances to a part count in half its width
STOUT = 1.2  # how much broader than an arm trunk and head are about the lines between their joints
BEHIND = 0.7  # least distance to trunk and head: an arm within it lies in front
SOFTNESS = 0.7  # distance below which parts share a pixel evenly
STEEPNESS = 2.0  # power with which a part's weight falls beyond; higher = harder borders between parts
AGREE = 0.07  # sources this far apart, in body sizes, are not averaged: between an arm and what it lies over there is nothing
SHARED = 2.0  # as STEEPNESS, where it is asked whose pixel a source is
STRANGE = (0.4, 0.7)  # how far a source must be of the parts that ask for it: nothing is taken below, all above
SHORT = 0.05  # a limb this short, in body sizes, is seen end on: its direction counts half
FOLDED = (0.1, 0.3)  # areas of the source over the picture's at which a field counts as folded, and as sound
LONGEST = 4.0  # px that a field moves from pixel to pixel where it leaps
CELL = 2  # px between the points at which a picture's field is worked out
LEAP = 0.01  # what is interpolated may lie this far, in body sizes, from what the nearest cell says
STRETCH = (0.5, 2.0)  # limits of a limb's change of length, and of a stiff part's along any direction
STIFF = 0.07  # spread of a stiff part's joints, in body sizes, below which it only shifts, turns and grows


def picture_field(
    query: Tensor, reference: Tensor, skeleton: Skeleton, size_hw: tuple[int, int], cell: int = CELL
) -> tuple[Tensor, Tensor]:
    """part_field() at all pixels of a picture of size_hw: (n h w 2), (n 1 h w).

    Worked out at every cell-th pixel and interpolated between, but where it leaps from part to part: there each pixel goes on as the
    nearest one that was worked out, since between an arm's place and that of what it lies over there is nothing.
    """
    import torch
    import torch.nn.functional as F

    height, width = size_hw
    cells = [torch.arange(-1, -(-side // cell) + 1, device=query.device) * cell + (cell - 1) / 2 for side in (width, height)]
    # Worked out at the cells, one more on each side, so that every pixel lies between some.
    found = part_field(query, reference, skeleton, *cells)
    linear = found.linear.flatten(3).permute(0, 3, 1, 2)
    coarse = torch.cat([found.field.permute(0, 3, 1, 2), found.own[:, None]], 1)
    inside = slice(cell, cell + height), slice(cell, cell + width)
    smooth = F.interpolate(coarse, scale_factor=cell, mode="bilinear", align_corners=False)[:, :, *inside]
    near = F.interpolate(torch.cat([coarse, linear], 1), scale_factor=cell, mode="nearest")[:, :, *inside]
    # The nearest cell's own map, gone on to each pixel; it stands in where the field leaps.
    offset = [(torch.arange(side, device=query.device) % cell - (cell - 1) / 2) for side in (height, width)]
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
    seen = torch.isfinite(query).all(-1) & torch.isfinite(reference).all(-1)
    parts = [part for part in body_parts(skeleton) if (seen[:, part.joints].sum(1) >= 2).any()]
    size, scale = _body_size(query, reference, skeleton)
    q, r = torch.nan_to_num(query), torch.nan_to_num(reference)
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(-1, 2)
    common = seen.float()[..., None] / seen.sum(1).clamp_min(1)[:, None, None]
    field = pixels + ((r - q) * common).sum(1)[:, None]
    own, slope = torch.ones(field.shape[:2], device=query.device), torch.eye(2, device=query.device).expand(*field.shape[:2], 2, 2)
    if parts:
        usable = torch.stack([seen[:, part.joints].sum(1) >= 2 for part in parts], 1)[:, None]  # (n 1 l)
        linear, shift = _part_maps(q, r, parts, seen, size, scale)
        near = _nearness(_distances(pixels[None], q, seen, parts, size), usable)
        found, shares, asked = _followed(pixels, linear, shift, near, size * scale)
        whose = _nearness(_distances(found, r, seen, parts, size * scale), usable) ** SHARED
        alike = (asked * whose).sqrt().sum(-1) / (asked.sum(-1) * whose.sum(-1)).sqrt().clamp_min(1e-12)
        any_part = usable.any(-1)
        field = torch.where(any_part[..., None], found, field)
        own = torch.where(any_part, ((alike - STRANGE[0]) / (STRANGE[1] - STRANGE[0])).clamp(0, 1), own)
        slope = torch.where(any_part[..., None, None], (shares @ linear.flatten(2)).unflatten(-1, (2, 2)), slope)
    shape = len(y), len(x)
    return Field(field.unflatten(1, shape), own.unflatten(1, shape), slope.unflatten(1, shape), size * scale)


def _followed(pixels: Tensor, linear: Tensor, shift: Tensor, near: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (n p 2) of pixels (p 2) by the parts' maps and their nearness (n p l), the parts' shares in each, and what is asked of each.

    The nearest part is followed, and the others as far as their sources agree with its.
    """
    import torch

    source = torch.einsum("nlij,pj->npli", linear, pixels) + shift[:, None]
    best = near.argmax(-1, keepdim=True)[..., None].expand(-1, -1, 1, 2)
    apart = (source - source.gather(2, best)).square().sum(-1) / (AGREE * size).square()[:, None, None]
    agree = torch.exp(-apart / 2)
    shares = near**STEEPNESS * agree
    shares = shares / shares.sum(-1, keepdim=True).clamp_min(1e-12)
    return (shares[..., None] * source).sum(2), shares, near**SHARED * agree


@dataclass(frozen=True)
class Part:
    """A part of the body that moves as one: its joints, how broad it is over an arm, the least distance to it (in half its breadth)."""

    joints: list[int]
    breadth: float
    least: float


def body_parts(skeleton: Skeleton) -> list[Part]:
    """Trunk, head, palms and feet where a skeleton has them, and every limb that is in none of these.

    The trunk is the root and the pairs that hang on it; palms and feet are what branches off a joint. Moved limb by limb, a trunk that
    turns about its own axis would fold between its shoulders.
    """
    root, children = skeleton.index(skeleton.root), skeleton.children()
    trunk, head = [root, *chain(*skeleton.trunk_pairs())], skeleton.indices("head")
    widths = {child: limb.width for limb, (_, child) in zip(skeleton.limbs, skeleton.limb_indices(), strict=True)}
    stiff = [Part(joints, STOUT, BEHIND) for joints in (trunk, head) if len(joints) >= 3]
    for joint, ends in enumerate(children):
        if len(ends) > 1 and joint not in {root, *head}:
            stiff.append(Part([joint, *ends], max(widths[end] for end in ends), 0.0))
    alone = [limb for limb in skeleton.limb_indices() if not any(set(limb) <= set(part.joints) for part in stiff)]
    return [*stiff, *(Part(list(limb), widths[limb[1]], 0.0) for limb in alone)]


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


def _body_size(query: Tensor, reference: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Larger extent of the query's joints (n) px, and the reference's size over the query's (n): that of the common limbs' lengths.

    Not that of the joints' spread, which a stride changes, and with it how wide a body looked.
    """
    import torch

    ends = torch.tensor(skeleton.limb_indices(), device=query.device).T
    seen = (torch.isfinite(query) & torch.isfinite(reference)).all(-1)
    usable = seen[:, ends[0]] & seen[:, ends[1]]

    def length(points: Tensor) -> Tensor:
        limbs = torch.nan_to_num(points)[:, ends[1]] - torch.nan_to_num(points)[:, ends[0]]
        return (limbs.norm(dim=-1) * usable).sum(1)

    own = torch.isfinite(query).all(-1, keepdim=True)
    low = torch.where(own, query, torch.full_like(query, torch.inf)).amin(1)
    high = torch.where(own, query, torch.full_like(query, -torch.inf)).amax(1)
    size = torch.nan_to_num((high - low).amax(1), posinf=1.0, neginf=1.0).clamp_min(1.0)
    ratio = (length(reference) + 1e-3) / (length(query) + 1e-3)
    return size, ratio.clamp(*STRETCH)


def _limb_maps(
    q_start: Tensor, q_end: Tensor, r_start: Tensor, r_end: Tensor, size: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """Affine map of each limb from query to reference px: linear (n l 2 2), shift (n l 2)."""
    import torch

    u, v = q_end - q_start, r_end - r_start
    short = (SHORT * size)[:, None]
    # As complex numbers v / u turns u into v; of short limbs the direction is noise, and they keep upright.
    dot = (u * v).sum(-1) + short.square()
    cross = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    norm = (dot.square() + cross.square()).sqrt().clamp_min(1e-6)
    cos, sin = dot / norm, cross / norm
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    along = u / u.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    across = scale[:, None]
    stretch = ((v.norm(dim=-1) + short * across) / (u.norm(dim=-1) + short)).clamp(*STRETCH)
    eye = torch.eye(2, device=u.device)
    lengthen = across[..., None, None] * eye + (stretch - across)[..., None, None] * along[..., :, None] * along[..., None, :]
    linear = turn @ lengthen
    # Both ends err alike where a limb cannot follow exactly: its middle is what is mapped rightly.
    q_middle, r_middle = (q_start + q_end) / 2, (r_start + r_end) / 2
    return linear, r_middle - (linear @ q_middle[..., None])[..., 0]


def _stiff_maps(q: Tensor, r: Tensor, seen: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Affine maps (n l 2 2), (n l 2) that fit the joints of parts, q to r (n l j 2), seen (n l j): the nearer to a similarity the less
    they spread. They never mirror: sides that are exchanged are squeezed as far as STRETCH goes."""
    import torch

    weight = seen.float()[..., None] / seen.sum(2).clamp_min(1)[..., None, None]
    q_middle, r_middle = (q * weight).sum(2), (r * weight).sum(2)
    p, s = (q - q_middle[:, :, None]) * weight.sqrt(), (r - r_middle[:, :, None]) * weight.sqrt()
    own, across = p.transpose(2, 3) @ p, s.transpose(2, 3) @ p  # (n l 2 2): covariances
    ridge, scale = (STIFF * size).square()[:, None], scale[:, None]
    turn_cos = across[..., 0, 0] + across[..., 1, 1] + 1e-3 * ridge
    turn_sin = across[..., 1, 0] - across[..., 0, 1]
    norm = (turn_cos.square() + turn_sin.square()).sqrt().clamp_min(1e-12)
    cos, sin = scale * turn_cos / norm, scale * turn_sin / norm
    similar = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    eye = ridge[..., None, None] * torch.eye(2, device=q.device)
    linear = (across + ridge[..., None, None] * similar) @ torch.linalg.inv(own + eye)
    left, stretch, right = torch.linalg.svd(linear)
    mirrored = torch.det(left @ right) < 0
    signs = torch.stack([torch.ones_like(turn_cos), torch.where(mirrored, -1.0, 1.0)], -1)
    low, high = (limit * scale[..., None] for limit in STRETCH)
    linear = (left * signs[..., None, :]) @ torch.diag_embed((stretch * signs).clamp(low, high)) @ right
    return linear, r_middle - (linear @ q_middle[..., None])[..., 0]


def _part_maps(q: Tensor, r: Tensor, parts: list[Part], seen: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Affine map of each part from query to reference px: linear (n l 2 2), shift (n l 2)."""
    import torch

    stiff = [part.joints for part in parts if len(part.joints) > 2]  # these come first
    most = max(map(len, stiff), default=0)
    padded = torch.tensor([joints + joints[:1] * (most - len(joints)) for joints in stiff], dtype=torch.long, device=q.device)
    padded = padded.reshape(len(stiff), most)
    real = torch.tensor([[i < len(joints) for i in range(most)] for joints in stiff], dtype=torch.bool, device=q.device)
    limbs = torch.tensor([part.joints for part in parts if len(part.joints) == 2], dtype=torch.long, device=q.device).reshape(-1, 2).T
    maps = _limb_maps(q[:, limbs[0]], q[:, limbs[1]], r[:, limbs[0]], r[:, limbs[1]], size, scale)
    if not stiff:
        return maps
    stiff_maps = _stiff_maps(q[:, padded], r[:, padded], seen[:, padded] & real, size, scale)
    return torch.cat([stiff_maps[0], maps[0]], 1), torch.cat([stiff_maps[1], maps[1]], 1)


def part_distances(points: Tensor, skeleton: Skeleton, x: Tensor, y: Tensor) -> Tensor:
    """Distances (n h·w l) of pixels x (w), y (h) to the body_parts() of poses (n j 2), px, in half their breadth; inf: not seen."""
    import torch

    points = points.float()
    seen = torch.isfinite(points).all(-1)
    parts = body_parts(skeleton)
    shown = [i for i, part in enumerate(parts) if (seen[:, part.joints].sum(1) >= 2).any()]
    size, _ = _body_size(points, points, skeleton)
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(-1, 2)
    found = torch.full((len(points), len(pixels), len(parts)), torch.inf, device=points.device)
    if shown:
        found[..., shown] = _distances(pixels[None], torch.nan_to_num(points), seen, [parts[i] for i in shown], size)
    return found


def _distances(pixels: Tensor, points: Tensor, seen: Tensor, parts: list[Part], size: Tensor) -> Tensor:
    """Distance (n p l) of pixels (n p 2) to each part, in half its breadth: to the nearest line between two of its joints (n j 2)."""
    import torch

    ever = seen.any(0).tolist()
    lines = [[line for line in combinations(part.joints, 2) if all(ever[joint] for joint in line)] for part in parts]
    a, b = torch.tensor([line for part in lines for line in part], device=points.device).T
    middle = pixels.mean(1, keepdim=True)  # near the pixels squares of coordinates lose no digits
    pixels, start, span = pixels - middle, points[:, a] - middle, points[:, b] - points[:, a]
    length = span.square().sum(-1)[:, None]
    across = (pixels @ span.transpose(1, 2)).sub_((start * span).sum(-1)[:, None])  # (n p lines): from start to pixel, times span
    along = (across / length.clamp_min(1e-6)).clamp_(0, 1)
    away = (pixels @ start.transpose(1, 2)).mul_(-2).add_(pixels.square().sum(-1, keepdim=True)).add_(start.square().sum(-1)[:, None])
    found = away.add_(along.mul(length).sub_(across, alpha=2).mul_(along)).clamp_min_(0)
    found.masked_fill_(~(seen[:, a] & seen[:, b])[:, None], torch.inf)
    nearest = []
    for part, group in zip(parts, found.split([len(part) for part in lines], -1), strict=True):
        nearest.append((group.amin(-1).sqrt() / (BREADTH * size * part.breadth)[:, None]).clamp_min(part.least))
    return torch.stack(nearest, -1)


def _nearness(distances: Tensor, usable: Tensor) -> Tensor:
    """Weights (n p l) that fall with the square of a distance, 0 for parts that are not usable (n 1 l)."""
    import torch

    return torch.where(usable, 1 / (distances.square() + SOFTNESS**2), torch.zeros_like(distances))
