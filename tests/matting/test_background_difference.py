"""What differs from a still background: faint parts on a limb, reflections, backgrounds that are seldom seen."""

import numpy as np
import pytest

from pipeline.matting import difference
from pipeline.matting.backends.background_difference import load
from pipeline.matting.difference import STOOD_LEVELS, Background, fit_background
from pipeline.picture.stillness import lighting_gains, masked_median, masked_noise

LIMBS = [(0, 1)]


def still(size_hw: tuple[int, int] = (120, 160), noise: float = 4.0) -> Background:
    """A grey wall of 200 levels."""
    return Background(np.full((*size_hw, 3), 200, np.float32), np.full(size_hw, noise, np.float32), np.ones(size_hw, bool), False)


def matte(frame: np.ndarray, points: list[list[float]], limbs: list[tuple[int, int]] = LIMBS) -> np.ndarray:
    pose = np.array(points)
    box = np.concatenate([pose.min(axis=0), pose.max(axis=0) + 1])
    return load(still(frame.shape[:2]), 5.0, 12.0, limbs)(frame[None], box[None], pose[None])[0]


def fish() -> np.ndarray:
    """A dark head at x 20 to 39, and a tail of 12 levels, less than the 14 that count elsewhere, at x 40 to 109."""
    frame = np.full((120, 160, 3), 200, np.uint8)
    frame[54:66, 20:40] = 60
    frame[58:62, 40:110] = 188
    return frame


def test_a_faint_tail_shows_where_a_limb_says_so() -> None:
    ends = [[24.0, 59.5], [108.0, 59.5]]
    assert (matte(fish(), ends)[59:61, 20:109] > 127).all()
    assert not matte(fish(), ends, limbs=[])[59:61, 45:109].any()


def test_faint_differences_off_the_limbs_still_do_not_count() -> None:
    frame = fish()
    frame[30:45, 60:75] = 188
    assert not matte(frame, [[24.0, 59.5], [108.0, 59.5]])[25:50, 55:80].any()


def mouse(tail: bool = True) -> np.ndarray:
    """A body of 100 × 40 px, a thin tail to its right, and below, joined by a neck of 10 px, its reflection."""
    frame = np.full((160, 240, 3), 200, np.uint8)
    frame[40:80, 40:140] = 40
    frame[57:62, 140 : 200 if tail else 140] = 40
    frame[80:92, 85:95] = 90
    frame[92:132, 40:140] = 90
    return frame


def test_a_reflection_is_cut_off_and_the_tail_is_not() -> None:
    found = matte(mouse(), [[42.0, 60.0], [138.0, 60.0]]) > 127
    assert found[42:78, 42:138].all()
    assert found[58:61, 140:195].all()
    assert not found[94:].any()


def test_bulk_that_a_limb_passes_through_stays() -> None:
    found = matte(mouse(tail=False), [[42.0, 60.0], [138.0, 112.0]]) > 127
    assert found[94:130, 42:138].all()


@pytest.mark.parametrize("shown", [1, 2])
def test_what_few_samples_show_is_as_noisy_as_the_rest(shown: int) -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(150, 10, (30, 40, 60, 1)).round().clip(0, 255).astype(np.uint8).repeat(3, axis=3)
    hidden = np.zeros((30, 40, 60), bool)
    hidden[shown:, 10:30, 20:40] = True
    noise = fit_background(samples, hidden).noise
    assert noise[14:26, 24:36].min() > 0.6 * np.median(noise[:, :15])


def test_only_what_no_sample_shows_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians of the pixels that are always hidden, taken alone, are those taken with the whole picture."""
    rng = np.random.default_rng(2)
    wall = rng.integers(40, 220, (30, 50, 3))
    samples = (wall + rng.normal(0, 3, (12, 30, 50, 3))).round().clip(0, 255).astype(np.uint8)
    hidden = np.zeros((12, 30, 50), bool)
    hidden[:, 5:25, 10:40] = True
    samples[:9, 8:20, 12:20] = 10  # stood there for most of the time
    never, taken = hidden.all(axis=0), []

    def unlike(*given):
        taken.append(unlike_itself(*given))
        return taken[-1]

    unlike_itself = difference._unlike
    monkeypatch.setattr(difference, "_unlike", unlike)
    found = fit_background(samples, hidden)
    gains, seen = lighting_gains(samples, hidden), hidden.copy()
    seen[:, never] = taken[0]
    likeliest, plain = (masked_median(samples, mask, gains)[0] for mask in (seen, hidden & ~never))
    stood = np.abs(likeliest - plain).max(axis=2) > STOOD_LEVELS
    image = np.where((never & stood)[..., None], likeliest, plain)
    assert 0 < (never & stood).sum() < never.sum()
    assert (found.image == image).all()
    step = np.s_[::2, ::2]
    noise = masked_noise(samples[:, *step], (seen & (~never | stood))[:, *step], gains, image[step])
    few = (~(seen & (~never | stood))[:, *step]).sum(axis=0) < difference.NOISE_SAMPLES
    assert np.abs(found.noise[step] - noise)[~few].mean() < np.median(noise) / 2
