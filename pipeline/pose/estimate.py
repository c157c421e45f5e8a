"""Keypoints of a clip: people are seen in every frame, followed, one is selected, and that one's joints are repaired and smoothed."""

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Keypoints, Track
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError, warn
from pipeline.networks.hands import HandNet
from pipeline.pose.camera import Wish, camera_of, in_view, scene_of
from pipeline.pose.hands import add_hands, hands_of
from pipeline.pose.joining import join_alike
from pipeline.pose.naming import Naming
from pipeline.pose.params import PoseParams
from pipeline.pose.people import Backend, People, Refiner, people_of_table
from pipeline.pose.refining import refine_track
from pipeline.pose.repair import find_outside
from pipeline.pose.repair_track import DROPPED, IMPORTED, MEASURED, MISSING, REFINED, fillable_frames, repair_track, sure_frames
from pipeline.pose.select import Gates, Select, join_selected, needs_choice, select_person
from pipeline.pose.sheet import write_track_sheet
from pipeline.pose.shots import Shots
from pipeline.pose.tracks import TrackingParams, Tracks, limb_colours, link_people, without_passers_by
from pipeline.progress import Progress
from pipeline.timeline.split import SplitParams

LEAST_SHARE = 1 / 6  # of the frame's longer side: a smaller person is seldom found by BlazePose's detector, which sees 224 px
NAMED_FRAMES = 8
RUN_FRAMES = 5  # doubts less far apart are one
NOTABLE_OUTSIDE = 0.05  # share of a person's joints


@dataclass(frozen=True)
class Sources:
    """Where a backend and a refiner find what they need: their names, the folders of networks, the labels and how they are named.

    hand_weights: the folder of the hands' networks; None = no fingers are looked for.
    """

    backend: str
    refiner: str
    weights: Path | None
    refiner_weights: Path | None
    labels: Path | None
    naming: Naming
    hand_weights: Path | None = None


@dataclass(frozen=True)
class PoseInputs:
    """A clip's frames, the skeleton whose joints are wanted, and what sees them."""

    frames: Frames
    skeleton: Skeleton
    sources: Sources


@dataclass(frozen=True)
class Subject:
    """Whose keypoints are wanted: the clip's name, the selection, the sheet for a user who must choose, the split of a target.

    redetect: the clip is a result, in which nobody need be found. split None: no frame of this clip is ever held out.
    camera: whether the clip's moves.
    """

    clip: str
    select: Select
    sheet: Path | None
    split: SplitParams | None
    redetect: bool
    camera: Wish = "still"


