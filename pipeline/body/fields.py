"""Where each pixel of a picture is taken from in another one, as its body's parts move. Not in the paper.

Pixels lie last in memory, a cache's worth goes through at once, and distances are taken along and across each line by one product of
matrices: several times as fast as part by part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.body.pair import Poses
from pipeline.body.parts import BREADTH, Part, body_parts, lines_of, part_maps
from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor

STEEPNESS = 2.0  # power with which a part's weight falls beyond; higher = harder borders between parts
AGREE = 0.07  # sources this far apart, in body sizes, are not averaged: between an arm and what it lies over there is nothing
APART = 4.0  # squares of these distances count as often between parts that share no joint: two calves side by side are no blend of both
SHARED = 2.0  # as STEEPNESS, where it is asked whose pixel a source is
STRANGE = (0.4, 0.7)  # how far a source must be of the parts that ask for it: nothing is taken below, all above
DEEPER = (0.5, 0.8)  # how near a pixel must be to its nearest part, over how near its source is: amid a limb is nothing from beside one
BESIDE = (0.4, 0.6)  # nearness of what is wholly beside the body, for which this is asked, and of what is within
BETWEEN = (0.03, 5.0)  # what is nearer than that to a limb and its twin lies between them, as cloth between thighs: so much more within
HAND_REACH = 0.04  # in body sizes: pixels so near to a hand's points may follow its fingers
SOFTNESS = 0.7  # distance below which parts share a pixel evenly
EVEN = 1 - 1e-4  # parts are equally near where the ratio of their nearness is no less
AT_ONCE = 6144  # pixels of a pose, or about as many, that go through at once on a CPU: many more would not stay in its cache


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
    follows the nearest part, and the others as far as they agree. Parts that one pose lacks are not followed; without a common one the
    whole picture is shifted by the mean of the common joints, or stays where it is. The identity for equal poses.
    own: how far the pixel there is of the part that asks for it, low where another lies over it or, beside the body, it lies amid one;
    an arm or leg that the query lacks while it has the other one is hidden there, and the reference's is no other part's.
    """
    return PartField(query, reference, skeleton).at(x, y)


