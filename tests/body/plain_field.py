"""The field of fields.py as its formulas are written, part by part and pixel by pixel, for tests to compare with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.body.fields import AGREE, APART, BESIDE, BETWEEN, DEEPER, SHARED, SOFTNESS, STEEPNESS, STRANGE, Field, _about_hands
from pipeline.body.pair import Poses
from pipeline.body.parts import BREADTH, Part, body_parts, lines_of, part_maps
from pipeline.body.skeleton import Skeleton


def part_field(query: Tensor, reference: Tensor, skeleton: Skeleton, x: Tensor, y: Tensor) -> Field:
    """As fields.part_field()."""
    query, reference = query.float(), reference.float()
    poses = Poses.of(query, reference, skeleton)
    seen, fingers = poses.in_both, skeleton.fingers()
    parts = body_parts(skeleton)
    parts = [part for part in parts if (poses.in_reference[:, part.joints].sum(1) >= 2).any()]
    body = [part for part in parts if not fingers.intersection(part.joints)]
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(1, -1, 2)
    common = seen.float()[..., None] / seen.sum(1).clamp_min(1)[:, None, None]
    field = pixels + ((poses.reference - poses.query) * common).sum(1)[:, None]
    slope = torch.eye(2, device=query.device).flatten()
    layers = torch.cat([field, torch.ones_like(field[..., :1]), slope.expand(*field.shape[:2], 4)], -1)
    if body:
        layers = _by_parts(pixels, layers, body, poses, skeleton)
    if len(parts) > len(body):  # fingers are many, and matter only about the hands
        index, inside = _about_hands(pixels[0], poses, skeleton)
        there = index[..., None].expand(-1, -1, layers.shape[-1])
        coarse = layers.gather(1, there)
        fine = _by_parts(pixels[0][index], coarse, parts, poses, skeleton)
        layers = layers.scatter(1, there, torch.where(inside[..., None], fine, coarse))
    shaped = layers.unflatten(1, (len(y), len(x)))
    return Field(shaped[..., :2], shaped[..., 2], shaped[..., 3:].unflatten(-1, (2, 2)), poses.size * poses.scale)


def _by_parts(pixels: Tensor, layers: Tensor, parts: Sequence[Part], poses: Poses, skeleton: Skeleton) -> Tensor:
    """Layers (n p 7) of pixels (n p 2), or of the same ones for all (1 p 2): source, own and slope; as they were where no part is seen."""
    q, r, seen, size, scale = poses.query, poses.reference, poses.in_both, poses.size, poses.scale
    usable = torch.stack([seen[:, part.joints].sum(1) >= 2 for part in parts], 1)[:, None]  # (n 1 l)
    linear, shift = part_maps(q, r, parts, seen, size, scale)
    near = nearness(distances(pixels, q, seen, parts, size), usable)
    found, shares, asked = _followed(pixels, linear, shift, near, size * scale, parts)
    counted = usable | hidden_joints(poses.in_query, skeleton)[:, None, [part.joints[-1] for part in parts]]
    there = nearness(distances(found, r, poses.in_reference, parts, size * scale), counted)
    whose = there**SHARED
    alike = (asked * whose).sqrt().sum(-1) / (asked.sum(-1) * whose.sum(-1)).sqrt().clamp_min(1e-12)
    own = ((alike - STRANGE[0]) / (STRANGE[1] - STRANGE[0])).clamp(0, 1)
    opposite = skeleton.opposites()
    sides = [({opposite[joint] for joint in part.joints}, set(part.joints)) for part in parts]
    twins = [(i, k) for i, (across, _) in enumerate(sides) for k, (_, own) in enumerate(sides[:i]) if across == own]
    outer, between = near.amax(-1), torch.zeros_like(near[..., 0])
    for i, k in twins:
        between = torch.maximum(between, torch.minimum(near[..., i], near[..., k]))
    within = outer + BETWEEN[1] * (between - BETWEEN[0]).clamp_min(0)
    level = (outer / there.amax(-1).clamp_min(1e-12) - DEEPER[0]) / (DEEPER[1] - DEEPER[0])
    own = own * (1 - (1 - level.clamp(0, 1)) * ((BESIDE[1] - within) / (BESIDE[1] - BESIDE[0])).clamp(0, 1))
    return torch.where(usable.any(-1)[..., None], torch.cat([found, own[..., None], shares @ linear.flatten(2)], -1), layers)


def hidden_joints(in_query: Tensor, skeleton: Skeleton) -> Tensor:
    """Which joints (n j) queries hide, one by one."""
    opposite, fingers, children = skeleton.opposites(), skeleton.fingers(), skeleton.children()
    ends = {part.joints[1] for part in body_parts(skeleton) if len(part.joints) == 2} - fingers

    def lacks(pose: list[bool], joint: int) -> bool:
        return not pose[joint] and all(lacks(pose, child) for child in children[joint])

    def hide(pose: list[bool], joint: int, above: bool, found: set[int]) -> set[int]:
        here = above or (joint in ends and opposite[joint] != joint and lacks(pose, joint) and pose[opposite[joint]])
        for child in children[joint]:
            hide(pose, child, here, found)
        return found.add(joint) or found if here else found

    hidden = torch.zeros(in_query.shape, dtype=torch.bool)
    for n, pose in enumerate(in_query.tolist()):
        hidden[n, sorted(hide(pose, skeleton.index(skeleton.root), False, set()))] = True
    return hidden


def _followed(
    pixels: Tensor, linear: Tensor, shift: Tensor, near: Tensor, size: Tensor, parts: Sequence[Part]
) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (n p 2) of pixels (n p 2) by the parts' maps and nearness (n p l), the parts' shares in each, and what is asked of each.

    The nearest part is followed, and the others as far as their sources agree with its, those that share no joint with it less so.
    """
    source = torch.einsum("nlij,npj->npli", linear, pixels) + shift[:, None]
    best = near.argmax(-1, keepdim=True)[..., None].expand(-1, -1, 1, 2)
    apart = (source - source.gather(2, best)).square().sum(-1) / (AGREE * size).square()[:, None, None]
    strange = torch.tensor([[float(not set(part.joints) & set(other.joints)) for other in parts] for part in parts])
    agree = torch.exp(-apart * (1 + (APART - 1) * strange[near.argmax(-1)]) / 2)
    shares = near**STEEPNESS * agree
    shares = shares / shares.sum(-1, keepdim=True).clamp_min(1e-12)
    return (shares[..., None] * source).sum(2), shares, near**SHARED * agree


def distances(pixels: Tensor, points: Tensor, seen: Tensor, parts: Sequence[Part], size: Tensor) -> Tensor:
    """Distance (n p l) of pixels (n p 2) to each part, in half its breadth: to the nearest line between two of its joints (n j 2)."""
    lines = [lines_of(part) for part in parts]
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


def nearness(distances: Tensor, usable: Tensor) -> Tensor:
    """Weights (n p l) that fall with the square of a distance, 0 for parts that are not usable (n 1 l)."""
    return torch.where(usable, 1 / (distances.square() + SOFTNESS**2), torch.zeros_like(distances))
