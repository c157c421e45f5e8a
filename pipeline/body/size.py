"""How large one person appears in two clips. Not in the paper, which knows one clip of a target."""

import numpy as np

from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError

PERCENTILE = 90.0  # of a limb's lengths: foreshortening only shortens
LEAST_SEEN = 3  # frames of either clip that must show a limb


def size_ratio(here: np.ndarray, there: np.ndarray, skeleton: Skeleton) -> float:
    """How many times as large the person of points here (n j 2) appears there (m j 2), px, NaN where a joint is missing.

    The median over limbs, each counting by its length, of the ratio of their lengths. InputError when no limb is seen often enough in both.
    """
    ratios, weights = [], []
    for parent, child in skeleton.limb_indices():
        own, other = (_length(points[:, parent] - points[:, child]) for points in (here, there))
        if own > 0 and other > 0:
            ratios.append(other / own)
            weights.append(own)
    if not ratios:
        raise InputError(f"two clips of one person must show one limb in {LEAST_SEEN} frames of each, found none: choose another clip")
    order = np.argsort(ratios)
    shares = np.cumsum(np.array(weights)[order])
    return float(np.array(ratios)[order][np.searchsorted(shares, shares[-1] / 2)])


def _length(spans: np.ndarray) -> float:
    """A high percentile of the lengths of spans (n 2), 0 where too few are seen."""
    lengths = np.linalg.norm(spans.astype(np.float64), axis=-1)
    seen = lengths[np.isfinite(lengths)]
    return float(np.percentile(seen, PERCENTILE)) if len(seen) >= LEAST_SEEN else 0.0
