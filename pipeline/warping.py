"""Warping of a reference frame to another pose, limb by limb. Not in the paper, which carries real pixels of the face alone (Eq. 6-7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor

SOFTNESS = 0.02  # distance to a limb, in body sizes, below which limbs share a pixel evenly
STEEPNESS = 2.0  # power with which a limb's weight falls beyond; higher = harder borders between limbs
SHORT = 0.05  # a limb this short, in body sizes, is seen end on: its direction counts half
FOLDED = (0.1, 0.3)  # areas of the source over the picture's at which a field counts as folded, and as sound
CELL = 4  # px between the points at which a picture's field is worked out
STRETCH = (0.5, 2.0)  # limits of a limb's change of length, and of a stiff part's along any direction
STRANGE = 0.05  # least weight of a limb where what it would bring is another limb's, over that of its own
STIFF = 0.07  # spread of a stiff part's joints, in body sizes, below which it only shifts, turns and grows


def picture_field(query: Tensor, reference: Tensor, skeleton: Skeleton, size_hw: tuple[int, int]) -> Tensor:
    """limb_field() at all pixels of a picture of size_hw: worked out at every CELL-th and interpolated between, since it is smooth."""
    import torch
    import torch.nn.functional as F

    height, width = size_hw
    cells = [torch.arange(-1, -(-side // CELL) + 1, device=query.device) * CELL + (CELL - 1) / 2 for side in (width, height)]
    coarse = limb_field(query, reference, skeleton, *cells).permute(0, 3, 1, 2)
    fine = F.interpolate(coarse, scale_factor=CELL, mode="bilinear", align_corners=False)
    return fine[:, :, CELL : CELL + height, CELL : CELL + width].permute(0, 2, 3, 1)


def limb_field(query: Tensor, reference: Tensor, skeleton: Skeleton, x: Tensor, y: Tensor) -> Tensor:
    """Where each pixel of the query's picture is taken from in the reference's: (n h w 2) float32 as (x, y) px.

    query, reference (n j 2) px in their own pictures, NaN where missing; x (w), y (h): the query's pixel coordinates at
    which the field is wanted. Each limb that both poses show turns and stretches along its axis, those of a stiff part
    together; a pixel follows the limbs by its distance to them in the query. Limbs that one pose lacks do not count; without a
    common limb the whole picture is shifted by the mean of the common joints, or stays where it is. The identity for equal poses.
    """
    import torch

    ends = torch.tensor(skeleton.limb_indices(), device=query.device).T
    query, reference = query.float(), reference.float()
    size, scale = _body_size(query, reference, ends)
    seen = torch.isfinite(query).all(-1) & torch.isfinite(reference).all(-1)
    usable = seen[:, ends[0]] & seen[:, ends[1]]
    ends, usable = ends[:, usable.any(0)], usable[:, usable.any(0)]  # a detector without fingers leaves two limbs of three unseen
    q, r = torch.nan_to_num(query), torch.nan_to_num(reference)
    linear, shift = _limb_maps(q[:, ends[0]], q[:, ends[1]], r[:, ends[0]], r[:, ends[1]], size, scale)
    same = torch.eye(len(ends[0]), device=ends.device)
    for part in stiff_parts(skeleton):
        common = seen[:, part]
        inside = torch.isin(ends, torch.tensor(part, device=ends.device)).all(0) & (common.sum(1) >= 3)[:, None]  # (n l)
        if inside.any():
            together = torch.isin(ends, torch.tensor(part, device=ends.device)).all(0)
            same[together[:, None] & together] = 1
            part_linear, part_shift = _stiff_map(q[:, part], r[:, part], common, size, scale)
            linear = torch.where(inside[..., None, None], part_linear[:, None], linear)
            shift = torch.where(inside[..., None], part_shift[:, None], shift)
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(-1, 2)
    weights = _weights(pixels[None], q[:, ends[0]], q[:, ends[1]], usable, size)
    weights = weights * _membership(pixels, linear, shift, r[:, ends[0]], r[:, ends[1]], usable, size * scale, same)
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)
    none = ~usable.any(1)
    mixed = weights @ torch.cat([linear.flatten(2), shift], -1)  # (n p 6): the affine map of each pixel
    moved = torch.einsum("npij,pj->npi", mixed[..., :4].unflatten(-1, (2, 2)), pixels) + mixed[..., 4:]
    if none.any():
        common = seen.float()[..., None] / seen.sum(1).clamp_min(1)[:, None, None]
        offset = ((r - q) * common).sum(1)
        moved[none] = pixels + offset[none, None]
    return moved.unflatten(1, (len(y), len(x)))


def stiff_parts(skeleton: Skeleton) -> list[list[int]]:
    """Joints of the parts that move as one: the trunk (the root and the pairs that hang on it) and the head, where a skeleton has them.

    Moved limb by limb, a trunk that turns about its own axis would fold between its shoulders.
    """
    near = {limb.child for limb in skeleton.limbs if limb.parent == skeleton.root}
    pairs = [pair for pair in skeleton.mirror if set(pair) <= near]
    trunk = [skeleton.root, *(joint for pair in pairs for joint in pair)]
    parts = [[skeleton.index(joint) for joint in trunk], skeleton.indices("head") if "head" in skeleton.roles else []]
    return [part for part in parts if len(part) >= 3]


def sample_field(images: Tensor, field: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Images (n c h w) sampled bilinearly at field (n h' w' 2), px: (n c h' w'); outside 0, or the border's pixels."""
    import torch
    import torch.nn.functional as F

    size = torch.tensor([images.shape[-1], images.shape[-2]], device=field.device)
    return F.grid_sample(images, (2 * field + 1) / size - 1, padding_mode=outside, align_corners=False)


