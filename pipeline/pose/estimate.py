"""Keypoints of a clip: people are seen in every frame, followed, one is selected, and that one's joints are repaired and smoothed."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints
from pipeline.clock import Clock
from pipeline.errors import InputError
from pipeline.params import Section
from pipeline.pose.naming import Naming
from pipeline.pose.people import Backend, People, Refiner, people_of_table
from pipeline.pose.refining import refine_track
from pipeline.pose.repair import RepairParams, fill_gaps, find_jumps, find_long_limbs, track_height, usual_lengths
from pipeline.pose.select import Gates, Select, needs_choice, select_person
from pipeline.pose.sheet import write_track_sheet
from pipeline.pose.smooth import MATERIAL_HEIGHTS, smooth_points
from pipeline.pose.swap import apply_swaps, find_swaps, mirror_groups, swapped_joints
from pipeline.pose.tracks import TrackingParams, limb_colours, link_people
from pipeline.progress import Progress
from pipeline.skeleton import Skeleton
from pipeline.split import SplitParams, split_frames

BLOCK_FRAMES = 16
MAX_SWAP_STEP_S = 0.1  # at fewer frames a second, paths no longer tell left from right
MISSING, MEASURED, REFINED, INTERPOLATED, SMOOTHED, IMPORTED, DROPPED = (
    ORIGINS.index(name) for name in ("missing", "measured", "refined", "interpolated", "smoothed", "imported", "dropped")
)


Scale = Annotated[float, Field(gt=0, le=4)]


class OpenPoseParams(Section):
    """Section `pose.openpose`."""

    scales: list[Scale] = Field(min_length=1, max_length=8)
    hand_scales: list[Scale] = Field(max_length=8)


class PoseParams(Section):
    """Section `pose` of params.yaml."""

    threads: int = Field(ge=1, le=256)
    max_people: int = Field(ge=1, le=100)
    detect_every: int = Field(ge=1, le=1000)
    min_detection: float = Field(gt=0, lt=1)
    min_score: float = Field(ge=0, lt=1)
    min_present_fraction: float = Field(ge=0, le=1)
    smoothing_s: float = Field(ge=0, le=1)
    openpose: OpenPoseParams
    precision: Literal["float32", "bfloat16"]
    tracking: TrackingParams
    repair: RepairParams


@dataclass(frozen=True)
class Sources:
    """Where a backend and a refiner find what they need: their names, the folders of networks, the labels and how they are named."""

    backend: str
    refiner: str
    weights: Path | None
    refiner_weights: Path | None
    labels: Path | None
    naming: Naming


@dataclass(frozen=True)
class Subject:
    """Whose keypoints are wanted: the clip's name, the selection, the sheet for a user who must choose, the split of a target.

    redetect: the clip is a result, in which nobody need be found. split None: no frame of this clip is ever held out.
    """

    clip: str
    select: Select
    sheet: Path | None
    split: SplitParams | None
    redetect: bool


def estimate_poses(frames: Frames, skeleton: Skeleton, sources: Sources, subject: Subject, params: PoseParams) -> Keypoints:
    """Return the keypoints of all people of a clip, with the selected one repaired and smoothed; the others are as seen.

    Raises InputError: see select_person and the backends.
    """
    limbs = skeleton.limb_indices(drawn_only=True) or skeleton.limb_indices()
    refiner = load_refiner(sources, skeleton, params)  # what is missing is said before the backend's long work
    people, colours = _see_clip(frames, limbs, load_backend(frames, skeleton, sources, params))
    tracks = link_people(people, colours, params.tracking)
    gates = Gates(0.0 if subject.redetect else params.min_present_fraction, empty_allowed=subject.redetect)
    if subject.sheet and not subject.redetect and (subject.select != "auto" or needs_choice(tracks)):
        write_track_sheet(subject.sheet, frames, tracks)
    selected = select_person(tracks, subject.select, gates, subject.clip, subject.sheet)
    seen_as = IMPORTED if sources.backend == "imported" else MEASURED
    points, score, origin = tracks.points.copy(), tracks.score.copy(), np.where(np.isfinite(tracks.points[..., 0]), seen_as, MISSING)
    if selected is not None:
        own, own_score, own_seen_as = points[:, selected], score[:, selected], np.full(score[:, selected].shape, seen_as)
        if refiner is not None:
            present = np.asarray(np.isfinite(own[..., 0]).any(axis=1))
            _, border = fillable_frames(present, subject.split, params.repair.max_absence_frames)
            own, own_score, refined = refine_track(frames, own, own_score, border, refiner)
            own_seen_as[refined] = REFINED
        repaired = repair_track(own, own_score, own_seen_as, frames.clock, skeleton, subject.split, params)
        points[:, selected], score[:, selected], origin[:, selected] = repaired
    return Keypoints(
        points=points.astype(np.float32),
        score=score.astype(np.float32),
        origin=origin.astype(np.uint8),
        skeleton=skeleton,
        clock=frames.clock,
        size_hw=frames.size_hw,
        selected=selected,
        attributes={"clip": subject.clip, "backend": sources.backend, "refiner": sources.refiner},
    )


def load_backend(frames: Frames, skeleton: Skeleton, sources: Sources, params: PoseParams) -> Backend:
    """Return the pose backend of this name; InputError names the legal ones."""
    match sources.backend:
        case "blazepose":
            from pipeline.pose.backends.blazepose import load

            if sources.weights is None:
                raise InputError("pose backend blazepose needs its networks, found no folder; name it with --weights")
            return load(sources.weights, params.threads, skeleton.joints, params.max_people, params.detect_every, params.min_detection)
        case "imported":
            from pipeline.pose.backends.imported import load

            about = frames.attributes
            naming = sources.naming
            return load(
                sources.labels,
                skeleton.joints,
                naming.joint_map,
                naming.joint_names,
                len(frames),
                about.get("images"),
                str(about.get("source", "")),
            )
        case "openpose":
            import torch

            from pipeline.pose.backends.openpose import FILES, load

            if sources.weights is None:
                raise InputError("pose backend openpose needs its networks, found no folder; name it with --weights")
            torch.set_num_threads(params.threads)
            torch.set_flush_denormal(True)
            networks = {role: sources.weights / name for role, name in FILES.items()}
            device, wanted = "cuda" if torch.cuda.is_available() else "cpu", params.openpose
            see = load(networks, device, wanted.scales, wanted.hand_scales, skeleton.joints, params.precision)
            return lambda block: [people_of_table(table) for table in see(block)]
        case "none":
            from pipeline.pose.backends.none import load

            return load(skeleton.joints)
        case other:
            raise InputError(f"the pose backend must be blazepose, openpose, imported or none, found {other!r}; correct it in params.yaml")


def load_refiner(sources: Sources, skeleton: Skeleton, params: PoseParams) -> Refiner | None:
    """Return the refiner of this name, None for none; InputError names the legal ones."""
    match sources.refiner:
        case "none":
            from pipeline.pose.refiners.none import load

            return load()
        case "dcpose":
            import torch

            from pipeline.pose.refiners.dcpose import load

            if sources.refiner_weights is None:
                raise InputError("pose refiner dcpose needs its network, found no folder; name it with --refiner-weights")
            device = "cuda" if torch.cuda.is_available() else "cpu"
            return load(sources.refiner_weights, device, skeleton.joints, params.threads, params.precision)
        case other:
            raise InputError(f"the pose refiner must be none or dcpose, found {other!r}; correct it in params.yaml")


def _see_clip(frames: Frames, limbs: list[tuple[int, int]], backend: Backend) -> tuple[list[People], list[np.ndarray]]:
    people: list[People] = []
    colours: list[np.ndarray] = []
    with Progress(len(frames), "estimate_poses") as progress:
        for _, block in frames.blocks(BLOCK_FRAMES):
            seen = backend(block)
            people += seen
            colours += limb_colours(block, seen, limbs)
            progress.advance(len(block))
    return people, colours


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
    present = np.asarray(np.isfinite(points[..., 0]).any(axis=1))
    may_fill, border = fillable_frames(present, split, params.repair.max_absence_frames)
    limbs, height = skeleton.limb_indices(), track_height(points[:border])
    swapped = np.zeros(score.shape, bool)
    if clock.has_time and frame_step_s(clock) <= MAX_SWAP_STEP_S:
        cost = params.repair.swap_cost * frame_step_s(clock) ** 2
        points, score, swapped = _put_sides_right(points, score, skeleton, border, height, cost)
    origin = np.where(swapped & np.isfinite(points[..., 0]), REFINED, np.where(np.isfinite(points[..., 0]), seen_as, MISSING))
    out, doubtful = points.copy(), (score < params.min_score) & np.isfinite(points[..., 0])
    out[doubtful] = np.nan
    parts = [part for part in (slice(0, border), slice(border, len(points))) if part.start < part.stop]
    if clock.has_time:
        for part in parts:
            _drop(out, part, find_jumps(out[part], params.repair, height, frame_step_s(clock)))
    usual = usual_lengths(out[:border], limbs)
    for part in parts:
        _drop(out, part, find_long_limbs(out[part], limbs, usual, params.repair, height))
    dropped = np.isfinite(points[..., 0]) & ~np.isfinite(out[..., 0])
    origin = np.where(dropped, DROPPED, origin)
    if clock.has_time:
        out, origin = _smooth_and_fill(out, score, origin, clock.seconds(), parts, may_fill, height, params)
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


def frame_step_s(clock: Clock) -> float:
    """Return the usual time between frames in seconds; 1 for a single frame."""
    seconds = clock.seconds()
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0


def _put_sides_right(
    points: np.ndarray, score: np.ndarray, skeleton: Skeleton, border: int, height: float, cost: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, score and what was exchanged (t j): first up to the border, then after it, from what was settled."""
    exchanged = np.zeros(points.shape[:2], bool)
    for groups in mirror_groups(skeleton) if np.isfinite(height) else ():
        swaps = np.zeros((len(points), len(groups)), bool)
        swaps[:border] = find_swaps(points[:border], groups, height, cost, 0)
        settled = apply_swaps(points, groups, swaps)
        swaps[border:] = find_swaps(settled, groups, height, cost, border)[border:]
        points, score = apply_swaps(points, groups, swaps), apply_swaps(score, groups, swaps)
        exchanged ^= swapped_joints(points.shape[1], groups, swaps)
    return points, score, exchanged


