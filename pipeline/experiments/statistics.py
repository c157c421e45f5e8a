"""Do two rows of an ablation differ? A paired t test over seeds, and the same over stretches of the held-out frames.

Paired: the row's score minus that of the reference, same held-out frame, same seed. The unit is one training: all its
frames share its luck, so that a seed counts once, by the mean over its frames, and with few seeds Student's t asks for
much (12.7 standard errors at two seeds, 4.3 at three, 2.8 at five). Seeds share the held-out frames, so the difference
must also stand out against blocks of BLOCK_FRAMES neighbouring frames, which look alike. A score without frames (of pairs
of frames) is paired by seed alone.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

BLOCK_FRAMES = 10  # 0.2 to 0.4 s of video
LEVEL = 0.05  # how often luck alone may make two rows differ

Frames = Mapping[int, float]  # score by frame; a score of no frame in particular stands under WHOLE
WHOLE = -1


@dataclass(frozen=True)
class Comparison:
    """A row against its reference: mean paired difference, its standard error, and what it was taken over.

    standard_error: the larger of those over seeds and over blocks of frames; margin: half the width of the wider of their
    two confidence intervals at LEVEL; both NaN with fewer than two seeds. left_out: frame×seed pairs in which one side is
    missing or not finite.
    """

    difference: float
    standard_error: float
    margin: float
    pairs: int
    seeds: int
    left_out: int

    @property
    def differs(self) -> bool | None:
        """Whether the difference exceeds the margin; None with fewer than two seeds, which cannot tell it from luck."""
        return None if self.seeds < 2 else abs(self.difference) > self.margin


def compare(row: Mapping[int, Frames], reference: Mapping[int, Frames]) -> Comparison:
    """Compare scores by seed and frame; what stands on one side only, or is not finite, is left out and counted."""
    by_seed: list[dict[int, float]] = []
    left_out = 0
    for seed in sorted(row.keys() | reference.keys()):
        mine, theirs = row.get(seed, {}), reference.get(seed, {})
        paired = {frame: mine[frame] - theirs[frame] for frame in sorted(mine.keys() & theirs.keys())}
        finite = {frame: value for frame, value in paired.items() if math.isfinite(value)}
        left_out += len(mine.keys() | theirs.keys()) - len(finite)
        if finite:
            by_seed.append(finite)
    if not by_seed:
        return Comparison(math.nan, math.nan, math.nan, 0, 0, left_out)
    means = [_mean(frames.values()) for frames in by_seed]
    units = [means, [mean for frames in by_seed for mean in _block_means(frames)]]
    error = margin = math.nan
    if len(by_seed) > 1:
        error = max(_standard_error(values) for values in units)
        margin = max(_standard_error(values) * quantile(len(values)) for values in units)
    return Comparison(_mean(means), error, margin, sum(map(len, by_seed)), len(by_seed), left_out)


def quantile(n: int) -> float:
    """Standard errors that the mean of n values must lie from 0 to be told from it at LEVEL, two-sided."""
    return float(student.ppf(1 - LEVEL / 2, n - 1))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of what is finite: NaN of nothing, spread NaN of one value."""
    kept = [value for value in values if math.isfinite(value)]
    mean = _mean(kept) if kept else math.nan
    return mean, float(np.std(kept, ddof=1)) if len(kept) > 1 else math.nan


def _block_means(frames: Frames) -> Iterator[float]:
    """Means over stretches of BLOCK_FRAMES, counted from the first frame; a gap does not shift the others."""
    first = min(frames)
    blocks: dict[int, list[float]] = {}
    for frame, value in frames.items():
        blocks.setdefault((frame - first) // BLOCK_FRAMES, []).append(value)
    return (_mean(values) for values in blocks.values())


def _standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean of two values or more."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _mean(values: Collection[float]) -> float:
    return math.fsum(values) / len(values)