class PartField:
    """part_field() of a query and a reference, as they are given there, wherever it is wanted: what pixels do not change is worked out
    once."""

    def __init__(self, query: Tensor, reference: Tensor, skeleton: Skeleton) -> None:
        import torch

        self.poses, self.skeleton = Poses.of(query.float(), reference.float(), skeleton), skeleton
        fingers, parts = skeleton.fingers(), body_parts(skeleton)
        if not torch.compiler.is_exporting():  # a graph that is exported serves any pose
            parts = [part for part, counts in zip(parts, _counted(parts, self.poses).any(0)[:, 0].tolist(), strict=True) if counts]
        body = [part for part in parts if not fingers.intersection(part.joints)]
        self._parts, self._has_fingers = parts, len(parts) > len(body)
        self._body = Follow(body, self.poses, skeleton) if body else None

    def at(self, x: Tensor, y: Tensor) -> Field:
        """At pixel coordinates x (w), y (h) of the query."""
        layers = self._layers(_pixels(x, y))
        shaped = layers.unflatten(2, (len(y), len(x)))
        field, linear = shaped[:, :2].permute(0, 2, 3, 1), shaped[:, 3:].permute(0, 2, 3, 1).unflatten(-1, (2, 2))
        return Field(field, shaped[:, 2], linear, self.poses.size * self.poses.scale)

    def at_points(self, points: Tensor) -> Tensor:
        """At points (p 2) px of the query: layers (n 7 p), the source's x and y, own, and linear row by row."""
        import torch

        return self._layers(torch.cat([points.T.float(), torch.ones_like(points[None, :, 0])]))

    @cached_property
    def _whole(self) -> Follow:
        """What all parts make of pixels, fingers too."""
        return Follow(self._parts, self.poses, self.skeleton)

    def _layers(self, pixels: Tensor) -> Tensor:
        """Layers (n 7 p) of pixels (3 p): source, own and slope."""
        import torch

        layers = _shifted(pixels, self.poses)
        times = max(1, round(pixels.shape[1] / AT_ONCE)) if pixels.device.type == "cpu" else 1
        step = -(-pixels.shape[1] // times)
        if self._body is not None:
            pieces = zip(pixels.split(step, 1), layers.split(step, 2), strict=True)
            layers = torch.cat([self._body(part, start) for part, start in pieces], 2)
        if not self._has_fingers:
            return layers
        # Fingers are many, and matter only about the hands.
        index, inside = _about_hands(pixels[:2].T, self.poses, self.skeleton)
        if not index.shape[1]:
            return layers
        there = index[:, None].expand(-1, layers.shape[1], -1)
        coarse = layers.gather(2, there)
        fine = self._whole(pixels[:, index].transpose(0, 1), coarse)
        return layers.scatter(2, there, torch.where(inside[:, None], fine, coarse))


def part_distances(points: Tensor, skeleton: Skeleton, x: Tensor, y: Tensor) -> Tensor:
    """Distances (n l h·w) of pixels x (w), y (h) to the body_parts() of poses (n j 2), px, in half their breadth; inf: not seen."""

    poses = Poses.of(points.float(), points.float(), skeleton)
    # Which of two parts lies in front is no matter of how far a pixel is from a limb.
    parts = [replace(part, least=0.0) if len(part.joints) == 2 else part for part in body_parts(skeleton)]
    return Near(parts, poses.query, poses.in_both, poses.size).squares(_pixels(x, y)).sqrt_()


def about_hand(hand: list[int], poses: Poses) -> tuple[Tensor, Tensor]:
    """The box, its lowest and highest (x, y) px (n 2) of the query, in which pixels may follow a hand's fingers; where none of its
    joints is seen the lowest are infinite."""
    import torch

    points, seen = poses.query[:, hand], poses.in_both[:, hand][..., None]
    reach = (HAND_REACH * poses.size)[:, None]
    return torch.where(seen, points, torch.inf).amin(1) - reach, torch.where(seen, points, -torch.inf).amax(1) + reach


def _about_hands(pixels: Tensor, poses: Poses, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Pixels (p 2) about the hands of each pose: their positions (n k), as many for all, and which of these do lie there (n k)."""
    import torch

    near = torch.zeros((poses.query.shape[0], len(pixels)), dtype=torch.bool, device=pixels.device)
    for hand in skeleton.hands():
        low, high = about_hand(hand, poses)
        near |= ((pixels >= low[:, None]) & (pixels <= high[:, None])).all(-1)
    if torch.compiler.is_exporting():  # how many they are depends on the poses
        return torch.arange(near.shape[1], device=pixels.device).expand(near.shape[0], -1), near
    most = int(near.sum(1).max())
    index = near.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return index, near.gather(1, index)


def _pixels(x: Tensor, y: Tensor) -> Tensor:
    """Rows (3 h·w) of pixels x (w), y (h): x, y and 1."""
    import torch

    across, down = torch.meshgrid(x.float(), y.float(), indexing="xy")
    return torch.stack([across.flatten(), down.flatten(), torch.ones_like(down.flatten())])


def _shifted(pixels: Tensor, poses: Poses) -> Tensor:
    """Layers (n 7 p) of pixels (3 p), x, y and 1, where no part is seen: shifted by the mean of the common joints."""
    import torch

    common = poses.in_both.float()[..., None] / poses.in_both.sum(1).clamp_min(1)[:, None, None]
    shift = ((poses.reference - poses.query) * common).sum(1)
    rest = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0], device=pixels.device)[None, :, None]
    return torch.cat([pixels[None, :2] + shift[..., None], rest.expand(shift.shape[0], -1, pixels.shape[1])], 1)


class Follow:
    """What parts make of pixels: the nearest part is followed, and the others as far as their sources agree with its.

    All that does not depend on the pixels is worked out beforehand.
    """

    def __init__(self, parts: Sequence[Part], poses: Poses, skeleton: Skeleton) -> None:
        import torch

        q, r, seen, size, scale = poses.query, poses.reference, poses.in_both, poses.size, poses.scale
        self.usable, self.counted = _usable(parts, seen), _counted(parts, poses)
        linear, shift = part_maps(q, r, parts, seen, size, scale)
        self.linear = linear.flatten(2).transpose(1, 2)  # (n 4 l)
        self.maps = torch.cat([linear, shift[..., None]], -1).transpose(1, 2).flatten(1, 2)  # (n 2l 3)
        self.falling = -0.5 / (AGREE * size * scale).square()[:, None, None]
        bound = [[not set(part.joints).isdisjoint(other.joints) for other in parts] for part in parts]
        self.apart = torch.where(torch.tensor(bound, device=q.device), 1.0, APART)  # (l l)
        twins = twin_parts(parts, skeleton)
        self.twins = torch.tensor(twins, device=q.device)
        self.paired = torch.tensor([float(twin != i) for i, twin in enumerate(twins)], device=q.device)[:, None]
        self.here, self.there = Near(parts, q, seen, size), Near(parts, r, poses.in_reference, size * scale)

    def __call__(self, pixels: Tensor, layers: Tensor) -> Tensor:
        """Layers (n 7 p) of pixels (n 3 p), or of the same ones for all (3 p): source, own and slope; as they were where none is seen."""
        import torch

        near = self.here(pixels).mul_(self.usable)
        source = (self.maps @ pixels).unflatten(1, (2, -1))  # (n 2 l p)
        nearest = _nearest(near)[:, None].expand(-1, 2, -1, -1)
        apart = (source - source.gather(2, nearest)).square_().sum(1).mul_(self.apart[nearest[:, 0, 0]].transpose(1, 2))
        agree = apart.mul_(self.falling).exp_()
        shares = near**STEEPNESS * agree
        shares /= shares.sum(1, keepdim=True).clamp_min_(1e-12)
        asked = agree.mul_(near**SHARED)
        found = source.mul_(shares[:, None]).sum(2)  # (n 2 p)
        there = self.there(torch.cat([found, torch.ones_like(found[:, :1])], 1)).mul_(self.counted)
        whose = there**SHARED
        both = (asked.sum(1, keepdim=True) * whose.sum(1, keepdim=True)).sqrt_().clamp_min_(1e-12)
        alike = whose.mul_(asked).sqrt_().sum(1, keepdim=True) / both
        own = ((alike - STRANGE[0]) / (STRANGE[1] - STRANGE[0])).clamp_(0, 1)
        # Beside a shoulder there is nothing of an arm that is raised in the reference; but between two thighs there is cloth.
        outer, between = near.amax(1, keepdim=True), torch.minimum(near, near[:, self.twins]).mul_(self.paired).amax(1, keepdim=True)
        within = outer + BETWEEN[1] * (between - BETWEEN[0]).clamp_min_(0)
        level = (outer / there.amax(1, keepdim=True).clamp_min_(1e-12) - DEEPER[0]) / (DEEPER[1] - DEEPER[0])
        own *= 1 - (1 - level.clamp_(0, 1)) * ((BESIDE[1] - within) / (BESIDE[1] - BESIDE[0])).clamp_(0, 1)
        return torch.where(self.usable.any(1, keepdim=True), torch.cat([found, own, self.linear @ shares], 1), layers)


def twin_parts(parts: Sequence[Part], skeleton: Skeleton) -> list[int]:
    """By part the position of the same one of the other side; its own where there is none."""
    opposites = skeleton.opposites()
    place = {frozenset(part.joints): i for i, part in enumerate(parts)}
    return [place.get(frozenset(opposites[joint] for joint in part.joints), i) for i, part in enumerate(parts)]


def _usable(parts: Sequence[Part], seen: Tensor) -> Tensor:
    """Which parts (n l 1) are there of joints seen (n j): two of a part's say where it is."""
    import torch

    members = torch.zeros((len(parts), seen.shape[1]), device=seen.device)
    members[tuple(zip(*((i, joint) for i, part in enumerate(parts) for joint in part.joints), strict=True))] = 1
    return (seen.float() @ members.T >= 2)[..., None]


def _counted(parts: Sequence[Part], poses: Poses) -> Tensor:
    """Whose pixels (n l 1) the reference's may be: those of parts that are followed, or that the query hides."""
    last = [part.joints[-1] for part in parts]
    return _usable(parts, poses.in_both) | (poses.hidden[:, last, None] & _usable(parts, poses.in_reference))


def _nearest(near: Tensor) -> Tensor:
    """Which of the parts (n l p) is nearest, (n 1 p); the first where some are but for rounding, as both limbs are beyond a bent joint."""
    import torch

    parts = near.shape[1]
    order = torch.arange(parts, 0, -1, dtype=torch.float32, device=near.device)[:, None]
    return parts - ((near >= near.amax(1, keepdim=True) * EVEN) * order).amax(1, keepdim=True).long()


class Near:
    """How near pixels are to the parts (l) of poses, to the nearest line between two joints of each: two rows for each line, in its axes.

    Nearness falls with the square of a distance, and is 0 for what is not seen.
    """

    def __init__(self, parts: Sequence[Part], points: Tensor, seen: Tensor, size: Tensor) -> None:
        """points (n j 2), seen (n j), size (n)."""
        import torch

        lines = [lines_of(part) for part in parts]
        self.counts = [len(part) for part in lines]
        while self.counts and self.counts[-1] == 1:  # the last parts of one line each, limbs: no line is to be chosen there
            self.counts.pop()
        a, b = torch.tensor([line for part in lines for line in part], device=points.device).T
        start, span = points[:, a], points[:, b] - points[:, a]
        length = span.norm(dim=-1, keepdim=True)
        east = torch.tensor([1.0, 0.0], device=points.device)
        along = torch.where(length > 1e-6, span / length.clamp_min(1e-6), east)
        aside = torch.stack([-along[..., 1], along[..., 0]], -1)
        middle = start + span / 2
        axes = [torch.cat([axis, -(axis * middle).sum(-1, keepdim=True)], -1) for axis in (along, aside)]
        # A line that is not seen is infinitely far.
        far = torch.tensor([0.0, 0.0, torch.inf], device=points.device)
        axes[1] = torch.where((seen[:, a] & seen[:, b])[..., None], axes[1], far)
        self.axes, self.half = torch.cat(axes, 1), length / 2
        breadth = torch.tensor([part.breadth for part in parts], device=points.device)
        self.scale = 1 / (BREADTH * size[:, None] * breadth).square()[..., None]
        self.least = torch.tensor([part.least for part in parts], device=points.device).square()[:, None]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Nearness (n l p) of pixels (n 3 p) or (3 p), x, y and 1."""
        return self.squares(pixels).add_(SOFTNESS**2).reciprocal_()

    def squares(self, pixels: Tensor) -> Tensor:
        """Squared distances (n l p) in half the parts' breadth; inf where no line of a part is seen."""
        import torch

        past, aside = (self.axes @ pixels).chunk(2, 1)  # (n lines p): beyond the middle, beside the line
        past = past.abs_().sub_(self.half).clamp_min_(0)
        squares = aside.square_().addcmul_(past, past)
        chosen, single = squares.split([sum(self.counts), squares.shape[1] - sum(self.counts)], 1)
        nearest = torch.cat([*(part.amin(1, keepdim=True) for part in chosen.split(self.counts, 1)), single], 1)
        return torch.maximum(nearest.mul_(self.scale), self.least)
