"""Left and right put right: a detector that takes a back for a front exchanges a person's sides for some frames."""

import itertools

import numpy as np

from pipeline.body.skeleton import Skeleton

FAR_HEIGHTS = 0.3  # a joint that moves further than this between frames is somewhere else altogether
AT_ONCE = 4096  # frames whose paths are measured at once


def mirror_groups(skeleton: Skeleton) -> tuple[list[list[tuple[int, int]]], list[list[tuple[int, int]]]]:
    """Return groups of (left, right) joints that change sides together: first those that hang on one joint, then each chain alone.

    A human's first groups are body and face, since a detector often takes the whole back for a front; the second are arms, legs, ….
    """
    pair_of = {skeleton.index(joint): index for index, pair in enumerate(skeleton.mirror) for joint in pair}
    whole, chain = list(range(len(skeleton.mirror))), list(range(len(skeleton.mirror)))
    hangs_on: dict[int, int] = {}
    for parent, child in skeleton.limb_indices():
        if child not in pair_of:
            continue
        if parent in pair_of:
            chain, whole = (_merged(groups, pair_of[child], pair_of[parent]) for groups in (chain, whole))
        else:
            whole = _merged(whole, pair_of[child], hangs_on.setdefault(parent, pair_of[child]))
    pairs = [(skeleton.index(left), skeleton.index(right)) for left, right in skeleton.mirror]
    return _grouped(pairs, whole), _grouped(pairs, chain)


def _merged(groups: list[int], old: int, new: int) -> list[int]:
    return [groups[new] if group == groups[old] else group for group in groups]


def _grouped(pairs: list[tuple[int, int]], groups: list[int]) -> list[list[tuple[int, int]]]:
    return [[pair for pair, group in zip(pairs, groups, strict=True) if group == wanted] for wanted in sorted(set(groups))]


def find_swaps(
    points: np.ndarray, groups: list[list[tuple[int, int]]], height: float, cost_heights: float | np.ndarray, settled: int
) -> np.ndarray:
    """Return (t g) where each group's left and right must change places for the shortest paths of its joints (points t j 2).

    A frame that changes places costs cost_heights (one, or t), in heights, against the group's mean path, so that legs which truly
    cross are left alone. The first `settled` frames are taken as they are. Viterbi's algorithm; not in the paper.
    """
    swaps, costs = np.zeros((len(points), len(groups)), bool), np.broadcast_to(cost_heights, len(points))
    for index, group in enumerate(groups):
        plain = points[:, np.array(group)]
        plain /= height
        seen = np.flatnonzero(np.isfinite(plain[..., 0]).any(axis=(1, 2)))
        if len(seen) > 1:
            starts = range(0, len(seen), AT_ONCE)  # each but the first also has the frame before its own
            paths = [_paths(plain[seen[max(0, start - 1) : start + AT_ONCE]])[min(start, 1) :] for start in starts]
            swaps[seen, index] = _shortest(np.concatenate(paths), costs[seen], int((seen < settled).sum()))
    return swaps


def apply_swaps(values: np.ndarray, groups: list[list[tuple[int, int]]], swaps: np.ndarray) -> np.ndarray:
    """Return values (t j …) with left and right exchanged where swaps (t g) says so: the very same where it says so nowhere."""
    if not swaps.any():
        return values
    out = values.copy()
    for index, group in enumerate(groups):
        frames = np.flatnonzero(swaps[:, index])
        for left, right in group:
            out[frames, left], out[frames, right] = values[frames, right], values[frames, left]
    return out


def swapped_joints(joints: int, groups: list[list[tuple[int, int]]], swaps: np.ndarray) -> np.ndarray:
    """Return (t j) whether a joint was exchanged."""
    out = np.zeros((len(swaps), joints), bool)
    for index, group in enumerate(groups):
        out[:, np.array(group).ravel()] = swaps[:, index, None]
    return out


def _paths(plain: np.ndarray) -> np.ndarray:
    """Return how far a group's points (t p 2 2: pair, side, xy) move on average (t 2 2), by the states one frame ago and now."""
    states = np.stack([plain, plain[:, :, ::-1]])
    paths = np.zeros((len(plain), 2, 2))
    for before, now in itertools.product((0, 1), repeat=2):
        moved = np.minimum(np.linalg.norm(states[now, 1:] - states[before, :-1], axis=-1), FAR_HEIGHTS)
        known = np.isfinite(moved)
        paths[1:, before, now] = np.where(known, moved, 0.0).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return paths


def _shortest(paths: np.ndarray, cost: np.ndarray, settled: int) -> np.ndarray:
    """Return the cheapest sequence of states (t) bool, with cost (t) of the second one."""
    price = np.where(np.arange(len(paths)) < settled, np.inf, cost)
    total, back = np.array([0.0, price[0]]), np.zeros((len(paths), 2), np.int64)
    for t in range(1, len(paths)):
        sums = total[:, None] + paths[t] + np.array([0.0, price[t]])
        back[t], total = sums.argmin(axis=0), sums.min(axis=0)
    state, chosen = int(total.argmin()), np.zeros(len(paths), bool)
    for t in range(len(paths) - 1, -1, -1):
        chosen[t] = bool(state)
        state = int(back[t, state])
    return chosen
