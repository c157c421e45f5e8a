"""A few of many frames reach from the first to the last."""

import numpy as np

from pipeline.timeline.sampling import spread_evenly


def test_frames_are_spread_evenly_and_few_are_all_taken():
    assert spread_evenly(np.arange(100, 200), 5).tolist() == [100, 125, 150, 174, 199]
    assert spread_evenly(np.arange(3), 5).tolist() == [0, 1, 2]
