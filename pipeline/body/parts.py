"""Parts of a body that move as one: which there are, how far pixels are from them, and how each goes over from one pose to another.

Not in the paper; for warping.py, which carries real frames by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING

from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor

BREADTH = 0.03  # half the width of an arm, in body sizes: distances to a part count in half its width
STOUT = 1.2  # how much broader than an arm trunk and head are about the lines between their joints
BEHIND, NECK = 0.7, 1.0  # least distance to trunk and head, and to what joins them: an arm lies before a head, and a chin before a neck
SHORT = 0.05  # a limb this short, in body sizes, is seen end on: its direction counts half
STRETCH = (0.5, 2.0)  # limits of a limb's change of length, and of a stiff part's along any direction
STIFF = 0.07  # spread of a stiff part's joints, in body sizes, below which it only shifts, turns and grows
ONE_PLANE = 0.5  # how alike eyes and mouth must lie in both poses to tell a head's turn: where they contradict each other they do not
SAME_VIEW = 4.0  # power of how alike a head's joints lie in both poses with which they tell its turn, where its mouth is not seen


@dataclass(frozen=True)
class Face:
    """What tells how a head is held, by positions among its joints: its eyes and mouth lie in one plane, and between its ears it turns
    about its own axis."""

    eyes: list[int]
    mouth: list[int]
    ears: list[int]


@dataclass(frozen=True)
class Part:
    """A part of the body that moves as one: its joints, how broad it is over an arm, the least distance to it (in half its breadth).

    sides: of trunk and head the joint they hang on, from which their sides are told, and to each joint that of the other side, or itself.
    face: of a head that has one.
    """

    joints: list[int]
    breadth: float
    least: float
    sides: tuple[int, list[int]] | None = None
    face: Face | None = None


@lru_cache
def body_parts(skeleton: Skeleton) -> tuple[Part, ...]:
    """Trunk, head, palms and feet where a skeleton has them, and every limb that is in none of these.

    The trunk is the root and the pairs that hang on it; palms and feet are what branches off a joint. Moved limb by limb, a trunk that
    turns about its own axis would fold between its shoulders. A mouth goes along with its head.
    """
    root, children = skeleton.index(skeleton.root), skeleton.children()
    trunk, head = [root, *chain(*skeleton.trunk_pairs())], list(dict.fromkeys(skeleton.indices("head") + skeleton.indices("mouth")))
    widths = {child: limb.width for limb, (_, child) in zip(skeleton.limbs, skeleton.limb_indices(), strict=True)}
    kinds = ((trunk, None), (head, _face(head, skeleton)))
    stiff = [Part(joints, STOUT, BEHIND, _sides(joints, skeleton), face) for joints, face in kinds if len(joints) >= 3]
    for joint, ends in enumerate(children):
        if len(ends) > 1 and joint not in {root, *head}:
            stiff.append(Part([joint, *ends], max(widths[end] for end in ends), 0.0))
    alone = [limb for limb in skeleton.limb_indices() if not any(set(limb) <= set(part.joints) for part in stiff)]
    whole = set(chain(*(part.joints for part in stiff if part.least)))
    return (*stiff, *(Part(list(limb), widths[limb[1]], NECK if whole.issuperset(limb) else 0.0) for limb in alone))


def _sides(part: list[int], skeleton: Skeleton) -> tuple[int, list[int]]:
    """Part.sides of trunk or head; what hangs on nothing else hangs on the root."""
    bases = (parent for parent, child in skeleton.limb_indices() if child in part and parent not in part)
    opposites = skeleton.opposites()
    return next(bases, skeleton.index(skeleton.root)), [opposites[joint] for joint in part]


def _face(head: list[int], skeleton: Skeleton) -> Face | None:
    """Part.face of a head; None on a skeleton that does not name eyes, mouth and ears among its joints."""
    found = [skeleton.indices(role) for role in ("eyes", "mouth", "ears")]
    if not all(found) or not set(head).issuperset(chain(*found)):
        return None
    return Face(*([head.index(joint) for joint in joints] for joints in found))


def body_size(query: Tensor, reference: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Larger extent of the query's joints but fingers (n) px; the reference's size over the query's (n), by the common limbs' lengths.

    Not that of the joints' spread, which a stride changes, and with it how wide a body looked.
    """
    import torch

    fingers = skeleton.fingers()  # a hand opens and closes: how long its fingers look says nothing of the body
    ends = torch.tensor([limb for limb in skeleton.limb_indices() if limb[1] not in fingers], device=query.device).T
    seen = (torch.isfinite(query) & torch.isfinite(reference)).all(-1)
    usable = seen[:, ends[0]] & seen[:, ends[1]]

    def length(points: Tensor) -> Tensor:
        limbs = torch.nan_to_num(points)[:, ends[1]] - torch.nan_to_num(points)[:, ends[0]]
        return (limbs.norm(dim=-1) * usable).sum(1)

    own = torch.isfinite(query).all(-1, keepdim=True)
    own[:, sorted(fingers)] = False
    low = torch.where(own, query, torch.full_like(query, torch.inf)).amin(1)
    high = torch.where(own, query, torch.full_like(query, -torch.inf)).amax(1)
    size = torch.nan_to_num((high - low).amax(1), posinf=1.0, neginf=1.0).clamp_min(1.0)
    ratio = (length(reference) + 1e-3) / (length(query) + 1e-3)
    return size, ratio.clamp(*STRETCH)


