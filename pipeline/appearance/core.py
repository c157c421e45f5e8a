"""What is surely of the body for a pose: the pixels so near to a part that they were the subject's in nearly all reference frames.

Not in the paper. A matte predicted for legs that stand wider than they ever did fades out along their inner sides: where no reference
shows them, the network only knows what it saw. How thick a limb is, place by place and on either side of its line, does not change with
the pose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.appearance.references import ReferencePictures
from pipeline.body.fields import part_distances
from pipeline.body.parts import Part, body_parts
from pipeline.body.skeleton import Skeleton
from pipeline.body.trunk import SIDEWAYS
from pipeline.networks.carrying import Sure
from pipeline.timeline.sampling import spread_evenly

LOOKED_AT = 40  # references by which the parts' reach is found
OPAQUE = 0.9  # least share of the pixels at a distance that must be the subject's
STEP = 0.25  # of distances, in half the breadth of a part
FARTHEST = 4.0  # such distances that are looked at
SHARE = 0.85  # of the reach that is counted on
SOFT = 0.25  # of a distance over which certainty falls off
ABOUT = (0.25, 0.75)  # how far beyond the reach the body borders, and nothing of it is left, in half the breadth of a part
ELSEWHERE = 1.5  # such distances within which a part that shares no joint may be what is seen
PLACES = 5  # along a limb, from end to end; what lies beyond an end counts to it
LOOKED_PX = 128  # longer side of a matte, about, of whose pixels it is learnt
CELL, CELLS = 3, 43  # px between the points at which it is asked for, at least, and how many along a crop, at least


@dataclass(frozen=True)
class BodyCore:
    """How far each part of a target's body reaches at least, as its references show it.

    reach (l 2 PLACES) of body_parts(), on either side of a limb of a body that faces the camera, and along it, in half its breadth; of
    a part that is no single limb the first place counts; 0 = nothing is sure.
    """

    skeleton: Skeleton
    reach: Tensor

    @staticmethod
    def learn(mattes: list[Tensor], points: Tensor, skeleton: Skeleton) -> "BodyCore":
        """From mattes (h w) in [0, 1] and their poses (n j 2), px.

        A pixel says something of the part that it is nearest to: beside an arm that hangs down there is trunk, but not beside one
        that is raised. It says nothing where a part of elsewhere lies about as near: which of two limbs that cross is seen is not
        known, and of a hidden one a detector guesses where it is.
        """
        parts, edges = body_parts(skeleton), int(FARTHEST / STEP)
        bins = edges + 1  # the last of what lies farther
        bound = [[0.0 if set(part.joints).isdisjoint(other.joints) else torch.inf for other in parts] for part in parts]
        joined = torch.tensor(bound, device=points.device)
        inside, total = (torch.zeros(len(parts) * 2 * PLACES * bins, device=points.device) for _ in range(2))
        for matte, pose, facing in zip(mattes, points, _facing(points, skeleton), strict=True):
            step = max(1, max(matte.shape) // LOOKED_PX)
            y, x = (torch.arange(0, side, step, device=points.device) for side in matte.shape)
            distances = part_distances(pose[None], skeleton, x, y)[0]
            near, part = distances.min(0)
            aside, place = _whereabouts(pose[None], parts, x, y)[0].gather(1, part.expand(2, 1, -1))[:, 0]
            alone, shown = (distances + joined[part].T).amin(0) > ELSEWHERE, matte[::step, ::step].flatten() > 0.5
            found = (part * 2 * PLACES + (place + 0.5).long()) * bins + (near.clamp(max=FARTHEST) / STEP).long()
            # Seen from the side, what lies on one side of a limb may be either.
            for side, here in enumerate((aside * facing <= 0, aside * facing >= 0)):
                counted = found + side * PLACES * bins
                inside += torch.bincount(counted[here & alone & shown], minlength=len(inside))
                total += torch.bincount(counted[here & alone], minlength=len(total))
        inside, total = (count.view(len(parts), 2, PLACES, bins)[..., :edges] for count in (inside, total))
        # Places take part in their neighbours'; a part that is no limb has the first alone.
        inside, total = (F.pad(count, (0, 0, 1, 1)).unfold(2, 3, 1).sum(-1) + count for count in (inside, total))
        # The farthest distance that came up before the first at which too many pixels were the background's.
        sure = (inside >= OPAQUE * total).long().cumprod(-1) * (total > 0)
        farthest = (sure * torch.arange(1, edges + 1, device=points.device)).amax(-1)
        return BodyCore(skeleton, SHARE * STEP * farthest)

    def sure(self, points: Tensor, crop_hw: tuple[int, int]) -> Sure:
        """What is sure of the mattes of poses (n j 2), px of the crop."""
        cell = max(CELL, max(crop_hw) // CELLS)
        y, x = (torch.arange(-(-side // cell), device=points.device) * cell + (cell - 1) / 2 for side in crop_hw)
        distances = part_distances(points, self.skeleton, x, y)
        aside, place = _whereabouts(points, body_parts(self.skeleton), x, y).unbind(1)
        aside, first = aside * _facing(points, self.skeleton)[:, None, None], place.clamp(max=PLACES - 2).floor()
        either = [self._along(side, first.long(), place - first) for side in (0, 1)]
        reach = torch.where(aside < 0, either[0], torch.where(aside > 0, either[1], torch.minimum(*either)))
        within = (reach - distances).amax(1).clamp_min(-FARTHEST).unflatten(1, (len(y), len(x)))[:, None]
        within = F.interpolate(within, scale_factor=cell, mode="bilinear", align_corners=False)[:, :, : crop_hw[0], : crop_hw[1]]
        return Sure((within / SOFT).clamp(0, 1), ((within + ABOUT[1]) / (ABOUT[1] - ABOUT[0])).clamp(0, 1))

    def _along(self, side: int, first: Tensor, share: Tensor) -> Tensor:
        """Reach on a side so far (n l p) from the place `first` to the next."""
        reach = self.reach[:, side].expand(first.shape[0], -1, -1)
        return torch.lerp(reach.gather(2, first), reach.gather(2, first + 1), share)


def _facing(points: Tensor, skeleton: Skeleton) -> Tensor:
    """Which way the trunks of poses (n j 2) face, (n): 1 the camera, -1 away from it, 0 neither, or not all of it is seen; 1 for a body
    without sides.

    Turned round, a limb has its inner side where the outer one was.
    """
    pairs = skeleton.trunk_pairs()
    if not pairs:
        return torch.ones(points.shape[0], device=points.device)
    left, right = torch.tensor(pairs, device=points.device).T
    across = torch.nan_to_num(points[:, left] - points[:, right])
    both = torch.nan_to_num(points[:, left] + points[:, right] - 2 * points[:, skeleton.index(skeleton.root), None])
    down, across = both.sum(1) / 2, across.sum(1)
    turned = down[:, 1] * across[:, 0] - down[:, 0] * across[:, 1]
    whole = torch.isfinite(points[:, [skeleton.index(skeleton.root), *chain(*pairs)]]).all(-1).all(-1)
    return whole * (turned.abs() > SIDEWAYS * down.square().sum(1)) * turned.sign()


def _whereabouts(points: Tensor, parts: Sequence[Part], x: Tensor, y: Tensor) -> Tensor:
    """Where pixels of x (w), y (h) lie beside the limbs that parts are in poses (n j 2), (n 2 l p): below 0 on one side of its line and
    above on the other; and at which place along it, 0..PLACES - 1. Of other parts, and where one is not seen, both are 0.
    """
    ends = torch.tensor([part.joints if len(part.joints) == 2 else [0, 0] for part in parts], device=points.device).T
    pixels = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy")).flatten(1)
    start, end = points[:, ends[0]], points[:, ends[1]]
    # Products with the line and with what is square to it; where there is no line, or it is not seen, all 0.
    line = torch.nan_to_num(end - start)
    axes = torch.stack([line / line.square().sum(-1, keepdim=True).clamp_min(1e-6), torch.stack([-line[..., 1], line[..., 0]], -1)], 1)
    along, aside = (axes @ pixels - (axes * torch.nan_to_num(start)[:, None]).sum(-1, keepdim=True)).unbind(1)
    return torch.stack([aside, along.clamp(0, 1) * (PLACES - 1)], 1)


def learn_core(pictures: ReferencePictures, skeleton: Skeleton) -> BodyCore:
    """From at most LOOKED_AT of a target's references, spread evenly, at the working size."""
    ranks = [int(k) for k in spread_evenly(np.arange(len(pictures.points)), LOOKED_AT)]
    return BodyCore.learn([pictures.matte(k) for k in ranks], pictures.points[ranks], skeleton)
