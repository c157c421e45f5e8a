"""Reconstruction at the size people watch: the finished frames, and the copies that they must beat, at the source's resolution.

Not in the paper, whose crops are of the working size: shrunk to it, what the source resolves and the result lacks is not seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.composites import Composites
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.evaluation.baselines import MOVED, NEAREST_POSE, WARPED, moved, nearest_pose, pasted, root_shift, warped
from pipeline.evaluation.fidelity import person_pixels, psnr, sharpness
from pipeline.evaluation.perceptual import LEAST_PX, Distance
from pipeline.evaluation.settings import EvaluationParams, finite_mean
from pipeline.evaluation.view import MARGIN, View, box_of_mask, follow_person, person_boxes
from pipeline.progress import Progress
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames

METHODS = ("reconstruction", "warped_pose", "nearest_pose_moved", "nearest_pose", "plate")
METRICS = ("psnr", "psnr_person", "st_lpips", "alex", "sharpness")
STAGE_METRICS = ("psnr_person", "st_lpips", "alex")
KEPT = ("reconstruction", "warped_pose", "nearest_pose")  # whose pictures the report shows beside the truth
DILATE_AT_PX = 128  # evaluation.dilate_px is a length in a picture of this size: the same share of the view, whatever the working size
SETTINGS = {
    "view": f"centred on the person (true matte > 0.5), its sides those of the largest box over the clip x {MARGIN:g}, inside the frame",
    "pixels": "uint8, full frames composited by Eq. 8 and 9, before video coding, all seen through the view by averaging areas",
    "psnr": "over the whole view, else as at the working size",
    "st_lpips": f"over each frame's own box about the pixels of psnr_person, at least {LEAST_PX} px a side; alex likewise",
    "sharpness": "mean over frames of the mean magnitude of luma's Laplacian inside the true matte > 0.5, over that of the true frame",
    "nearest_pose": NEAREST_POSE,
    "nearest_pose_moved": MOVED,
    "warped_pose": WARPED,
}


@dataclass
class WatchScores:
    """Scores by method (and `stages` by stage), how they were computed, each by frame, and the pictures behind them.

    by_frame: column → frame → score, NaN where it could not be computed; pictures (n h w 3) uint8 of `frames` (n) by method
    (KEPT) and `truth`, none where nothing was scored.
    """

    settings: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    by_frame: dict[str, dict[int, float]] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


def score_watched(
    composites: Composites,
    frames: Frames,
    mattes: Frames,
    track: Track,
    params: EvaluationParams,
    split_params: SplitParams,
    distances: Mapping[str, Distance],
) -> WatchScores:
    """Score at most `watch_frames` held-out frames of a self pair through the view; InputError when the artifacts differ in length.

    An unlisted metric, and one that no frame allows, has no key. A frame whose true matte is empty has psnr alone.
    """
    _check(composites, frames, mattes, track)
    split = split_frames(track.present, split_params)
    view = follow_person(person_boxes(mattes, track.present), frames.size_hw, params.watch_px)
    if view is None or not len(split.held_out):
        why = "no true matte shows the person" if view is None else "no frame is held out: set split.hold_out_fraction above 0"
        return WatchScores({"frames": 0, "not_computed": why})
    at = [int(t) for t in spread_evenly(split.held_out, params.watch_frames)]
    copies = _Copies(frames, mattes, track, split.training)
    stages = composites.stages()
    found: dict[str, dict[str, list[float]]] = {}  # method or stage → metric → a score a frame
    kept: dict[str, list[np.ndarray]] = {name: [] for name in ("truth", *KEPT)}
    with Progress(len(at), "watch") as progress:
        for t in at:
            plate = composites.plate_at(t)
            shown = {"reconstruction": composites.frame(*composites.shown(), t), **copies.at(t, plate, view), "plate": plate}
            shown |= {f"stages.{name}": composites.frame(*made, t) for name, made in stages.items()}
            seen = _through_view(shown, view, t)
            true, matte = view.see(frames[t], t), view.see(mattes[t], t, "zero")
            for name, values in _frame_scores(true, matte, seen, params, distances).items():
                for metric, value in values.items():
                    found.setdefault(name, {}).setdefault(metric, []).append(value)
            for name, pictures in kept.items():
                pictures.append(true if name == "truth" else seen[name])
            progress.advance()
    return _summary(found, kept, at, len(split.held_out), view, params)


def _through_view(shown: Mapping[str, np.ndarray], view: View, t: int) -> dict[str, np.ndarray]:
    """Pictures (h w 3) of frame t as the view shows them, each array looked at once."""
    seen: dict[int, np.ndarray] = {}
    for picture in shown.values():
        if id(picture) not in seen:
            seen[id(picture)] = view.see(picture, t)
    return {name: seen[id(picture)] for name, picture in shown.items()}


def _check(composites: Composites, frames: Frames, mattes: Frames, track: Track) -> None:
    require_same_length(frames, mattes, track, composites.generated, composites.warped)


@dataclass(frozen=True)
class _Copies:
    """Copies of training frames (n) that need no training, at the source's resolution."""

    frames: Frames
    mattes: Frames
    track: Track
    training: np.ndarray

    def at(self, t: int, plate: np.ndarray, view: View) -> dict[str, np.ndarray]:
        """What each kind of copy shows of frame t (h w 3); the bare plate where no training frame can be compared."""
        points, skeleton = self.track.points, self.track.skeleton
        root = skeleton.index(skeleton.root)
        as_it_is, centred = (nearest_pose(points[t], points[self.training], joint, skeleton.hands()) for joint in (None, root))
        made: dict[str, np.ndarray] = {"nearest_pose": plate, "nearest_pose_moved": plate, "warped_pose": plate}
        if as_it_is >= 0:
            n = int(self.training[as_it_is])
            made["nearest_pose"] = pasted(self.frames[n], self.mattes[n], plate)
        if centred >= 0:
            n = int(self.training[centred])
            rgb, matte, shift = self.frames[n], self.mattes[n], root_shift(points[t], points[n], root)
            made["nearest_pose_moved"] = pasted(moved(rgb, shift), moved(matte, shift), plate)
            box = view.box(t)  # what lies beyond it is not seen
            made["warped_pose"] = pasted(*warped(rgb, matte, points[t], points[n], skeleton, box), plate, box[:2])
        return made