def _limb_maps(q_start: Tensor, q_end: Tensor, r_start: Tensor, r_end: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
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


class _Fit:
    """Joints of poses q and r (… j 2) that both show, there (… j): their middles (… 2), and where they are about these, so that sums of
    products are means (… j 2)."""

    def __init__(self, q: Tensor, r: Tensor, there: Tensor) -> None:
        weight = there.float()[..., None] / there.sum(-1).clamp_min(1)[..., None, None]
        self.there, self.middles = there, ((q * weight).sum(-2), (r * weight).sum(-2))
        self.p, self.s = ((points - middle.unsqueeze(-2)) * weight.sqrt() for points, middle in zip((q, r), self.middles, strict=True))

    def turn(self) -> Tensor:
        """Cosine and sine (… 2) of the turn from q to r, as long as they lie alike, in [0, 1]."""
        import torch

        p, s = self.p, self.s
        found = torch.stack([(p * s).sum((-2, -1)), (p[..., 0] * s[..., 1] - p[..., 1] * s[..., 0]).sum(-1)], -1)
        return found / (p.square().sum((-2, -1)) * s.square().sum((-2, -1))).sqrt().clamp_min(1e-12)[..., None]


def _stiff_maps(q: Tensor, r: Tensor, seen: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Affine maps (n l 2 2), (n l 2) that fit the joints of parts, q to r (n l j 2), seen (n l j): the nearer to a similarity the less
    they spread. They never mirror: sides that are exchanged are squeezed as far as STRETCH goes."""
    import torch

    fit = _Fit(q, r, seen)
    (q_middle, r_middle), p, s = fit.middles, fit.p, fit.s
    own, across = p.transpose(2, 3) @ p, s.transpose(2, 3) @ p  # (n l 2 2): covariances
    ridge, scale = (STIFF * size).square()[:, None], scale[:, None]
    turn_cos = across[..., 0, 0] + across[..., 1, 1] + 1e-3 * ridge
    turn_sin = across[..., 1, 0] - across[..., 0, 1]
    similar = scale[..., None, None] * _turns(turn_cos, turn_sin)
    eye = ridge[..., None, None] * torch.eye(2, device=q.device)
    linear = (across + ridge[..., None, None] * similar) @ torch.linalg.inv(own + eye)
    left, stretch, right = torch.linalg.svd(linear)
    mirrored = torch.det(left @ right) < 0
    signs = torch.stack([torch.ones_like(turn_cos), torch.where(mirrored, -1.0, 1.0)], -1)
    low, high = (limit * scale[..., None] for limit in STRETCH)
    linear = (left * signs[..., None, :]) @ torch.diag_embed((stretch * signs).clamp(low, high)) @ right
    return linear, r_middle - (linear @ q_middle[..., None])[..., 0]


def _turns(cos: Tensor, sin: Tensor) -> Tensor:
    """Turns (… 2 2) by the angles of vectors (cos, sin) of any length."""
    import torch

    norm = (cos.square() + sin.square()).sqrt().clamp_min(1e-12)
    cos, sin = cos / norm, sin / norm
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def _head_map(q: Tensor, r: Tensor, there: Tensor, face: Face, scale: Tensor, trunk: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity of a head with a face from query to reference px, linear (n 2 2) and shift (n 2), by its joints q and r (n j 2) that are
    there (n j); trunk (n 2 2) is the trunk's.

    A head that turns about its own axis, or nods, moves nose and ears against one another as if it were turned in the picture too, but
    eyes and mouth as one plane; where no mouth is seen it is held like the trunk, the more so the less alike the joints lie. From all
    sides it is as broad, and between both ears it stays where it was; one alone lies beside the axis.
    """
    import torch

    plane, ears = (_Fit(q[:, some], r[:, some], there[:, some]) for some in ([*face.eyes, *face.mouth], face.ears))
    whole, eyes = _Fit(q, r, there), len(face.eyes)
    upright = torch.stack([trunk[:, 0, 0] + trunk[:, 1, 1], trunk[:, 1, 0] - trunk[:, 0, 1]], -1)
    upright = upright / upright.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    by_plane, by_all = plane.turn(), whole.turn()
    alike = by_all.norm(dim=-1, keepdim=True)
    guess = alike ** (SAME_VIEW - 1) * by_all + (1 - alike**SAME_VIEW) * upright
    told = plane.there[:, :eyes].any(1) & plane.there[:, eyes:].any(1) & (by_plane.norm(dim=-1) > ONE_PLANE)
    linear = scale[:, None, None] * _turns(*torch.where(told[:, None], by_plane, guess).unbind(-1))
    q_middle, r_middle = (torch.where(ears.there.all(1)[:, None], *middles) for middles in zip(ears.middles, whole.middles, strict=True))
    return linear, r_middle - (linear @ q_middle[..., None])[..., 0]


def _exchanged(q: Tensor, r: Tensor, part: Part, seen: Tensor, sizes: tuple[Tensor, Tensor]) -> Tensor:
    """Whether trunk or head of poses q and r (n j 2), seen (n j) in both, have their sides the other way round in one of them: (n) bool.

    As a face that is seen from behind in one, or was taken for that. Sides are told by the line to the part from what it hangs on, and by
    none that is short of sizes (n), the query's and the reference's: a neck lies amid the shoulders, which alone have no up.
    """
    import torch

    if part.sides is None:
        return torch.zeros(len(q), dtype=torch.bool, device=q.device)
    joints, (base, others) = part.joints, part.sides
    there = seen[:, joints].float()[..., None]
    once = torch.tensor([a < b for a, b in zip(joints, others, strict=True)], device=q.device)
    paired = (seen[:, joints] & seen[:, others] & once).float()[..., None]
    turns, told = [], seen[:, base]
    for points, size in zip((q, r), sizes, strict=True):
        up = (points[:, joints] * there).sum(1) / there.sum(1).clamp_min(1) - points[:, base]
        across = ((points[:, others] - points[:, joints]) * paired).sum(1)
        turns.append(up[:, 0] * across[:, 1] - up[:, 1] * across[:, 0])
        told = told & (up.norm(dim=-1) > SHORT * size)
    return (turns[0] * turns[1] < 0) & told


def part_maps(q: Tensor, r: Tensor, parts: Sequence[Part], seen: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Affine map of each part from query to reference px: linear (n l 2 2), shift (n l 2)."""
    import torch

    stiff = [part for part in parts if len(part.joints) > 2]  # these come first
    most = max((len(part.joints) for part in stiff), default=0)

    def padded(joints: list[list[int]]) -> Tensor:
        filled = [some + some[:1] * (most - len(some)) for some in joints]
        return torch.tensor(filled, dtype=torch.long, device=q.device).reshape(len(stiff), most)

    own, other = padded([part.joints for part in stiff]), padded([part.sides[1] if part.sides else part.joints for part in stiff])
    real = torch.tensor([[i < len(part.joints) for i in range(most)] for part in stiff], dtype=torch.bool, device=q.device)
    limbs = torch.tensor([part.joints for part in parts if len(part.joints) == 2], dtype=torch.long, device=q.device).reshape(-1, 2).T
    maps = _limb_maps(q[:, limbs[0]], q[:, limbs[1]], r[:, limbs[0]], r[:, limbs[1]], size, scale)
    if not stiff:
        return maps
    # With its sides exchanged it is laid as if they were not: no picture of a face shows it from behind.
    turned = torch.stack([_exchanged(q, r, part, seen, (size, size * scale)) for part in stiff], 1)[..., None]
    shown = seen[:, own] & real & (seen[:, other] | ~turned)
    ours, theirs = torch.where(turned[..., None], q[:, other], q[:, own]), r[:, own]
    linear, shift = (list(found.unbind(1)) for found in _stiff_maps(ours, theirs, shown, size, scale))
    for i, part in enumerate(stiff):
        if part.face:
            trunk = linear[0] if i else torch.eye(2, device=q.device).expand(len(q), -1, -1)  # upright, where there is none
            joints = slice(len(part.joints))
            linear[i], shift[i] = _head_map(ours[:, i, joints], theirs[:, i, joints], shown[:, i, joints], part.face, scale, trunk)
    return torch.cat([torch.stack(linear, 1), maps[0]], 1), torch.cat([torch.stack(shift, 1), maps[1]], 1)


def lines_of(part: Part) -> list[tuple[int, int]]:
    """The lines between joints about which a part lies: of what branches off a joint those to its ends, and from end to end."""
    first, *ends = part.joints
    return list(combinations(part.joints, 2)) if part.least else [*((first, end) for end in ends), *pairwise(ends)]
