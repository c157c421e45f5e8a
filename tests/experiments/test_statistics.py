"""Paired statistics on numbers made by hand."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from pipeline.experiments.statistics import BLOCK_FRAMES, WHOLE, Comparison, compare, quantile, spread


def scores(*values: float, first: int = 0) -> dict[int, float]:
    return {first + i: value for i, value in enumerate(values)}


def shifted(by_seed: dict[int, dict[int, float]], *by: float) -> dict[int, dict[int, float]]:
    """Each seed's scores plus a number of its own."""
    return {seed: {t: value + d for t, value in frames.items()} for (seed, frames), d in zip(by_seed.items(), by, strict=True)}


REFERENCE = {1: scores(20, 25, 22, 24), 2: scores(21, 23, 26, 20)}


def test_equal_rows_do_not_differ():
    found = compare(REFERENCE, REFERENCE)
    assert found == Comparison(0.0, 0.0, 0.0, 8, 2, 0)
    assert found.differs is False


def test_a_row_that_is_always_better_by_as_much_differs():
    found = compare(shifted(REFERENCE, 0.5, 0.5), REFERENCE)
    assert found.difference == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    assert found.differs is True


def test_frames_are_paired_so_that_hard_frames_do_not_count():
    """Frames differ by decibels, rows by a tenth: unpaired, the tenth would drown."""
    noise = {1: scores(0.1, 0.12, 0.08, 0.1), 2: scores(0.09, 0.11, 0.1, 0.1)}
    row = {seed: {t: REFERENCE[seed][t] + noise[seed][t] for t in REFERENCE[seed]} for seed in REFERENCE}
    found = compare(row, REFERENCE)
    assert found.difference == pytest.approx(0.1)
    assert found.differs is True
    assert compare(REFERENCE, row).difference == pytest.approx(-0.1)


def test_seeds_that_disagree_do_not_differ_however_many_frames_there_are():
    """+1.0 and -0.8 on 500 frames each: over 100 blocks the error is 0.9 / sqrt(99) = 0.09, over seeds 0.9."""
    reference = {1: dict.fromkeys(range(500), 20.0), 2: dict.fromkeys(range(500), 20.0)}
    found = compare(shifted(reference, 1.0, -0.8), reference)
    assert found.difference == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(0.9)
    assert found.differs is False


def test_neighbouring_frames_that_swing_together_count_as_one():
    """Blocks of +1, -1, +1, 0 in both seeds: the means of seeds are equal, frames alone would give 80 values, there are 8 swings."""
    swing = [v for v in (1.0, -1.0, 1.0, 0.0) for _ in range(BLOCK_FRAMES)]
    reference = {seed: scores(*([20.0] * len(swing))) for seed in (1, 2)}
    row = {seed: scores(*(20.0 + v for v in swing)) for seed in (1, 2)}
    found = compare(row, reference)
    values = [1.0, -1.0, 1.0, 0.0] * 2
    deviation = math.sqrt(sum((v - 0.25) ** 2 for v in values) / 7)
    assert found.difference == pytest.approx(0.25)
    assert found.standard_error == pytest.approx(deviation / math.sqrt(8))
    assert found.differs is False


def test_blocks_are_counted_by_frame_not_by_place():
    """A frame without a score does not shift what stands in which block."""
    whole = {s: {t: float(t >= BLOCK_FRAMES) for t in range(2 * BLOCK_FRAMES)} for s in (1, 2)}
    gap = {s: {t: v for t, v in frames.items() if t != 3} for s, frames in whole.items()}
    zero = {s: dict.fromkeys(range(2 * BLOCK_FRAMES), 0.0) for s in (1, 2)}
    assert compare(gap, zero).standard_error == pytest.approx(compare(whole, zero).standard_error)
    assert compare(gap, zero).left_out == 2


def test_what_is_missing_or_not_finite_is_left_out_and_counted():
    row = {1: scores(20.5, math.nan, 22.5), 2: scores(21.5, 23.5, 26.5, 20.5), 3: scores(30.0, 31.0)}
    found = compare(row, REFERENCE)
    assert found.difference == pytest.approx(0.5)
    assert (found.pairs, found.seeds) == (6, 2)
    assert found.left_out == 4  # a NaN, frame 3 of seed 1, both frames of seed 3


