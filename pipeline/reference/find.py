"""Which real picture each frame of a motion is made from: what a warp changes least, without changing more often than it pays.

Not in the paper.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import NONE, ChosenReferences, References
from pipeline.body.hidden import Hidden
from pipeline.body.pose_distance import (
    EXCHANGED,
    body_size,
    carrying_distances,
    end_distances,
    exchanged_sides,
    gap_distances,
    warp_distances,
)
from pipeline.body.skeleton import Skeleton
from pipeline.params import Section
from pipeline.timeline.split import Split
from pipeline.timeline.windows import parted, runs

# In sizes of the body: how much nearer the second reference must show the end of a limb, how much a change of what it is shown by costs,
# and what costs one that a reference hides, a share of arms and legs.
NEARER, CHANGE, UNSEEN = 0.04, 0.05, 2.0
AT_ONCE = 4096  # frames whose limbs are compared at once, so that memory does not grow with all of them


class FindParams(Section):
    """Section `reference.find` of params.yaml."""

    count: int = Field(ge=1, le=8)
    switch_cost: float = Field(ge=0)


@dataclass(frozen=True)
class FindInputs:
    """A motion in the target's full px, the target's own track, its references."""

    motion: Track
    target: Track
    references: References


def find_references(inputs: FindInputs, params: FindParams, split: Split | None) -> ChosenReferences:
    """Choose references for every frame of a motion in which the subject is present, nearest first.

    Distances are those of carrying_distances(), in sizes of the target's body. Over each run of present frames the sum of the first
    references' distances, plus switch_cost for every change, is least; then that of the second ones among the rest, and so on. What of
    the pose all before it and it hide counts as distance too, less for the first one, beside which others will be. Where the second shows
    a forearm and hand, or a shank and foot, in a pose that is nearer, they are its.
    split: that of the target's own pair, None for another driver. There, a training frame takes no reference of its own clip so near
    in time that its pose would be nearer than unseen poses are; and training frames choose by themselves, so that held-out poses
    change nothing of them.
    """
    motion, target, references = inputs.motion, inputs.target, inputs.references
    present = motion.present if len(references) else np.zeros(len(motion.points), bool)
    size = body_size(references.points)
    shape = len(present), params.count
    rank, distance = np.full(shape, NONE), np.full(shape, np.nan)
    ends = np.zeros((len(present), len(target.skeleton.ends())), bool)
    layers = (references.transient[rank] for rank in range(len(references)))
    unseen = Hidden(references.picture_points, target.skeleton, size, layers)
    radius = exclusion_radius(references, target.skeleton) if split is not None else 0
    border = None if split is None else int(split.border)
    for start, stop in parted(runs(np.flatnonzero(present)), border):
        frames = np.arange(start, stop)
        # What each reference would cost each frame of the run.
        costs = np.stack([carrying_distances(motion.points[t], references.points, target.skeleton, size) for t in frames])
        covered = unseen.covered(motion.points[frames])
        asked = unseen.asked(covered)
        if radius and border is not None and start < border:
            near = np.abs(frames[:, None] - references.frames[None]) < radius
            costs = np.where(near & references.are_own, np.inf, costs)
        # The nearest steady choice, then, of what it leaves, that which shows what those before it hide.
        for order in range(params.count):
            lacking = asked.cost(costs)
            chosen = steady_choice(lacking, params.switch_cost)
            found = lacking[np.arange(len(frames)), chosen]
            asked.take(chosen)
            rank[frames, order] = np.where(np.isfinite(found), chosen, NONE)
            distance[frames, order] = np.where(np.isfinite(found), found, np.nan)
            costs[np.arange(len(frames)), chosen] = np.inf
        if params.count > 1 and ends.shape[1]:
            parts = [np.s_[first : first + AT_ONCE] for first in range(0, len(frames), AT_ONCE)]
            taken, points = rank[frames, :2], motion.points[frames]
            away = [_ends_away(taken[part], points[part], covered[part], references, unseen, target.skeleton) for part in parts]
            ends[frames] = steady_ends(np.concatenate(away), taken)
    frame = np.where(rank == NONE, NONE, references.frames[rank] if len(references) else NONE)
    facts = {"exclusion_radius": int(radius), "body_px": round(float(size), 3), "border": border}
    return ChosenReferences(rank, frame, distance, facts, ends)


def steady_choice(costs: np.ndarray, switch_cost: float) -> np.ndarray:
    """Indices (t) of the columns of costs (t n) whose sum, plus switch_cost for each change, is least (Viterbi 1967).

    inf marks what is not to be chosen while something else is left.
    """
    worst = np.where(np.isfinite(costs), costs, 1e6)
    total, came_from = worst[0], np.zeros(worst.shape, np.int32)
    for t in range(1, len(worst)):
        best = int(total.argmin())
        switch = total[best] + switch_cost < total
        came_from[t] = np.where(switch, best, np.arange(len(total)))
        total = worst[t] + np.where(switch, total[best] + switch_cost, total)
    path = np.empty(len(worst), np.int64)
    path[-1] = int(total.argmin())
    for t in range(len(worst) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def _ends_away(
    ranks: np.ndarray, points: np.ndarray, covered: np.ndarray, references: References, unseen: Hidden, skeleton: Skeleton
) -> np.ndarray:
    """How far the ends of limbs in poses (t j 2) are from those of the references of ranks (t 2), in sizes of the body: (t e 2); inf where
    there are none. covered (t l): as Hidden has it."""
    ends, sides = skeleton.ends(), skeleton.trunk_pairs()
    away = np.empty((len(points), len(ends), 2))
    for order, taken in enumerate(ranks.T):
        own, hidden = references.points[taken], unseen.by(taken, covered)
        turned = EXCHANGED * exchanged_sides(points, own, sides, unseen.size)
        for e, joints in enumerate(ends):
            moved = end_distances(points, own, joints, skeleton) / unseen.size + turned
            away[:, e, order] = np.where(taken == NONE, np.inf, moved + UNSEEN * hidden[:, unseen.places_of(joints)].sum(1))
    return away


def steady_ends(away: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Which ends of limbs (t e) bool are the second reference's, of ranks (t 2), for what they are away from either (t e 2): by the least
    sum of distances, NEARER more for the second's, plus CHANGE wherever an end's reference is not the frame's before.

    As steady_choice(), but between two a frame, so that memory does not grow with the references.
    """
    cost = np.where(np.isfinite(away), away, 1e6) + np.array([0.0, NEARER])
    both_lack = ~np.isfinite(away).any(-1)
    cost[both_lack] = np.array([0.0, NEARER])
    total, came_from = cost[0], np.zeros(cost.shape, np.int8)
    for t in range(1, len(cost)):
        # From each of the two before (rows) to each of the two here (columns).
        through = total[:, :, None] + CHANGE * (ranks[t - 1][:, None] != ranks[t][None])
        came_from[t] = through.argmin(1)
        total = through.min(1) + cost[t]
    found = np.empty(cost.shape[:2], np.int8)
    found[-1] = total.argmin(1)
    every = np.arange(cost.shape[1])
    for t in range(len(cost) - 1, 0, -1):
        found[t - 1] = came_from[t, every, found[t]]
    return found == 1


def exclusion_radius(references: References, skeleton: Skeleton) -> int:
    """Frames on either side of a training frame that are left out, so that the nearest pose left is as far as poses never seen are.

    The least radius at which the median distance to the nearest reference reaches that between the last fifth of the
    references and the rest; at most a quarter of the clip. Of references of several clips, those of the target's own count.
    """
    own = references.are_own
    points, frames = references.points[own], references.frames[own]
    usual = np.median(gap_distances(points, skeleton)) if len(points) > 4 else 0.0
    if not np.isfinite(usual) or usual == 0:
        return 1
    costs = np.stack([warp_distances(p, points, skeleton) for p in points])
    apart = np.abs(frames[:, None] - frames[None])
    radius = 1
    for radius in range(1, max(2, int(frames[-1] - frames[0]) // 4)):
        nearest = np.where(apart < radius, np.inf, costs).min(axis=1)
        if np.median(nearest) >= usual:
            return radius
    return radius