def _frame_scores(
    true: np.ndarray, matte: np.ndarray, seen: Mapping[str, np.ndarray], params: EvaluationParams, distances: Mapping[str, Distance]
) -> dict[str, dict[str, float]]:
    """The listed scores of one frame's pictures (h w 3) by name; equal pictures are scored once."""
    person = person_pixels(matte, params.dilate_px * max(true.shape[:2]) / DILATE_AT_PX)
    box = _own_box(person)
    single: dict[str, Callable[[np.ndarray], float]] = {
        "psnr": lambda picture: psnr(true, picture),
        "psnr_person": lambda picture: psnr(true, picture, person),
        "sharpness": lambda picture: sharpness(true, picture, matte),
    }
    distinct: list[np.ndarray] = []
    which: dict[str, int] = {}
    for name, picture in seen.items():
        which[name] = next((i for i, other in enumerate(distinct) if other is picture or np.array_equal(other, picture)), len(distinct))
        distinct += [picture] if which[name] == len(distinct) else []
    columns = {metric: [score(picture) for picture in distinct] for metric, score in single.items() if metric in params.metrics}
    for metric in ("st_lpips", "alex"):
        if metric not in distances:
            continue
        if box is None:
            columns[metric] = [float("nan")] * len(distinct)
            continue
        y, x = slice(box[1], box[3]), slice(box[0], box[2])
        columns[metric] = [float(d[0]) for d in distances[metric](true[None, y, x], *(picture[None, y, x] for picture in distinct))]
    return {name: {metric: column[i] for metric, column in columns.items()} for name, i in which.items()}


def _own_box(person: np.ndarray) -> tuple[int, int, int, int] | None:
    """Half-open box of the person's pixels (h w) bool, widened to what the networks take and moved inside; None without a person."""
    box = box_of_mask(person)
    if not np.isfinite(box).all():
        return None
    edges = []
    for low, high, side in zip(box[:2], box[2:], person.shape[::-1], strict=True):
        length = min(side, max(LEAST_PX, int(high - low)))
        start = min(max(0, round((low + high - length) / 2)), side - length)
        edges.append((start, start + length))
    (x0, x1), (y0, y1) = edges
    return x0, y0, x1, y1


def _summary(
    found: Mapping[str, Mapping[str, list[float]]],
    kept: Mapping[str, list[np.ndarray]],
    at: list[int],
    held_out: int,
    view: View,
    params: EvaluationParams,
) -> WatchScores:
    watched = WatchScores(_settings(at, held_out, view, params), frames=at)
    watched.pictures = {name: np.stack(pictures) for name, pictures in kept.items()}
    for name, columns in found.items():
        stage = name.removeprefix("stages.") if name.startswith("stages.") else None
        metrics = [m for m in (METRICS if stage is None else STAGE_METRICS) if m in columns]
        means = {metric: mean for metric in metrics if np.isfinite(mean := finite_mean(columns[metric]))}
        if means:
            (watched.scores if stage is None else watched.stages)[stage or name] = means
        for metric in means:
            column = f"watch.{name}_{metric}" if stage is None else f"{name}.watch.{metric}"
            watched.by_frame[column] = dict(zip(at, columns[metric], strict=True))
    return watched


def _settings(at: list[int], held_out: int, view: View, params: EvaluationParams) -> dict[str, Any]:
    dilated = params.dilate_px * max(view.size_hw) / DILATE_AT_PX
    return {
        "frames": len(at),
        "frames_sampled": f"{len(at)} of {held_out} held-out frames, spread evenly (evaluation.watch_frames: {params.watch_frames})",
        "view_hw": list(view.size_hw),
        "full_hw": [round(side / view.scale, 1) for side in view.size_hw],
        "psnr_person": f"over the pixels within {dilated:g} px of the true matte > 0.5 (evaluation.dilate_px of {DILATE_AT_PX}), the same "
        "for every method",
        **SETTINGS,
    }
