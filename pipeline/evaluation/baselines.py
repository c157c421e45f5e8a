"""What a method must beat besides the plate alone: the training frame of nearest pose, pasted on it.

Not in the paper.
"""

import numpy as np

LEAST_SHARED = 0.5  # share of the query's joints that a candidate must show: one shared joint says nothing about a pose


def nearest_pose(query: np.ndarray, candidates: np.ndarray) -> int:
    """Index of the candidate pose (n j 2) nearest to the query (j 2): least mean joint distance, unaligned; ties go to the first.

    Distances count over joints finite in both; candidates that share less than half of the query's joints come last.
    -1 when no candidate shares a joint.
    """
    distance = np.linalg.norm(candidates.astype(np.float64) - query.astype(np.float64), axis=-1)
    both = np.isfinite(distance)
    shared = both.sum(axis=1)
    if not shared.any():
        return -1
    total = np.where(both, distance, 0.0).sum(axis=1)
    mean = np.where(shared > 0, total / np.maximum(shared, 1), np.inf)
    enough = shared >= LEAST_SHARED * np.isfinite(query).all(axis=-1).sum()
    return int(np.lexsort((mean, ~enough))[0]) if enough.any() else int(np.argmin(mean))
