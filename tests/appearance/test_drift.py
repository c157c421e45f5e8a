"""A long driver's result does not drift: where the motion repeats itself, so does every byte, and nothing has a slope over time."""

import numpy as np
from drifting import imitated, series, slopes

PERIOD, TIMES = 24, 5


def test_a_motion_that_repeats_itself_is_rendered_alike_each_time(tmp_path, stick, features_folder):
    once = np.pi / 2 * (1 + np.sin(2 * np.pi * np.arange(PERIOD) / PERIOD))
    motion, made = imitated(tmp_path, stick, features_folder, np.tile(once, TIMES), steps=2)
    rgb, matte = (array[:].reshape(TIMES, PERIOD, *array.shape[1:]) for array in (made.rgb, made.matte))
    assert matte.any(axis=(2, 3)).all()
    for period in range(2, TIMES - 1):  # the first and the last have other neighbours
        assert (rgb[period] == rgb[1]).all()
        assert (matte[period] == matte[1]).all()
    values = series(motion, made)
    assert values.std(axis=0).min() > 0.02  # the stick does look different from pose to pose
    slope, _ = slopes(values[PERIOD:-PERIOD], TIMES - 2)
    assert np.abs(slope).max() < 1e-6


def test_a_slope_is_seen_where_there_is_one():
    values = np.random.default_rng(0).normal(size=(600, 2))
    values[:, 1] += np.linspace(0, 1, 600)
    slope, error = slopes(values)
    assert abs(slope[0]) < 3 * error[0]
    assert slope[1] > 4 * error[1]
    assert abs(slope[1] - 1) < 4 * error[1]
