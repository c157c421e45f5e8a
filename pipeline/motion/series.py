"""Series over frames that may have gaps (NaN): moving averages, filling."""

import numpy as np


def smooth_mean(values: np.ndarray, frames: int) -> np.ndarray:
    """Centred running mean of values (t) over `frames`; a window that covers the whole series gives one constant.

    NaN are left out; where a whole window is NaN the nearest mean is taken, and 0 when there is no value at all.
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    if frames >= len(values):
        return np.full(len(values), values[finite].mean())
    half = max(0, frames // 2)
    sums, counts = (np.concatenate([[0.0], np.cumsum(np.where(finite, a, 0.0))]) for a in (values, np.ones(len(values))))
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    count = counts[high] - counts[low]
    return fill(np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan))


def fill(values: np.ndarray) -> np.ndarray:
    """Replace NaN by the last valid value before, and at the start by the first valid one; all NaN stays."""
    import pandas as pd  # here: it takes a third of a second

    return pd.Series(values, dtype=np.float64).ffill().bfill().to_numpy()


def percentile(values: np.ndarray, q: float) -> float:
    """Percentile of the finite values; NaN when there are none."""
    values = values[np.isfinite(values)]
    return float(np.percentile(values, q)) if len(values) else float("nan")
