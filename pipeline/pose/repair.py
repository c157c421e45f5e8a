"""Repair of one person's keypoints: jumps and impossible limbs are dropped, short gaps interpolated, and every such joint is marked."""

import itertools

import numpy as np
from pydantic import Field

from pipeline.params import Section
from pipeline.pose.people import person_boxes
from pipeline.timeline.medians import running_median

LENGTH_QUANTILE = 90.0  # a limb's true length shows when it is not foreshortened
SIZE_QUANTILE = 0.7  # of the limbs, by length, are seen no larger than the person's size says
SCALE_REACH = 15  # frames to each side over which the person's size on the picture is taken as steady
NOISE_REACH = 15  # frames to each side over which a joint's own unrest is measured
NOISE_FACTOR = 6.0  # a jump exceeds a joint's usual unrest so many times
MAX_ROUNDS = 10  # of looking again for jumps hidden by larger ones
SLOPE_SAMPLES = 4  # points on each side of a gap that give its direction there
SLOPE_REACH = 6  # … if they lie within so many frames
OUTSIDE_MARGIN = 0.05  # of the picture's shorter side: a joint so little outside ends a limb that is mostly seen


class RepairParams(Section):
    """Section `pose.repair` of params.yaml."""

    max_gap_frames: int = Field(ge=0, le=1000)
    max_absence_frames: int = Field(ge=0, le=1000)
    max_jump_frames: int = Field(ge=0, le=10)
    jump_heights: float = Field(gt=0, le=10)
    max_acceleration: float = Field(gt=0, le=1e6)
    swap_cost: float = Field(ge=0, le=1e6)
    limb_ratio: float = Field(ge=1, le=100)


def track_height(points: np.ndarray) -> float:
    """Return the longer side of the person's box in px, 90th percentile over time; NaN without any joint."""
    boxes = person_boxes(points)
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return float(np.percentile(sides[np.isfinite(sides)], 90)) if np.isfinite(sides).any() else float("nan")


