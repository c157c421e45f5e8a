"""What is surely of the body for a pose: the pixels so near to a part that they were the subject's in nearly all reference frames.

Not in the paper. A matte predicted for legs that stand wider than they ever did fades out along their inner sides: where no reference
shows them, the network only knows what it saw. How thick a limb is does not change with the pose.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.appearance.references import ReferencePictures
from pipeline.body.fields import part_distances
from pipeline.body.parts import body_parts
from pipeline.body.skeleton import Skeleton
from pipeline.timeline.sampling import spread_evenly

LOOKED_AT = 40  # references by which the parts' reach is found
OPAQUE = 0.9  # least share of the pixels at a distance that must be the subject's
STEP = 0.125  # of distances, in half the breadth of a part
FARTHEST = 4.0  # such distances that are looked at
SHARE = 0.85  # of the reach that is counted on
SOFT = 0.25  # of a distance over which certainty falls off
CELL = 3  # px between the points at which distances are worked out


class BodyCore:
    """How far each part of a target's body reaches at least, as its references show it."""

    def __init__(self, skeleton: Skeleton, reach: Tensor) -> None:
        """reach (l) of body_parts(), in half their breadth; 0 = nothing is sure."""
        self.skeleton, self.reach = skeleton, reach

    @staticmethod
    def learn(mattes: list[Tensor], points: Tensor, skeleton: Skeleton) -> "BodyCore":
        """From mattes (h w) in [0, 1] and their poses (n j 2), px."""
        parts, edges = len(body_parts(skeleton)), int(FARTHEST / STEP)
        first = torch.arange(parts, device=points.device)[:, None] * (edges + 1)  # each part's bins, the last of what lies farther
        inside, total = (torch.zeros(parts * (edges + 1), device=points.device) for _ in range(2))
        for matte, pose in zip(mattes, points, strict=True):
            height, width = (side // CELL * CELL for side in matte.shape)
            shown = F.avg_pool2d(matte[None, None, :height, :width], CELL).flatten() > 0.5
            bins = (_distances(pose[None], skeleton, (height, width))[0].clamp(max=FARTHEST) / STEP).long() + first
            inside += torch.bincount(bins[:, shown].flatten(), minlength=len(inside))
            total += torch.bincount(bins.flatten(), minlength=len(total))
        inside, total = (count.view(parts, edges + 1)[:, :edges] for count in (inside, total))
        # The farthest distance that came up before the first at which too many pixels were the background's.
        sure = (inside >= OPAQUE * total).long().cumprod(1) * (total > 0)
        farthest = (sure * torch.arange(1, edges + 1, device=points.device)).amax(1)
        return BodyCore(skeleton, SHARE * STEP * farthest)

    def matte(self, points: Tensor, crop_hw: tuple[int, int]) -> Tensor:
        """Least matte (n 1 h w) in [0, 1] of poses (n j 2), px of the crop."""
        distances = _distances(points, self.skeleton, crop_hw)
        sure = ((self.reach[:, None] - distances) / SOFT).clamp(0, 1).amax(1)
        height, width = (-(-side // CELL) for side in crop_hw)
        enlarged = F.interpolate(sure.unflatten(1, (height, width))[:, None], scale_factor=CELL, mode="bilinear", align_corners=False)
        return enlarged[:, :, : crop_hw[0], : crop_hw[1]]


def _distances(points: Tensor, skeleton: Skeleton, size_hw: tuple[int, int]) -> Tensor:
    """Distances (n l p) of every CELL-th pixel of a picture to the body's parts, inf where a part is not seen."""
    y, x = (torch.arange(-(-side // CELL), device=points.device) * CELL + (CELL - 1) / 2 for side in size_hw)
    return part_distances(points, skeleton, x, y)


def learn_core(pictures: ReferencePictures, skeleton: Skeleton) -> BodyCore:
    """From at most LOOKED_AT of a target's references, spread evenly, at the working size."""
    ranks = [int(k) for k in spread_evenly(np.arange(len(pictures.points)), LOOKED_AT)]
    return BodyCore.learn([pictures.matte(k) for k in ranks], pictures.points[ranks], skeleton)