def estimate_poses(inputs: PoseInputs, params: PoseParams, subject: Subject) -> Keypoints:
    """Return the keypoints of all people of a clip, with the selected one repaired and smoothed; the others are as seen.

    Where the camera moves they are in the pixels of one still view, and `camera` says how each frame lies in it.
    Raises InputError: see select_person, camera_of and the backends.
    """
    frames, skeleton, sources = inputs.frames, inputs.skeleton, inputs.sources
    limbs = skeleton.limb_indices(drawn_only=True) or skeleton.limb_indices()
    refiner = load_refiner(sources, skeleton, params)  # what is missing is said before the backend's long work
    finder = _load_hands(sources, skeleton, params)
    facts: dict[str, Any] = {"clip": subject.clip, "backend": sources.backend, "refiner": sources.refiner}
    tracks, cuts = _see_clip(frames, limbs, load_backend(frames, skeleton, sources, params), params.tracking)
    gates = _gates(frames, sources, subject, params)
    if not subject.redetect:
        _say_cuts(subject.clip, cuts, len(frames))
    if subject.sheet and not subject.redetect and (subject.select != "auto" or needs_choice(tracks)):
        write_track_sheet(subject.sheet, frames, tracks)
    tracks, select = join_selected(tracks, subject.select, subject.clip)
    selected = select_person(tracks, select, gates, subject.clip, subject.sheet)
    if selected is not None and not subject.redetect:
        _say_doubts(subject.clip, tracks, selected, gates)
    seen_as = IMPORTED if sources.backend == "imported" else MEASURED
    outside = find_outside(tracks.points, frames.size_hw)
    points, score = np.where(outside[..., None], np.nan, tracks.points), np.where(outside, 0.0, tracks.score)
    origin = np.where(outside, DROPPED, np.where(np.isfinite(points[..., 0]), seen_as, MISSING)).astype(np.uint8)
    camera, lost = None, outside.copy()  # what was seen, but counts as unseen
    if selected is not None:
        own, own_score, own_seen_as = points[:, selected], score[:, selected], np.full(score[:, selected].shape, seen_as, np.uint8)
        present = sure_frames(own, own_score, params.min_score)
        _, border = fillable_frames(present, subject.split, params.repair.max_absence_frames)
        if refiner is not None:
            own, own_score, refined = refine_track(frames, own, own_score, border, refiner)
            own_seen_as[refined] = REFINED
        camera = camera_of(scene_of(subject.clip, frames, tracks, selected, cuts, border), subject.camera)
        if camera is not None:
            lost |= np.isfinite(points[..., 0]) & ~camera.trusted[:, None, None]
            own, points = in_view(camera, own), in_view(camera, points)
            origin[lost] = DROPPED
        repaired = repair_track(own, own_score, own_seen_as, frames.clock, skeleton, subject.split, params)
        _look_what_is_left(subject.clip, repaired[0], own_score, gates, params.min_score)
        points[:, selected], score[:, selected], origin[:, selected] = repaired
        if camera is not None:  # nothing is filled in where nobody knows where the camera looks
            points[~camera.trusted, selected] = np.nan
        origin[:, selected][lost[:, selected] & np.isnan(points[:, selected, :, 0])] = DROPPED
        if finder is not None:
            seen = frames.steady(camera)
            track = Track(points[:, selected], score[:, selected], origin[:, selected], skeleton, frames.clock, seen.size_hw, {})
            may_fill, border = fillable_frames(track.present, subject.split, params.repair.max_absence_frames)
            track, facts["hands_seen"] = add_hands(seen, track, finder, may_fill, border, params)
            points[:, selected], score[:, selected], origin[:, selected] = track.points, track.score, track.origin
            _say_hands(facts["hands_seen"])
        _say_outside(outside[:, selected], tracks.score[:, selected] >= params.min_score, sources.backend)
    return Keypoints(
        points=points.astype(np.float32),
        score=score.astype(np.float32),
        origin=origin,
        skeleton=skeleton,
        clock=frames.clock,
        size_hw=frames.size_hw if camera is None else camera.size_hw,
        selected=selected,
        attributes=facts,
        camera=camera,
    )


def _look_what_is_left(clip: str, points: np.ndarray, score: np.ndarray, gates: Gates, min_score: float) -> None:
    """InputError when no joint (t j 2) of the person is kept, of all those seen with a score (t j); a line when too few frames have any."""
    kept = int(np.isfinite(points[..., 0]).any(axis=1).sum())
    if gates.empty_allowed or kept >= gates.min_present_fraction * len(points) > 0:
        return
    found = f"found joints that are sure enough in {kept} of {len(points)} frames, the surest of score {score.max(initial=0.0):.2g}"
    line = f"clip {clip} must show the person by joints of a score of at least {min_score:g}, {found}; correct the scores, or lower"
    if not kept:
        raise InputError(f"{line} pose.min_score")
    warn(f"{line} pose.min_score")


def _say_outside(outside: np.ndarray, sure: np.ndarray, backend: str) -> None:
    """One line where many of a person's sure joints (t j) are outside: usual of half a body, but labels may be of another size."""
    share = float((outside & sure).sum() / max(1, sure.sum()))
    if share > NOTABLE_OUTSIDE:
        print(f"{share:.0%} of the joints that {backend} gave lie outside the picture: they count as unseen", file=sys.stderr)


