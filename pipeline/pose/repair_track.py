"""One person's joints over time: sides put right, the implausible dropped, the rest smoothed, short gaps filled (not in the paper)."""

import itertools

import numpy as np

from pipeline.artifacts.keypoints import ORIGINS
from pipeline.body.skeleton import Skeleton
from pipeline.pose.params import PoseParams
from pipeline.pose.repair import fill_gaps, find_jumps, find_long_limbs, track_height, usual_lengths
from pipeline.pose.smooth import MATERIAL_HEIGHTS, smooth_points
from pipeline.pose.swap import apply_swaps, find_swaps, mirror_groups, swapped_joints
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.video.clock import Clock

MOST_BORDERS = 4  # times that a track is repaired again for another border of its held-out part
MAX_SWAP_STEP_S = 0.1  # at fewer frames a second, paths no longer tell left from right
MISSING, MEASURED, REFINED, INTERPOLATED, SMOOTHED, IMPORTED, DROPPED = (
    ORIGINS.index(name) for name in ("missing", "measured", "refined", "interpolated", "smoothed", "imported", "dropped")
)


def repair_track(
    points: np.ndarray,
    score: np.ndarray,
    seen_as: int | np.ndarray,
    clock: Clock,
    skeleton: Skeleton,
    split: SplitParams | None,
    params: PoseParams,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (t j 2), score (t j) and origin (t j) of one person's points (t j 2) and score (t j).

    seen_as: the origin of all, or of each (t j): MEASURED, IMPORTED or REFINED.

    Sides that were exchanged are put right (origin refined), doubtful joints dropped, the rest smoothed, short gaps filled.

    Frames without the person stay so, except absences of at most max_absence_frames, which are misses of the detector.
    With a split, nothing crosses the border to the held-out frames, and what is usual is learnt before it. Labels that
    were imported are not smoothed; a clip without time only loses impossible limbs. Paper: Fig. 10 shows such failures unrepaired.
    """
    may_fill, border = fillable_frames(sure_frames(points, score, params.min_score), split, params.repair.max_absence_frames)
    repaired = _repaired(points, score, seen_as, clock, skeleton, (may_fill, border), params)
    for _ in range(MOST_BORDERS):
        left = np.asarray(np.isfinite(repaired[0][..., 0]).any(axis=1))
        settled = len(left) if split is None else min(split_frames(left, split).border, len(left))
        if settled == border:
            break
        border = settled  # a whole frame was dropped or stayed empty: the border that everybody finds afterwards is another
        repaired = _repaired(points, score, seen_as, clock, skeleton, (may_fill, border), params)
    return repaired


def sure_frames(points: np.ndarray, score: np.ndarray, min_score: float) -> np.ndarray:
    """Frames (t) bool in which any of a person's points (t j 2) is sure enough to be kept."""
    return np.asarray((np.isfinite(points[..., 0]) & (score >= min_score)).any(axis=1))


def _repaired(
    points: np.ndarray,
    score: np.ndarray,
    seen_as: int | np.ndarray,
    clock: Clock,
    skeleton: Skeleton,
    fillable: tuple[np.ndarray, int],
    params: PoseParams,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As repair_track(), with what may be filled (t) and a border given."""
    may_fill, border = fillable
    limbs, height = skeleton.limb_indices(), track_height(points[:border])
    # Sides first: a limb that jumps to the other side is no wrong joint.
    swapped = np.zeros(score.shape, bool)
    times, step_s = (clock.steps(), clock.step_s()) if clock.has_time else (np.arange(len(points)), np.inf)
    if step_s <= MAX_SWAP_STEP_S:
        cost = _swap_costs(times, step_s, params.repair.swap_cost)
        points, score, swapped = _put_sides_right(points, score, skeleton, border, height, cost)
    origin = np.where(np.isfinite(points[..., 0]), seen_as, MISSING).astype(np.uint8)
    origin[swapped & np.isfinite(points[..., 0])] = REFINED
    # Then what is unsure, leaps, or makes a limb too long is dropped, on either side of the border by itself.
    out, doubtful = points.copy(), (score < params.min_score) & np.isfinite(points[..., 0])
    out[doubtful] = np.nan
    parts = [part for part in (slice(0, border), slice(border, len(points))) if part.start < part.stop]
    if clock.has_time:
        for part in parts:
            _drop(out, part, find_jumps(out[part], params.repair, height, step_s, times[part]))
    usual = usual_lengths(out[:border], limbs)
    for part in parts:
        _drop(out, part, find_long_limbs(out[part], limbs, usual, params.repair, height))
    dropped = np.isfinite(points[..., 0]) & ~np.isfinite(out[..., 0])
    origin[dropped] = DROPPED
    del points  # of a long clip each of these fills hundreds of MB
    # What is left is smoothed, and short gaps are filled; a filled joint gets a mean score.
    if clock.has_time:
        _smooth_and_fill(out, score, origin, clock, parts, may_fill, height, params)
    filled = origin == INTERPOLATED
    score = np.where(filled, _mean_score(score, origin), np.where(np.isfinite(out[..., 0]), score, 0.0))
    return out, score, origin


def fillable_frames(present: np.ndarray, split: SplitParams | None, max_absence_frames: int) -> tuple[np.ndarray, int]:
    """Return the frames (t) in which joints may be filled in, and the first held-out frame (t when there is none).

    Short absences become fillable, but none that touches the border: what is filled there would tell of held-out frames.
    """
    filled = present.copy()
    seen = np.flatnonzero(present)
    for last, following in itertools.pairwise(seen):
        filled[last:following] = following - last - 1 <= max_absence_frames or filled[last:following] & present[last:following]
    if split is None:
        return filled, len(present)
    border = min(split_frames(filled, split).border, len(present))
    while 0 < border < len(present) and not (present[border] and present[border - 1]) and filled[border - 1]:
        around = seen[seen < border][-1] + 1, seen[seen >= border][0]
        filled[around[0] : around[1]] = False
        border = min(split_frames(filled, split).border, len(present))
    return filled, border


def _swap_costs(times: np.ndarray, step_s: float, swap_cost: float) -> np.ndarray:
    """What an exchange of sides costs in each frame (t) shown at times (t), in steps: paths grow with the time from frame to frame."""
    local = np.gradient(times) if len(times) > 1 else np.ones(1)
    cost = swap_cost * step_s**2 * local**2
    cost[local * step_s > MAX_SWAP_STEP_S] = np.inf
    return cost


def _put_sides_right(
    points: np.ndarray, score: np.ndarray, skeleton: Skeleton, border: int, height: float, cost: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, score and what was exchanged (t j): first up to the border, then after it, from what was settled."""
    exchanged = np.zeros(points.shape[:2], bool)
    for groups in mirror_groups(skeleton) if np.isfinite(height) else ():
        swaps = np.zeros((len(points), len(groups)), bool)
        swaps[:border] = find_swaps(points[:border], groups, height, cost[:border], 0)
        swaps[border:] = find_swaps(apply_swaps(points, groups, swaps), groups, height, cost, border)[border:]
        points, score = apply_swaps(points, groups, swaps), apply_swaps(score, groups, swaps)
        exchanged ^= swapped_joints(points.shape[1], groups, swaps)
    return points, score, exchanged


def _drop(points: np.ndarray, part: slice, bad: np.ndarray) -> None:
    points[part][bad] = np.nan


def _smooth_and_fill(
    points: np.ndarray,
    score: np.ndarray,
    origin: np.ndarray,
    clock: Clock,
    parts: list[slice],
    may_fill: np.ndarray,
    height: float,
    params: PoseParams,
) -> None:
    """Smooth points (t j 2) and fill their gaps, in place, and say so in their origin (t j), either side of the border by itself."""
    seconds, times = clock.seconds(), clock.steps()
    for part in parts:
        smooth = smooth_points(points[part], score[part], seconds[part], params.smoothing_s)
        measured = np.isin(origin[part], (MEASURED, REFINED))
        moved = (origin[part] == MEASURED) & (np.linalg.norm(smooth - points[part], axis=2) > MATERIAL_HEIGHTS * height)
        points[part] = np.where(measured[..., None], smooth, points[part])
        origin[part][moved] = SMOOTHED
        filled = fill_gaps(points[part], may_fill[part], params.repair.max_gap_frames, times[part])
        new = np.isfinite(filled[..., 0]) & ~np.isfinite(points[part][..., 0])
        points[part], origin[part][new] = filled, INTERPOLATED


def _mean_score(score: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return for every joint (t j) the lower score of the nearest seen frames before and after; 0 without one on either side."""
    seen = np.isin(origin, (MEASURED, REFINED, SMOOTHED, IMPORTED))
    before, after = np.zeros_like(score), np.zeros_like(score)
    for t in range(len(score)):
        before[t] = np.where(seen[t], score[t], before[t - 1] if t else 0.0)
    for t in reversed(range(len(score))):
        after[t] = np.where(seen[t], score[t], after[t + 1] if t + 1 < len(score) else 0.0)
    return np.minimum(before, after)
