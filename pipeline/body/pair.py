"""A query's poses beside a reference's: which joints are seen in both, which of them the query hides, how large its body is. Not in the
paper; for fields.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.body.parts import body_parts, body_size
from pipeline.body.skeleton import Skeleton

if TYPE_CHECKING:  # torch takes a second to import
    from torch import Tensor


@dataclass(frozen=True)
class Poses:
    """Query and reference (n j 2) px, 0 where missing; which joints (n j) are in_query, in_reference, and which of the reference's the
    query hides; size, scale (n) as body_size() has them."""

    query: Tensor
    reference: Tensor
    in_query: Tensor
    in_reference: Tensor
    hidden: Tensor
    size: Tensor
    scale: Tensor

    @staticmethod
    def of(query: Tensor, reference: Tensor, skeleton: Skeleton) -> Poses:
        import torch

        in_query, in_reference = (torch.isfinite(pose).all(-1) for pose in (query, reference))
        hidden = _hidden(in_query, skeleton) & in_reference
        sizes = body_size(query, reference, skeleton)
        return Poses(torch.nan_to_num(query), torch.nan_to_num(reference), in_query, in_reference, hidden, *sizes)

    @property
    def in_both(self) -> Tensor:
        """(n j)."""
        return self.in_query & self.in_reference


def _hidden(in_query: Tensor, skeleton: Skeleton) -> Tensor:
    """Which joints (n j) a query hides: of an arm or leg that it lacks on one side alone, from the first joint beyond which it has none,
    and all that hangs on them.

    Not a hand or foot whose wrist or ankle is there, nor fingers, which may just not have been found: they go along with the limb.
    """
    import torch

    first, others, branches = _branching(skeleton)
    hung = torch.tensor(branches, device=in_query.device)
    lacks = (in_query.float() @ hung.T == 0)[:, first]
    return (lacks & in_query[:, others]).float() @ hung[first] > 0


@lru_cache
def _branching(skeleton: Skeleton) -> tuple[list[int], list[int], np.ndarray]:
    """Where the limbs of arms and legs end, and those of the other side; by joint (j j) itself and those that hang on it."""
    fingers, opposites = skeleton.fingers(), skeleton.opposites()
    limbs = [part.joints[1] for part in body_parts(skeleton) if len(part.joints) == 2]  # the ends of arms, legs and fingers
    first = [joint for joint in limbs if joint not in fingers and opposites[joint] != joint]
    branches = np.zeros((len(opposites), len(opposites)), np.float32)
    for joint, branch in enumerate(skeleton.branches()):
        branches[joint, branch] = 1
    return first, [opposites[joint] for joint in first], branches
