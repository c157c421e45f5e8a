"""How far two poses are apart, and which training frames show poses near to one. Not in the paper."""

import numpy as np

LEAST_SHARED = 0.5  # share of the query's joints that a candidate must show: one shared joint says nothing about a pose


def pose_distances(query: np.ndarray, candidates: np.ndarray, root: int | None = None) -> np.ndarray:
    """Mean joint distance (n) of candidates (n j 2) to a query (j 2), in its px, over joints finite in both; inf where too few are.

    root: joint that both are moved to, the mean of the common joints where one lacks it; None = as they stand. A candidate
    must show at least LEAST_SHARED of the query's joints.
    """
    query, candidates = np.asarray(query, np.float64), np.asarray(candidates, np.float64)
    both = np.asarray(np.isfinite(candidates).all(-1) & np.isfinite(query).all(-1))
    shared = both.sum(1)
    offset = np.where(both[..., None], candidates - query, 0.0)
    if root is not None:
        mean = offset.sum(1) / np.maximum(shared, 1)[:, None]
        offset = offset - np.where(both[:, root, None], offset[:, root], mean)[:, None]
    length = np.where(both, np.linalg.norm(offset, axis=-1), 0.0).sum(1) / np.maximum(shared, 1)
    enough = (shared > 0) & (shared >= LEAST_SHARED * np.isfinite(query).all(-1).sum())
    return np.where(enough, length, np.inf)


def body_size(points: np.ndarray) -> float:
    """Median of the larger extent of poses (n j 2), in their px; 1 without any."""
    sizes = [float(np.ptp(p[np.isfinite(p).all(-1)], axis=0).max()) for p in points if np.isfinite(p).all(-1).sum() > 1]
    return max(float(np.median(sizes)), 1.0) if sizes else 1.0


def gap_distances(points: np.ndarray, root: int) -> np.ndarray:
    """How far poses not seen are from those that are: from each pose of the last fifth of (n j 2) to the nearest of the rest, (m)."""
    border = max(1, len(points) - len(points) // 5)
    found = np.array([pose_distances(p, points[:border], root).min() for p in points[border:]])
    return found[np.isfinite(found)]