def _drop(points: np.ndarray, part: slice, bad: np.ndarray) -> None:
    points[part][bad] = np.nan


def _smooth_and_fill(
    points: np.ndarray,
    score: np.ndarray,
    origin: np.ndarray,
    seconds: np.ndarray,
    parts: list[slice],
    may_fill: np.ndarray,
    height: float,
    params: PoseParams,
) -> tuple[np.ndarray, np.ndarray]:
    points, origin = points.copy(), origin.copy()
    for part in parts:
        smooth = smooth_points(points[part], score[part], seconds[part], params.smoothing_s)
        measured = np.isin(origin[part], (MEASURED, REFINED))
        moved = (origin[part] == MEASURED) & (np.linalg.norm(smooth - points[part], axis=2) > MATERIAL_HEIGHTS * height)
        points[part] = np.where(measured[..., None], smooth, points[part])
        origin[part] = np.where(moved, SMOOTHED, origin[part])
        filled = fill_gaps(points[part], may_fill[part], params.repair.max_gap_frames)
        new = np.isfinite(filled[..., 0]) & ~np.isfinite(points[part][..., 0])
        points[part], origin[part] = filled, np.where(new, INTERPOLATED, origin[part])
    return points, origin


def _mean_score(score: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return for every joint (t j) the lower score of the nearest seen frames before and after; 0 without one on either side."""
    seen = np.isin(origin, (MEASURED, REFINED, SMOOTHED, IMPORTED))
    before, after = np.zeros_like(score), np.zeros_like(score)
    for t in range(len(score)):
        before[t] = np.where(seen[t], score[t], before[t - 1] if t else 0.0)
    for t in reversed(range(len(score))):
        after[t] = np.where(seen[t], score[t], after[t + 1] if t + 1 < len(score) else 0.0)
    return np.minimum(before, after)
