"""Do two rows of an ablation differ? Paired over the same held-out frames and seeds.

The unit of pairing is one held-out frame at one seed: the row's score minus that of the reference, same frame, same seed.
Such differences are not independent: neighbouring frames look alike, and all frames of one training share its luck. So the
standard error is the largest of three, over every frame and seed, over blocks of BLOCK_FRAMES neighbouring frames, and
over the means of seeds. A score without frames (of pairs of frames) is paired by seed alone.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_FRAMES = 10  # 0.2 to 0.4 s of video
LIMIT = 2.0  # standard errors

Frames = Mapping[int, float]  # score by frame; a score of no frame in particular stands under WHOLE
WHOLE = -1


@dataclass(frozen=True)
class Comparison:
    """A row against its reference: mean paired difference, its standard error, and what it was taken over.

    standard_error: NaN where there are fewer than two differences. left_out: frame×seed pairs in which one side is missing
    or not finite.
    """

    difference: float
    standard_error: float
    pairs: int
    seeds: int
    left_out: int

    @property
    def differs(self) -> bool | None:
        """Whether the mean difference exceeds LIMIT standard errors; None with fewer than two seeds, which cannot tell it from luck."""
        if self.seeds < 2 or not math.isfinite(self.standard_error):
            return None
        return abs(self.difference) > LIMIT * self.standard_error


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
    every = [value for frames in by_seed for value in frames.values()]
    if not every:
        return Comparison(math.nan, math.nan, 0, 0, left_out)
    units = [every, [mean for frames in by_seed for mean in _block_means(frames)], [_mean(frames.values()) for frames in by_seed]]
    errors = [_standard_error(values) for values in units]
    largest = max((e for e in errors if math.isfinite(e)), default=math.nan)
    return Comparison(_mean(every), largest, len(every), len(by_seed), left_out)


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
    """Standard error of the mean, NaN of fewer than two values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _mean(values: Collection[float]) -> float:
    return math.fsum(values) / len(values)