def unfolded(field: Tensor) -> Tensor:
    """Where a field (n h w 2) is one that a body could follow: (n 1 h w) in [0, 1], 0 where it folds over or smears a few pixels wide.

    By the determinant of its slope, the area of the source over that of the picture: negative where the sides of a limb are
    exchanged, near 0 where a thin strip is drawn out.
    """
    import torch
    import torch.nn.functional as F

    across = field[:, :, 1:] - field[:, :, :-1]
    down = field[:, 1:] - field[:, :-1]
    across, down = F.pad(across, (0, 0, 0, 1), mode="constant"), F.pad(down, (0, 0, 0, 0, 0, 1), mode="constant")
    across[:, :, -1], down[:, -1] = across[:, :, -2], down[:, -2]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    return ((area - FOLDED[0]) / (FOLDED[1] - FOLDED[0])).clamp(0, 1)[:, None].to(torch.float32)


def _body_size(query: Tensor, reference: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Larger extent of the query's joints (n) px, and the reference's size over the query's (n): that of the common limbs' lengths.

    Not that of the joints' spread, which a stride changes, and with it how wide a body looked.
    """
    import torch

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


def _stiff_map(q: Tensor, r: Tensor, seen: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Affine map (n 2 2), (n 2) that fits the joints of a part, q to r (n j 2), seen (n j): the nearer to a similarity the less they
    spread. It never mirrors: sides that are exchanged are squeezed as far as STRETCH goes."""
    import torch

    weight = seen.float()[..., None] / seen.sum(1).clamp_min(1)[:, None, None]
    q_middle, r_middle = (q * weight).sum(1), (r * weight).sum(1)
    p, s = (q - q_middle[:, None]) * weight.sqrt(), (r - r_middle[:, None]) * weight.sqrt()
    own, across = p.transpose(1, 2) @ p, s.transpose(1, 2) @ p  # (n 2 2): covariances
    ridge = (STIFF * size).square()
    turn_cos = across[:, 0, 0] + across[:, 1, 1] + 1e-3 * ridge
    turn_sin = across[:, 1, 0] - across[:, 0, 1]
    norm = (turn_cos.square() + turn_sin.square()).sqrt().clamp_min(1e-12)
    cos, sin = scale * turn_cos / norm, scale * turn_sin / norm
    similar = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    eye = ridge[:, None, None] * torch.eye(2, device=q.device)
    linear = (across + ridge[:, None, None] * similar) @ torch.linalg.inv(own + eye)
    left, stretch, right = torch.linalg.svd(linear)
    mirrored = torch.det(left @ right) < 0
    signs = torch.stack([torch.ones_like(scale), torch.where(mirrored, -1.0, 1.0)], -1)
    low, high = (limit * scale[:, None] for limit in STRETCH)
    linear = (left * signs[:, None]) @ torch.diag_embed((stretch * signs).clamp(low, high)) @ right
    return linear, r_middle - (linear @ q_middle[..., None])[..., 0]


def _weights(pixels: Tensor, start: Tensor, end: Tensor, usable: Tensor, size: Tensor) -> Tensor:
    """Share (n p l) of each limb in each pixel, falling with the distance to its segment; they add up to 1."""
    import torch

    span = end - start
    from_start = pixels[:, :, None] - start[:, None]
    along = (from_start * span[:, None]).sum(-1) / span.square().sum(-1).clamp_min(1e-6)[:, None]
    aside = from_start - along.clamp(0, 1)[..., None] * span[:, None]
    distance = aside.square().sum(-1) / size.square()[:, None, None] + SOFTNESS**2
    weights = torch.where(usable[:, None], distance ** -STEEPNESS, torch.zeros_like(distance))
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)



def _membership(
    pixels: Tensor, linear: Tensor, shift: Tensor, start: Tensor, end: Tensor, usable: Tensor, size: Tensor, same: Tensor
) -> Tensor:
    """How far what each limb would bring to a pixel is that limb's own in the reference, (n p l), at least STRANGE.

    Legs that cross in the query and stand apart in the reference would else bring each other's pixels.
    """
    import torch

    found = []
    for limb in range(linear.shape[1]):
        source = pixels @ linear[:, limb].transpose(1, 2) + shift[:, None, limb]  # (n p 2)
        found.append((_weights(source, start, end, usable, size) * same[limb]).sum(-1))
    return torch.stack(found, -1).clamp_min(STRANGE) if found else usable.new_zeros(len(usable), len(pixels), 0, dtype=torch.float32)
