"""Mattes of a target: a backend finds the subject, the rest keeps to the selected person, steadies and sharpens it.

Stands for the paper's Mask R-CNN step (§3.1, §4.1.2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_clip
from pipeline.artifacts.frames import Frames, replace_clock
from pipeline.artifacts.keypoints import Keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.artifacts.store import Appends, require_free_bytes
from pipeline.errors import InputError
from pipeline.matting.bridge import Misses, bridge
from pipeline.matting.difference import Background, fit_background, hide_boxes
from pipeline.matting.edges import refine_edges
from pipeline.matting.extremities import Extremities
from pipeline.matting.fine import EdgePass
from pipeline.matting.flicker import Flicker
from pipeline.matting.person import own_pixels
from pipeline.matting.steady import Flows, Moment, steady
from pipeline.matting.steady_edges import Sharp, steady_edges
from pipeline.matting.subject import Subject, subject_of
from pipeline.matting.unchanged import Unchanged
from pipeline.networks.modnet import load_modnet
from pipeline.params import Section
from pipeline.picture.framing import body_boxes
from pipeline.picture.geometry import mask_box
from pipeline.picture.stillness import hidden_by, samples_that_fit
from pipeline.progress import Progress
from pipeline.timeline.ahead import ahead
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import Split, SplitParams, split_frames

MatteBackend = Literal["blazepose", "background_difference", "maskrcnn", "maskrcnn_v2", "detectron2", "rvm"]
Backend = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

AHEAD = 4  # frames that the backend is ahead of what follows it
COARSE_BODY_PX = 288
HIDE_GROW = 0.15
HIDE_SHARE = 0.03
ONE_PERSON = ("maskrcnn", "maskrcnn_v2", "detectron2")  # backends that tell people apart by themselves


class MattingParams(Section):
    """Section `matting` of params.yaml."""

    threads: int = Field(ge=1, le=64)
    background_samples: int = Field(ge=5, le=500)
    sensitivity: float = Field(ge=1.0, le=50.0)
    floor_levels: float = Field(ge=1.0, le=100.0)
    smoothing: float = Field(ge=0.0, le=1.0)
    edge_radius: float = Field(ge=0.0, le=0.05)
    edge_epsilon: float = Field(ge=1e-6, le=1.0)
    extremities: Literal["difference", "none"]
    edges: Literal["modnet", "none"]


@dataclass(frozen=True)
class SegmentInputs:
    """What is read of a target, and the folders with the backend's network and that of MattingParams.edges, where they have one."""

    frames: Frames
    keypoints: Keypoints
    weights: Path | None
    edge_weights: Path | None = None