def _load_hands(sources: Sources, skeleton: Skeleton, params: PoseParams) -> HandNet | None:
    """What finds fingers, None where none are wanted or the skeleton has none."""
    if sources.hand_weights is None:
        return None
    if not hands_of(skeleton):
        print(f"skeleton {skeleton.name} has no hands of 21 points: no fingers are looked for", file=sys.stderr)
        return None
    return HandNet(sources.hand_weights, params.threads)


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
                about["span"][0] if "span" in about else None,
            )
        case "openpose":
            from pipeline.pose.backends.openpose import FILES, load
            from pipeline.training.device import choose_device, prepare_cpu

            if sources.weights is None:
                raise InputError("pose backend openpose needs its networks, found no folder; name it with --weights")
            prepare_cpu(params.threads)
            networks = {role: sources.weights / name for role, name in FILES.items()}
            wanted = params.openpose
            see = load(networks, choose_device(), wanted.scales, wanted.hand_scales, skeleton.joints, params.precision)
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
            from pipeline.pose.refiners.dcpose import load
            from pipeline.training.device import choose_device

            if sources.refiner_weights is None:
                raise InputError("pose refiner dcpose needs its network, found no folder; name it with --refiner-weights")
            return load(sources.refiner_weights, choose_device(), skeleton.joints, params.threads, params.precision)
        case other:
            raise InputError(f"the pose refiner must be none or dcpose, found {other!r}; correct it in params.yaml")


def _see_clip(frames: Frames, limbs: list[tuple[int, int]], backend: Backend, params: TrackingParams) -> tuple[Tracks, list[int]]:
    """The people of a clip, followed, and the first frame of every later shot."""
    people: list[People] = []
    colours: list[np.ndarray] = []
    shots = Shots()
    with Progress(len(frames), "estimate_poses") as progress:
        for _, block in frames.blocks():
            seen = backend(block)
            people += seen
            colours += limb_colours(block, seen, limbs)
            shots.look(block)
            progress.advance(len(block))
    cuts = shots.cuts(params.cut_ratio)
    joined = join_alike(link_people(people, colours, params, cuts), params.join_colour_difference)
    return without_passers_by(joined, params.min_fraction), cuts


def _gates(frames: Frames, sources: Sources, subject: Subject, params: PoseParams) -> Gates:
    """Labels have any size; networks shrink a frame, and see nothing in the few pixels that a small person keeps."""
    least_px = None if sources.backend in ("imported", "none") or subject.redetect else max(frames.size_hw) * LEAST_SHARE
    return Gates(0.0 if subject.redetect else params.min_present_fraction, empty_allowed=subject.redetect, least_px=least_px)


def _say_hands(shares: dict[str, float]) -> None:
    seen = " and ".join(f"{name.replace('_', ' ')} in {share:.0%}" for name, share in shares.items())
    print(f"fingers seen: {seen} of the frames with the person", file=sys.stderr)


def _say_cuts(clip: str, cuts: list[int], length: int) -> None:
    if cuts:
        spans = ", ".join(f"[{start}, {stop - 1}]" for start, stop in list(pairwise([0, *cuts, length]))[:NAMED_FRAMES])
        warn(f"clip {clip} is cut: another shot begins at {_frames(cuts)}; make each shot a clip of its own by its span ({spans})")


def _say_doubts(clip: str, tracks: Tracks, selected: int, gates: Gates) -> None:
    """One line on where the selected track may have gone over to somebody else, one on a person too small to be seen well."""
    doubts = tracks.doubts[selected]
    if doubts:
        at = _frames([frame for before, frame in pairwise([-RUN_FRAMES, *doubts]) if frame - before >= RUN_FRAMES])
        warn(f"track {selected} of clip {clip} may be another person from {at} on: look there; clips.{clip}.select takes another track")
    height = tracks.heights[selected]
    if gates.least_px is not None and height < gates.least_px:
        warn(
            f"the person of clip {clip} is {height:.0f} px high, less than {gates.least_px:.0f}, a sixth of the frame's longer side: "
            "joints are coarse; crop the video about the person (ffmpeg -i IN -vf crop=WIDTH:HEIGHT:X:Y OUT)"
        )


def _frames(numbers: list[int]) -> str:
    more = f" and {len(numbers) - NAMED_FRAMES} more" if len(numbers) > NAMED_FRAMES else ""
    return f"frame{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:NAMED_FRAMES]))}{more}"