def test_one_seed_says_nothing():
    found = compare({1: REFERENCE[1]}, {1: {t: v - 5 for t, v in REFERENCE[1].items()}})
    assert found.difference == pytest.approx(5)
    assert math.isnan(found.standard_error)  # frames of one training tell nothing of another
    assert found.differs is None


def test_the_margin_is_students():
    """Tables of t at 5 %, two-sided: 12.706, 4.303, 2.776 at 1, 2, 4 degrees of freedom."""
    assert [round(quantile(n), 3) for n in (2, 3, 5)] == [12.706, 4.303, 2.776]
    row, reference = ({s: {WHOLE: v} for s, v in zip((1, 2, 3), values)} for values in ((1.2, 2.1, 3.6), (1.0, 2.0, 3.0)))
    found = compare(row, reference)
    assert found.standard_error == pytest.approx(math.sqrt(0.07 / 3))  # differences 0.2, 0.1, 0.6: their variance is 0.07
    assert found.margin == pytest.approx(4.30265 * math.sqrt(0.07 / 3), rel=1e-5)


def test_it_is_the_paired_t_test_where_frames_agree():
    rng = np.random.default_rng(5)
    for n in (2, 3, 5):
        for shift in (0.0, 1.0, 3.0, 8.0):
            row, reference = rng.normal(shift, 1, n), rng.normal(0, 1, n)
            found = compare(*({s: {WHOLE: float(v)} for s, v in enumerate(values)} for values in (row, reference)))
            assert found.differs == (ttest_rel(row, reference).pvalue < 0.05)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_methods_differ_by_luck_once_in_twenty(seeds):
    """Luck of a training (0.2 dB) and of a frame (0.1 dB), of both methods alike: 5 % of 4000 trials, ± 3 of their deviations."""
    rng, trials = np.random.default_rng(seeds), 4000
    told = 0
    for _ in range(trials):
        scored = 20 + rng.normal(0, 0.2, (2, seeds, 1)) + rng.normal(0, 0.1, (2, seeds, 12))
        told += bool(compare(*({s: scores(*frames) for s, frames in enumerate(method.tolist())} for method in scored)).differs)
    assert told / trials == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / trials))


def test_a_difference_that_swings_along_the_clip_is_not_one():
    """Seeds agree to a hundredth on +0.3, of which four blocks say +2, -1, +1, -0.8."""
    swing = [v for v in (2.0, -1.0, 1.0, -0.8) for _ in range(BLOCK_FRAMES)]
    reference = {seed: scores(*([20.0] * len(swing))) for seed in (1, 2, 3)}
    row = {seed: scores(*(20.0 + v + 0.01 * seed for v in swing)) for seed in (1, 2, 3)}
    found = compare(row, reference)
    assert abs(found.difference) > quantile(3) * 0.01
    assert found.differs is False


def test_scores_without_frames_are_paired_by_seed():
    row, reference = ({s: {WHOLE: v} for s, v in zip((1, 2, 3), values)} for values in ((2.0, 3.0, 4.5), (1.0, 2.0, 3.0)))
    found = compare(row, reference)
    deviation = math.sqrt(sum((d - 7 / 6) ** 2 for d in (1.0, 1.0, 1.5)) / 2)
    assert found.difference == pytest.approx(7 / 6)
    assert found.standard_error == pytest.approx(deviation / math.sqrt(3))
    assert found.differs is True


@pytest.mark.parametrize(("row", "reference"), [({}, REFERENCE), (REFERENCE, {}), ({1: {}}, {1: {}}), ({1: scores(1)}, {2: scores(1)})])
def test_nothing_to_pair_is_no_number(row, reference):
    found = compare(row, reference)
    assert math.isnan(found.difference)
    assert found.differs is None


def test_spread_is_that_of_a_sample():
    assert spread([1.0, 2.0, 3.0, math.nan]) == (2.0, 1.0)
    mean, deviation = spread([4.0])
    assert mean == 4.0
    assert math.isnan(deviation)
    assert math.isnan(spread([])[0])
