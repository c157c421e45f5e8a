"""The median of what is seen: against numpy's, under flicker, and where nothing is seen."""

import numpy as np
import pytest

from pipeline.picture import stillness
from pipeline.picture.stillness import hidden_by, lighting_gains, masked_median, masked_noise, samples_that_fit


def some(n: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 24, 31, 3)).astype(np.uint8), rng.random((n, 24, 31)) < 0.5


def test_median_and_noise_are_numpys_over_what_is_seen(monkeypatch):
    monkeypatch.setattr(stillness, "BLOCK_VALUES", 9 * 31 * 3 * 5)
    samples, hidden = some()
    median, counts = masked_median(samples, hidden, np.ones(9))
    noise = masked_noise(samples, hidden, np.ones(9), median)
    seen = np.where(hidden[..., None] & (counts > 0)[..., None], np.nan, samples.astype(float))
    shown = counts > 0
    assert (counts == (~hidden).sum(axis=0)).all()
    assert np.abs(median[shown] - np.nanmedian(seen, axis=0)[shown]).max() < 0.01
    spread = 1.4826 * np.nanmedian(np.abs(seen - np.nanmedian(seen, axis=0)), axis=0).max(axis=2)
    assert np.abs(noise[shown] - spread[shown]).max() < 0.03
    assert (median[~shown] == 0).all()


def test_flickering_light_is_undone():
    picture = np.random.default_rng(1).integers(60, 180, (40, 50, 3)).astype(float)
    light = np.array([0.8, 1.0, 1.25, 1.0, 0.9, 1.1, 1.0])
    samples = np.stack([(picture * g).round().clip(0, 255).astype(np.uint8) for g in light])
    hidden = np.zeros(samples.shape[:3], bool)
    hidden[:, :20] = True
    gains = lighting_gains(samples, hidden)
    assert gains == pytest.approx(np.repeat(light[:, None], 3, axis=1), abs=0.02)
    assert (gains == gains[:, :1]).all()  # one light for all channels
    median, _ = masked_median(samples, np.zeros_like(hidden), gains)
    assert np.abs(median - picture).max() < 3


def test_white_balance_that_drifts_is_undone():
    """A place that is seen late is as white as one that is seen early."""
    picture = np.random.default_rng(1).integers(60, 180, (40, 50, 3)).astype(float)
    light = np.linspace([0.85, 1.0, 1.15], [1.15, 1.0, 0.85], 9)
    samples = np.stack([(picture * g).round().clip(0, 255).astype(np.uint8) for g in light])
    hidden = np.zeros(samples.shape[:3], bool)
    hidden[:6, :10], hidden[3:, 10:20] = True, True
    gains = lighting_gains(samples, hidden)
    assert gains == pytest.approx(light, abs=0.01)
    median, _ = masked_median(samples, hidden, gains)
    assert np.abs(median - picture).max() < 2


def test_samples_are_bounded():
    assert samples_that_fit((720, 1280), 60) == 60
    assert samples_that_fit((2160, 3840), 60) * 2160 * 3840 * 3 < 500 * 2**20


def test_matte_hides_itself_and_its_neighbourhood():
    matte = np.zeros((11, 11), np.uint8)
    matte[5, 5] = 200
    assert hidden_by(matte, 0).sum() == 1
    assert hidden_by(matte, 2).sum() == 25
