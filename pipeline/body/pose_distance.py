"""How far two poses are apart, and which training frames show poses near to one. Not in the paper."""

from collections.abc import Sequence

import numpy as np

Hands = Sequence[Sequence[int]]
PALM = 3  # a hand counts as so many joints, however many of its points are seen: fingers do not outweigh the body
LEAST_SHARED = 0.5  # share of the query's joints that a candidate must show: one shared joint says nothing about a pose


def pose_distances(query: np.ndarray, candidates: np.ndarray, root: int | None = None, hands: Hands = ()) -> np.ndarray:
    """Mean joint distance (n) of candidates (n j 2) to a query (j 2), in its px, over joints finite in both; inf where too few are.

    root: joint that both are moved to, the mean of the common joints where one lacks it; None = as they stand. A candidate
    must show at least LEAST_SHARED of the query's joints. hands: Skeleton.hands(), whose joints share the weight of a few.
    """
    query, candidates = np.asarray(query, np.float64), np.asarray(candidates, np.float64)
    seen = np.asarray(np.isfinite(query).all(-1))
    weight = _weights(seen, hands)
    both = np.asarray(np.isfinite(candidates).all(-1)) & seen
    shared = both @ weight
    offset = np.where(both[..., None], candidates - query, 0.0)
    if root is not None:
        mean = (offset * weight[:, None]).sum(1) / _positive(shared)[:, None]
        offset = offset - np.where(both[:, root, None], offset[:, root], mean)[:, None]
    length = np.where(both, np.linalg.norm(offset, axis=-1), 0.0) @ weight / _positive(shared)
    enough = (shared > 0) & (shared >= LEAST_SHARED * weight[seen].sum())
    return np.where(enough, length, np.inf)


def _weights(seen: np.ndarray, hands: Hands) -> np.ndarray:
    """Weight (j) of each joint of a query that shows those of `seen` (j) bool."""
    weight = np.ones(len(seen))
    for hand in hands:
        weight[list(hand)] = min(1.0, PALM / max(1, int(seen[list(hand)].sum())))
    return weight


def _positive(total: np.ndarray) -> np.ndarray:
    return np.where(total > 0, total, 1.0)


def body_size(points: np.ndarray) -> float:
    """Median of the larger extent of poses (n j 2), in their px; 1 without any."""
    sizes = [float(np.ptp(p[np.isfinite(p).all(-1)], axis=0).max()) for p in points if np.isfinite(p).all(-1).sum() > 1]
    return max(float(np.median(sizes)), 1.0) if sizes else 1.0


def gap_distances(points: np.ndarray, root: int, hands: Hands = ()) -> np.ndarray:
    """How far poses not seen are from those that are: from each pose of the last fifth of (n j 2) to the nearest of the rest, (m)."""
    border = max(1, len(points) - len(points) // 5)
    found = np.array([pose_distances(p, points[:border], root, hands).min() for p in points[border:]])
    return found[np.isfinite(found)]
