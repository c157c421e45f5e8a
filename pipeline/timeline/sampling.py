"""A few of many frames, where all would take too long or too much memory."""

import numpy as np


def spread_evenly(indices: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the ascending indices (n), spread evenly, the first and the last among them."""
    if len(indices) <= most:
        return indices
    return indices[np.unique(np.linspace(0, len(indices) - 1, most).round().astype(int))]
