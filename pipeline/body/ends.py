"""Where in a picture the ends of limbs are: forearms and hands, shanks and feet. Not in the paper."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.body.fields import part_distances
from pipeline.body.parts import body_parts
from pipeline.body.skeleton import Skeleton

CELL = 2  # px between the points at which it is asked for
BORDER = 1.5  # slope of the share from a part of an end to any other, over half their breadths
FAR = 50.0  # such distances beyond which nothing is near


def end_shares(points: Tensor, skeleton: Skeleton, which: np.ndarray, crop_hw: tuple[int, int]) -> Tensor:
    """How far pixels are of the ends of limbs `which` (n e) bool, Skeleton.ends(), in poses (n j 2) px of crops: (n 1 h w) in [0, 1].

    A pixel is of the part that is nearest to it, and of none that is FAR.
    """
    found = points.new_zeros(len(points), 1, *crop_hw)
    some = np.flatnonzero(which.any(1))
    index = torch.from_numpy(some).to(points.device)
    of = [[set(part.joints) <= set(end) for part in body_parts(skeleton)] for end in skeleton.ends()]
    theirs = torch.from_numpy(which[some]).to(points.device).float() @ torch.tensor(of, device=points.device).float() > 0
    y, x = (torch.arange(-(-side // CELL), device=points.device) * CELL + (CELL - 1) / 2 for side in crop_hw)
    distances = part_distances(points[index], skeleton, x, y).clamp(max=FAR)
    near, other = (torch.where(parts[:, :, None], distances, FAR).amin(1) for parts in (theirs, ~theirs))
    shares = ((other - near) * BORDER + 0.5).clamp(0, 1) * (near < FAR)
    shares = F.interpolate(shares.unflatten(1, (len(y), len(x)))[:, None], scale_factor=CELL, mode="bilinear", align_corners=False)
    found[index] = shares[:, :, : crop_hw[0], : crop_hw[1]]
    return found
