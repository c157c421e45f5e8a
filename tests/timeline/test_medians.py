"""A running median drops what sticks out and keeps gaps."""

import numpy as np
import pytest

from pipeline.timeline.medians import running_median


def test_a_spike_is_dropped_and_gaps_are_kept():
    values = np.array([1.0, 1, 9, 1, 1, np.nan, np.nan, np.nan, np.nan, 2])
    assert running_median(values, 3) == pytest.approx([1, 1, 1, 1, 1, 1, np.nan, np.nan, 2, 2], nan_ok=True)


def test_it_is_the_median_of_what_is_there():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(60) < 0.3, np.nan, rng.normal(0, 100, 60))
    found = running_median(values, 7)
    for t in range(60):
        there = values[max(t - 3, 0) : t + 4]
        assert found[t] == (np.nanmedian(there) if np.isfinite(there).any() else pytest.approx(np.nan, nan_ok=True))
