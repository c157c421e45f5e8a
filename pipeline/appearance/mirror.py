"""Mirror images of windows. Not in the paper: people are not symmetric, and by default none are drawn."""

import numpy as np
import torch
from torch import Tensor

from pipeline.body.skeleton import Skeleton


def mirror_partners(skeleton: Skeleton, exchanged: bool) -> np.ndarray:
    """Position (j) of the joint that each one is called in the mirror: its partner on the other side, or, if not exchanged, itself."""
    return np.array(skeleton.opposites()) if exchanged else np.arange(len(skeleton.joints))


def mirror_windows(
    images: Tensor, points: Tensor, scores: Tensor, chosen: np.ndarray, partners: np.ndarray
) -> tuple[Tensor, Tensor, Tensor]:
    """Images (b k c h w), points (b k j 2) in px and scores (b k j), mirrored left to right where chosen (b) bool; exact.

    Where sides are exchanged, what the mirror shows as a left arm is called one, and poses and pictures stay those of a person. Where
    they are kept, a pose tells that its picture is mirrored, which one who makes the background too must know.
    """
    across, turned = (torch.from_numpy(a).to(points.device) for a in (partners, chosen))
    exchanged = points[:, :, across].clone()
    exchanged[..., 0] = images.shape[-1] - 1 - exchanged[..., 0]
    return (
        torch.where(turned[:, None, None, None, None], images.flip(-1), images),
        torch.where(turned[:, None, None, None], exchanged, points),
        torch.where(turned[:, None, None], scores[:, :, across], scores),
    )