def segment_person(inputs: SegmentInputs, backend: MatteBackend, params: MattingParams, split: SplitParams, out: Path) -> int:
    """Write mattes (t h w) uint8 of the selected person, 0 where it is absent; returns the number of frames.

    Mattes of training frames are the same whatever the held-out frames show. Frames in which the backend misses the person are
    bridged; the mattes' attributes bridged_frames, guessed_frames and flicker say so. Raises InputError when frames and keypoints
    disagree, nobody is selected, or a network is missing: the backend's (weights) or that of params.edges (edge_weights).
    """
    frames, keypoints = inputs.frames, inputs.keypoints
    require_same_clip(frames, keypoints)
    if keypoints.selected is None or not keypoints.track().present.any():
        found = f"found nobody in {len(frames)} frames"
        raise InputError(f"{keypoints.source} must select somebody who is seen, {found}. {keypoints.source.remedy}")
    # What is usual of the subject is learnt on training frames.
    track = keypoints.track()
    parts = split_frames(track.present, split)
    subject = subject_of(keypoints, parts)
    require_free_bytes(out, len(frames) * frames.size_hw[0] * frames.size_hw[1] // 20)
    find, coarse, background = _load_backend(backend, frames, keypoints, subject, parts, params, inputs.weights)
    frames = frames if background is None else frames.over(background.image.round().clip(0, 255).astype(np.uint8))
    linked = _linked(track.present, parts)
    # A chain of iterators: a few frames at a time pass through all of it.
    misses, flows = Misses(), Flows()
    flicker = Flicker(linked, flows), Flicker(linked, flows)
    with create_mattes(out, frames.clock, frames.size_hw, {"backend": backend}) as writer:
        found = _found(frames, subject, find)
        if coarse:
            small_hw = _small_hw(frames.size_hw, subject.usual_px)
            extremities = Extremities(track, background, small_hw, params.sensitivity, params.floor_levels)
            small = _small(found, small_hw, subject, extremities, keep_whole=backend in ONE_PERSON)
            whole = bridge(ahead(small, AHEAD), track.present, linked, lambda t: _about_limbs(t, small_hw, frames.size_hw, subject), misses)
            coarse_ones = _finished(flicker[0].watch(whole), flicker[1], flows, subject, linked, params)
            edges = _edge_pass(frames.size_hw, subject, parts, params, background, inputs.edge_weights)
            finished = _sharpened(coarse_ones, edges, flows, params.smoothing, linked)
        else:
            finished = ((t, _without_rivals(matte, t, subject)) for t, _, matte in found)
        _write(writer, ((t, np.where(frames.shown(t), matte, 0)) for t, matte in finished), len(frames))
        if coarse:
            replace_clock(writer, frames.clock, _facts(misses, *flicker))
    misses.say(backend, len(frames))
    return len(frames)


def _write(writer: Appends, finished: Iterator[tuple[int, np.ndarray]], total: int) -> None:
    with Progress(total, "segment_person") as progress:
        for _, matte in finished:
            writer.append(matte[None])
            progress.advance()


def _load_backend(
    name: MatteBackend,
    frames: Frames,
    keypoints: Keypoints,
    subject: Subject,
    parts: Split,
    params: MattingParams,
    weights: Path | None,
) -> tuple[Backend, bool, Background | None]:
    """The function that finds the subject, whether its mattes are coarse, and the still background if one was fitted."""
    chosen = spread_evenly(parts.training, samples_that_fit(frames.size_hw, params.background_samples))
    reach = max(2, round(HIDE_SHARE * subject.usual_px))
    match name:
        case "blazepose":
            from pipeline.matting.backends.blazepose import load as load_blazepose

            skeleton = keypoints.skeleton
            folder = _folder(name, weights)
            people = load_blazepose(folder, params.threads, skeleton.indices("hips"), skeleton.indices("shoulders"))
        case "maskrcnn":
            from pipeline.matting.backends.maskrcnn import load as load_maskrcnn

            people = _by_box(load_maskrcnn(_folder(name, weights), threads=params.threads))
        case "maskrcnn_v2":
            from pipeline.matting.backends.maskrcnn_v2 import load as load_maskrcnn_v2

            people = _by_box(load_maskrcnn_v2(_folder(name, weights), threads=params.threads))
        case "detectron2":
            from pipeline.matting.backends.detectron2 import load as load_detectron2

            people = _by_box(load_detectron2(_folder(name, weights), threads=params.threads))
        case "rvm":
            from pipeline.matting.backends.rvm import load as load_rvm

            people = load_rvm(_folder(name, weights), params.threads, subject.usual_px)
        case "background_difference":
            from pipeline.matting.backends.background_difference import load as load_difference

            samples, boxes = np.stack([frames[int(t)] for t in chosen]), subject.boxes[chosen]
            rivals = np.any([hide_boxes(body_boxes(p), HIDE_GROW, frames.size_hw) for p in _each(subject.others[chosen])], axis=0)
            rivals |= _unseen(frames, chosen)
            background = fit_background(samples, rivals | hide_boxes(boxes, HIDE_GROW, frames.size_hw))
            # Once more with the subject's own outline, which hides less than its box.
            limbs = subject.limbs
            mattes = load_difference(background, params.sensitivity, params.floor_levels, limbs)(samples, boxes, subject.points[chosen])
            background = fit_background(samples, rivals | np.stack([hidden_by(matte, reach) for matte in mattes]))
            return load_difference(background, params.sensitivity, params.floor_levels, limbs), False, background
    if params.extremities == "none":
        return people, True, None
    samples = np.stack([frames[int(t)] for t in chosen])
    mattes = people(samples, subject.boxes[chosen], subject.points[chosen])
    people(samples[:1], np.full((1, 4), np.nan), subject.points[chosen[:1]])  # nobody: a backend that remembers forgets the samples
    hidden = np.stack([hidden_by(matte, reach) for matte in mattes]) | _unseen(frames, chosen)
    return people, True, fit_background(samples, hidden)


def _unseen(frames: Frames, chosen: np.ndarray) -> np.ndarray:
    """Where each chosen frame (n) shows nothing: (n h w) bool."""
    return np.stack([~frames.shown(int(t)) for t in chosen])


def _folder(name: MatteBackend, weights: Path | None) -> Path:
    if weights is None:
        raise InputError(f"matte: {name} needs its network: give the door --weights FOLDER. Run: dvc repro fetch_matte_weights")
    return weights


def _by_box(segment: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Backend:
    """A backend that has no use for the joints."""
    return lambda block, boxes, _: segment(block, boxes)


def _found(frames: Frames, subject: Subject, find: Backend) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Every frame as (t, image (h w 3), the backend's matte (h w) uint8)."""
    for start, block in frames.blocks():
        part = slice(start, start + len(block))
        mattes = find(block, subject.boxes[part], subject.points[part])
        for i in range(len(block)):
            yield start + i, block[i], mattes[i]


def _small(
    found: Iterator[tuple[int, np.ndarray, np.ndarray]],
    small_hw: tuple[int, int],
    subject: Subject,
    extremities: Extremities,
    keep_whole: bool,
) -> Iterator[Moment]:
    """Coarse mattes at the size they are worked on; kept to the selected person's own pixels unless keep_whole."""
    for t, image, matte in found:
        small = cv2.resize(image, small_hw[::-1], interpolation=cv2.INTER_AREA)
        opaque = cv2.resize(matte, small_hw[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if opaque.any():
            if not keep_whole:
                opaque *= _about_limbs(t, small_hw, image.shape[:2], subject)
            opaque = extremities.recovered(t, small, opaque, subject.body_px[t])
        yield Moment(t, image, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), opaque)


def _about_limbs(t: int, small_hw: tuple[int, int], size_hw: tuple[int, ...], subject: Subject) -> np.ndarray:
    """Weights (h w) float32 in 0..1 at the small size: which pixels may be the person's by its joints and everybody else's."""
    scale = np.array([small_hw[1] / size_hw[1], small_hw[0] / size_hw[0]])
    points, others = (_scaled(p[t], scale) for p in (subject.points, subject.others))
    return own_pixels(small_hw, points, others, subject.limbs, subject.body_px[t] * scale[1])


def _finished(
    moments: Iterator[Moment], flicker: Flicker, flows: Flows, subject: Subject, linked: np.ndarray, params: MattingParams
) -> Iterator[Sharp]:
    """Coarse mattes made steady and brought to the image's edges: (moment, matte (h w) uint8); flicker measures what is left of it."""
    radius = round(params.edge_radius * subject.usual_px)
    for moment in flicker.watch(steady(moments, params.smoothing, linked, flows)):
        yield moment, _at_full_size(moment, radius, params.edge_epsilon)


def _edge_pass(
    size_hw: tuple[int, int],
    subject: Subject,
    parts: Split,
    params: MattingParams,
    background: Background | None,
    weights: Path | None,
) -> EdgePass | None:
    """What sharpens people's mattes, or None where params say so."""
    if params.edges == "none":
        return None
    if weights is None:
        raise InputError("matting.edges modnet needs its network: give the door --edge-weights FOLDER. Run: dvc repro fetch_edge_weights")
    small_hw = _small_hw(size_hw, subject.usual_px)
    unchanged = background and Unchanged(background, subject.boxes, small_hw, params.sensitivity, params.floor_levels)
    return EdgePass(load_modnet(weights, params.threads), subject, size_hw, parts.training, unchanged)


def _sharpened(
    found: Iterator[Sharp], edges: EdgePass | None, flows: Flows, smoothing: float, linked: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Full-size mattes with the edge pass's edges, made steady again; as they are without one."""
    if edges is None:
        return ((moment.t, matte) for moment, matte in found)
    sharp = ((moment, edges.sharpened(moment.t, moment.image, matte)) for moment, matte in found)
    return steady_edges(sharp, smoothing, linked, flows)


def _facts(misses: Misses, found: Flicker, smoothed: Flicker) -> dict[str, object]:
    """What the mattes' attributes say: frames without an instance, and flicker (§3.1 has neither) before and after smoothing."""
    flicker = {"found": round(found.share, 6), "smoothed": round(smoothed.share, 6)}
    return {"bridged_frames": sorted(misses.bridged), "guessed_frames": sorted(misses.guessed), "flicker": flicker}


def _small_hw(size_hw: tuple[int, int], body_px: float) -> tuple[int, int]:
    """The size at which coarse mattes are worked on: the body is at most 288 px, about what a network tells apart."""
    scale = min(1.0, COARSE_BODY_PX / body_px)
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def _at_full_size(moment: Moment, radius_px: int, epsilon: float) -> np.ndarray:
    """The moment's small matte at the image's size, refined around the person only."""
    h, w = moment.image.shape[:2]
    full = np.zeros((h, w), np.uint8)
    box = mask_box(moment.matte > 0.02)
    if box is None:
        return full
    left, top, right, bottom = box
    sy, sx = h / moment.matte.shape[0], w / moment.matte.shape[1]
    pad = 2 * radius_px + int(np.ceil(2 * sy))
    y0, y1 = max(0, int(top * sy) - pad), min(h, int(np.ceil(bottom * sy)) + pad)
    x0, x1 = max(0, int(left * sx) - pad), min(w, int(np.ceil(right * sx)) + pad)
    to_small = np.array([[1 / sx, 0, (x0 + 0.5) / sx - 0.5], [0, 1 / sy, (y0 + 0.5) / sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matte = cv2.warpAffine(moment.matte, to_small, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if radius_px:
        matte = refine_edges(moment.image[y0:y1, x0:x1], matte, radius_px, epsilon)
    full[y0:y1, x0:x1] = np.rint(matte * 255)
    return full


def _without_rivals(matte: np.ndarray, t: int, subject: Subject) -> np.ndarray:
    """A fine matte without what lies nearer to somebody else; untouched where the subject is alone."""
    if not matte.any() or not np.isfinite(subject.others[t]).any():
        return matte
    far = 1e6  # alone, no pixel is too far from the limbs: an animal's tail may have no joint
    weights = own_pixels(matte.shape[:2], subject.points[t], subject.others[t], subject.limbs, subject.body_px[t], reach_px=far)
    return np.rint(matte * weights).astype(np.uint8)


def _each(others: np.ndarray) -> list[np.ndarray]:
    """The joints (n j 2) of each other person of others (n p j 2); of nobody, where there is nobody else."""
    return list(np.moveaxis(others, 1, 0)) or [np.full((len(others), 1, 2), np.nan)]


def _linked(present: np.ndarray, parts: Split) -> np.ndarray:
    """(t) bool: frames t - 1 and t may see each other."""
    linked = np.zeros(len(present), bool)
    linked[1:] = present[1:] & present[:-1]
    if parts.border < len(present):
        linked[parts.border] = False
    return linked


def _scaled(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return (points.astype(np.float64) + 0.5) * scale - 0.5