def find_outside(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return which of points (... 2) lie further outside a picture (h, w) than a small margin: they were guessed, not seen."""
    ends = np.array(size_hw[::-1]) - 0.5
    return np.asarray((np.maximum(-0.5 - points, points - ends) > OUTSIDE_MARGIN * min(size_hw)).any(axis=-1))


def find_jumps(points: np.ndarray, params: RepairParams, height: float, step_s: float, times: np.ndarray) -> np.ndarray:
    """Return which points (t j) jump away from their neighbours in time and back, for at most max_jump_frames.

    times (t): when frames are shown, in steps of step_s seconds; cameras leave frames out, and are slower in the dark.

    A run of frames is a jump when each of its points lies further off the line between its seen neighbours than
    jump_heights, than max_acceleration bends a path in that time, and than six times what is
    usual for that joint around then. The worst runs go first, then what remains is looked at again.
    """
    cleaned, jumps = points.copy(), np.zeros(points.shape[:2], bool)
    for _ in range(MAX_ROUNDS):
        found = _worst_runs(cleaned, params, height, step_s, times)
        found &= _run_lengths(jumps | found) <= params.max_jump_frames
        if not found.any():
            break
        jumps |= found
        cleaned[found] = np.nan
    return jumps


def _worst_runs(points: np.ndarray, params: RepairParams, height: float, step_s: float, times: np.ndarray) -> np.ndarray:
    """Return the points (t j) of those runs that stick out more than any run they touch."""
    found = np.zeros(points.shape[:2], bool)
    for joint in range(points.shape[1]):
        seen = np.flatnonzero(np.isfinite(points[:, joint, 0]))
        if len(seen) < 5 or params.max_jump_frames == 0:
            continue
        path, at = points[seen, joint], times[seen]
        unrest, bend = NOISE_FACTOR * _usual_unrest(path, seen, at), params.max_acceleration * height * step_s**2 / 2
        excess = np.zeros((params.max_jump_frames, len(seen)))
        for length in range(1, params.max_jump_frames + 1):
            starts = np.arange(1, len(seen) - length)
            # A curve leaves its chord by the square of the chord's length; what was unseen within it excuses nothing.
            step = _each_step(seen, at, length + 1)
            bent = np.maximum(unrest[starts], bend * step**2) * ((length + 1) / 2) ** 2
            excess[length - 1, starts] = _measure_runs(path, at, starts, length) / np.maximum(params.jump_heights * height, bent)
        excess[excess <= 1] = 0
        for start, length in _peaks(excess):
            found[seen[start : start + length], joint] = True
    return found


def _each_step(seen: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """The time of one frame between each of the frames seen and the one that so many seen ones later follows: 1 at a constant rate."""
    return (at[reach:] - at[:-reach]) / (seen[reach:] - seen[:-reach])


def _measure_runs(path: np.ndarray, at: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """How far the run of so many points from each start (n) lies off the line around it (n)."""
    before, after = path[starts - 1], path[starts + length]
    least = np.full(len(starts), np.inf)
    for step in range(length):
        share = (at[starts + step] - at[starts - 1]) / (at[starts + length] - at[starts - 1])
        line = before + share[:, None] * (after - before)
        least = np.minimum(least, np.linalg.norm(path[starts + step] - line, axis=1))
    return least


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    """Return for each set flag (t j) the length of the unbroken run in time it belongs to; 0 elsewhere."""
    lengths = flags.astype(np.int64)
    for t in range(1, len(flags)):
        lengths[t] += np.where(flags[t], lengths[t - 1], 0)
    for t in reversed(range(len(flags) - 1)):
        lengths[t] = np.where(flags[t] & flags[t + 1], lengths[t + 1], lengths[t])
    return lengths


def _peaks(excess: np.ndarray) -> list[tuple[int, int]]:
    """Return (start, length) of runs by falling excess, none within reach of one already taken."""
    taken: list[tuple[int, int]] = []
    lengths, starts = np.nonzero(excess)
    order = np.argsort(-excess[lengths, starts], kind="stable")
    for length, start in zip(lengths[order] + 1, starts[order], strict=True):
        if all(start > s + n or s > start + length for s, n in taken):
            taken.append((int(start), int(length)))
    return taken


def _usual_unrest(path: np.ndarray, seen: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the median distance (n) of a path's points from the line between their neighbours, over the frames around each."""
    steps = _each_step(seen, at, 1)
    share = (steps[:-1] / (steps[:-1] + steps[1:]))[:, None]
    middle = (1 - share) * path[:-2] + share * path[2:]
    off = np.linalg.norm(path[1:-1] - middle, axis=1)
    off = np.concatenate([off[:1], off, off[-1:]])
    return running_median(off, 2 * NOISE_REACH + 1)


def limb_lengths(points: np.ndarray, limbs: list[tuple[int, int]]) -> np.ndarray:
    """Return the length (t l) in px of each limb in each frame; NaN where an end is missing."""
    lengths = np.empty((len(points), len(limbs)))
    for limb, (parent, child) in enumerate(limbs):  # one at a time: a long clip has many
        lengths[:, limb] = np.linalg.norm(points[:, parent] - points[:, child], axis=1)
    return lengths


def usual_lengths(points: np.ndarray, limbs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return each limb's median and full length (l) in px over a track, the full one at the track's median size; NaN if never seen."""
    lengths = limb_lengths(points, limbs)
    some = np.isfinite(lengths).any(axis=0)
    medians, full = np.full(len(limbs), np.nan), np.full(len(limbs), np.nan)
    medians[some] = np.nanmedian(lengths[:, some], axis=0)
    relative = lengths / _sizes(lengths, medians)[:, None]
    full[some] = np.nanpercentile(relative[:, some], LENGTH_QUANTILE, axis=0)
    return medians, full


def _sizes(lengths: np.ndarray, medians: np.ndarray) -> np.ndarray:
    """Return the person's size (t) relative to the track's usual: a person who comes nearer grows.

    Long limbs count more, since those of face and hands shrink whenever they turn, and the longer seeming ones
    are believed, since foreshortening only shortens.
    """
    size = np.full(len(lengths), np.nan)
    known = medians > 0
    for t, relative in enumerate(lengths[:, known] / medians[known]):
        some = np.isfinite(relative)
        if some.any():
            order = np.argsort(relative[some], kind="stable")
            weight = np.cumsum(medians[known][some][order])
            size[t] = relative[some][order][np.searchsorted(weight, SIZE_QUANTILE * weight[-1])]
    return running_median(size, 2 * SCALE_REACH + 1)


def find_long_limbs(
    points: np.ndarray, limbs: list[tuple[int, int]], usual: tuple[np.ndarray, np.ndarray], params: RepairParams, height: float
) -> np.ndarray:
    """Return the points (t j) that make a limb longer than limb_ratio times its full length, at the person's size then.

    Of a limb's two ends that one goes which strayed further from its usual place lately, or the outer one.
    """
    lengths, bad = limb_lengths(points, limbs), np.zeros(points.shape[:2], bool)
    size = _sizes(lengths, usual[0])[:, None]
    # Limbs of a few pixels, as from eye to nose, are all noise: they get a hundredth of the height on top.
    too_long = lengths > params.limb_ratio * usual[1] * size + 0.01 * height
    stray = _stray(points)
    for frame, limb in np.argwhere(too_long):
        parent, child = limbs[limb]
        if not bad[frame, [parent, child]].any():
            bad[frame, parent if stray[frame, parent] > 2 * stray[frame, child] else child] = True
    return bad


def _stray(points: np.ndarray) -> np.ndarray:
    """Return how far each point (t j) lies from its joint's running median."""
    stray = np.zeros(points.shape[:2])
    for joint in range(points.shape[1]):  # one at a time: a long clip has many
        medians = np.stack([running_median(path, 2 * SCALE_REACH + 1) for path in points[:, joint].T], axis=1)
        stray[:, joint] = np.linalg.norm(points[:, joint] - medians, axis=1)
    return np.nan_to_num(stray)


def fill_gaps(points: np.ndarray, may_fill: np.ndarray, max_gap_frames: int, times: np.ndarray, straight: bool = False) -> np.ndarray:
    """Return points (t j 2) with gaps of at most max_gap_frames filled by a cubic through both ends; (t) may_fill allows frames.

    times (t): when frames are shown, in usual steps between them. The cubic's directions at its ends come from the points before
    and after. straight: by a line instead. Gaps at the start and the end stay.
    """
    filled = points.copy()
    for joint in range(points.shape[1]):
        seen = np.flatnonzero(np.isfinite(points[:, joint, 0]))
        for last, following in itertools.pairwise(seen.tolist()):
            gap = np.arange(last + 1, following)
            if 0 < len(gap) <= max_gap_frames and may_fill[gap].all():
                path = points[:, joint]
                curve = _line(path, last, following, gap, times) if straight else _bridge(path, seen, last, following, gap, times)
                filled[gap, joint] = curve
    return filled


def _line(path: np.ndarray, last: int, following: int, gap: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the points (n 2) of a straight line over the frames of a gap."""
    share = ((times[gap] - times[last]) / (times[following] - times[last]))[:, None]
    return (1 - share) * path[last] + share * path[following]


def _bridge(path: np.ndarray, seen: np.ndarray, last: int, following: int, gap: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the cubic Hermite curve (n 2) over the frames of a gap."""
    span = times[following] - times[last]
    middle = (path[following] - path[last]) / span
    before = seen[(seen <= last) & (seen > last - SLOPE_REACH)][-SLOPE_SAMPLES:]
    after = seen[(seen >= following) & (seen < following + SLOPE_REACH)][:SLOPE_SAMPLES]
    start, end = (_slope(path, near, at, middle, times) * span for near, at in ((before, last), (after, following)))
    s = ((times[gap] - times[last]) / span)[:, None]
    return (
        (2 * s**3 - 3 * s**2 + 1) * path[last]
        + (s**3 - 2 * s**2 + s) * start
        + (3 * s**2 - 2 * s**3) * path[following]
        + (s**3 - s**2) * end
    )


def _slope(path: np.ndarray, frames: np.ndarray, at: int, otherwise: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the velocity (2) in px a step at one of the frames: of a parabola, or of the line through two."""
    if len(frames) < 2:
        return otherwise
    degree = min(len(frames) - 1, 2)
    return np.polyfit(times[frames] - times[at], path[frames], degree)[-2]
