"""Fingers of the selected person: each hand is looked for where the repaired body has its palm, and its points are steadied over time.

Not in the paper, whose hands are OpenPose's. The body is never changed by what is seen here, nor is it absent where its hands are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.body.skeleton import Skeleton
from pipeline.networks.hands import INDEX, PINKY, POINTS, WRIST, SeenHand
from pipeline.pose.params import PoseParams
from pipeline.pose.repair import fill_gaps, find_jumps, find_long_limbs, find_outside, usual_lengths
from pipeline.pose.repair_track import DROPPED, INTERPOLATED, MEASURED, SMOOTHED
from pipeline.pose.smooth import MATERIAL_HEIGHTS, smooth_points
from pipeline.progress import Progress

KNOWN_POINTS = 6  # of the twenty beyond the wrist: a backend or labels that give more of a hand than its palm and thumb know it themselves
FOREARM, SPREAD = 0.36, 0.12  # a palm's length and half its breadth in forearms, where a pose has no knuckles
FAR_WRIST = 0.3  # of the square's side: a hand whose wrist lies farther from the body's is another one's (its own: .2 at most)
SAME_HAND = 0.3  # of the square's side: two hands nearer than this, point by point, are one
JUMP_HANDS = 0.25  # what counts as a jump of a point about its wrist, in sizes of the hand
GAP_S = 0.2  # seconds that a hand is interpolated over: it opens and closes in less than a body turns
WILD = 0.3  # share of a hand's points that jump or are impossible at once: the whole hand is

# Called with an image (h w 3) and a palm (3 2): wrist, index and pinky knuckle; None = no hand can be there.
HandFinder = Callable[[np.ndarray, np.ndarray], SeenHand | None]


@dataclass(frozen=True)
class HandJoints:
    """A region's name, and positions in a skeleton: elbow, wrist, and the twenty points beyond it, thumb to pinky, palm to tip."""

    name: str
    elbow: int
    wrist: int
    points: list[int]


def hands_of(skeleton: Skeleton) -> list[HandJoints]:
    """The hands of a skeleton: its regions of kind hand that have a wrist and twenty points beyond it; none for a fish."""
    found = []
    for region in skeleton.regions:
        if region.kind == "hand" and region.limb is not None and len(region.joints) == POINTS and region.joints[0] == region.limb[1]:
            elbow, wrist = (skeleton.index(joint) for joint in region.limb)
            found.append(HandJoints(region.name, elbow, wrist, [skeleton.index(joint) for joint in region.joints[1:]]))
    return found


def add_hands(
    frames: Frames, track: Track, finder: HandFinder, may_fill: np.ndarray, border: int, params: PoseParams
) -> tuple[Track, dict[str, float]]:
    """Return a person's repaired track with the points of its hands, and by hand's name the share of present frames that show it.

    Points of a hand that is not surely seen stay what they were: the palm, where the pose has one. may_fill (t) and border as
    fillable_frames() has them: nothing is interpolated or smoothed across the first held-out frame.
    """
    hands = hands_of(track.skeleton)
    seen, presence = _see(frames, track, hands, finder, params.hand_presence)
    points, score, origin = track.points.copy(), track.score.copy(), track.origin.copy()
    shares: dict[str, float] = {}
    for hand, own, sure in zip(hands, seen, presence, strict=True):
        shares[hand.name] = round(float(np.isfinite(own[:, 0, 0]).sum() / max(1, track.present.sum())), 4)
        steady = _steady(own, sure, track, hand, (may_fill, border), params)
        # one source a hand and frame: a knuckle of the pose's among the net's fingers would bend them
        rows = np.flatnonzero(np.isfinite(steady.points[..., 0]).any(axis=1))
        for array, found in ((points, steady.points), (score, steady.score), (origin, steady.origin)):
            array[rows[:, None], hand.points] = found[rows]
    return replace(track, points=points, score=score, origin=origin), shares


def _see(
    frames: Frames, track: Track, hands: list[HandJoints], finder: HandFinder, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points (h t 20 2) and presence (h t) of the hands in every frame; NaN and 0 where one is not seen, or known already."""
    points = np.full((len(hands), len(frames), POINTS - 1, 2), np.nan)
    presence = np.zeros((len(hands), len(frames)))
    before: list[np.ndarray | None] = [None] * len(hands)
    with Progress(len(frames), "hands") as progress:
        for start, block in frames.blocks():
            for t, image in enumerate(block, start):
                pose = track.points[t].astype(np.float64)
                found = [_look(image, pose, hand, last, finder, least) for hand, last in zip(hands, before, strict=True)]
                found = _without_doubles(found, pose, hands)
                for i, one in enumerate(found):
                    before[i] = None if one is None else one.points[[WRIST, INDEX, PINKY]] - pose[hands[i].wrist]
                    if one is not None:
                        points[i, t], presence[i, t] = one.points[1:], one.presence
            progress.advance(len(block))
    return points, presence


def _look(
    image: np.ndarray, pose: np.ndarray, hand: HandJoints, before: np.ndarray | None, finder: HandFinder, least: float
) -> SeenHand | None:
    """The hand of a pose (j 2), None where none is surely seen: by its palm, else beyond its forearm, else as one frame ago.

    before (3 2): the palm then, from the wrist.
    """
    wrist = pose[hand.wrist]
    if not np.isfinite(wrist).all() or _known(pose[hand.points]):
        return None
    for palm in (_palm(pose, hand), _beyond_forearm(pose, hand), None if before is None else wrist + before):
        seen = None if palm is None else finder(image, palm)
        if seen is not None and seen.presence >= least and _off(seen, wrist) <= FAR_WRIST and np.isfinite(seen.points).all():
            return seen
    return None


def _known(points: np.ndarray) -> np.ndarray:
    """Whether the backend or the labels give more of a hand (... 20 2) than its palm and thumb: those fingers are theirs."""
    return np.asarray(np.isfinite(points[..., 0]).sum(axis=-1) >= KNOWN_POINTS)


def _palm(pose: np.ndarray, hand: HandJoints) -> np.ndarray | None:
    palm = pose[[hand.wrist, hand.points[INDEX - 1], hand.points[PINKY - 1]]]
    return palm if np.isfinite(palm).all() else None


def _beyond_forearm(pose: np.ndarray, hand: HandJoints) -> np.ndarray | None:
    elbow, wrist = pose[hand.elbow], pose[hand.wrist]
    if not np.isfinite(elbow).all():
        return None
    ahead = FOREARM * (wrist - elbow)
    aside = SPREAD / FOREARM * np.array([-ahead[1], ahead[0]])
    return np.stack([wrist, wrist + ahead + aside, wrist + ahead - aside])


def _off(seen: SeenHand, wrist: np.ndarray) -> float:
    """How far the hand's wrist lies from the body's, in sides of the square it was seen in."""
    return float(np.hypot(*(seen.points[WRIST] - wrist))) / seen.size_px


def _without_doubles(found: list[SeenHand | None], pose: np.ndarray, hands: list[HandJoints]) -> list[SeenHand | None]:
    """Hands that lie on each other were seen twice: the one nearer to its own wrist stays."""
    kept = list(found)
    for i, one in enumerate(found):
        for k, other in enumerate(found[:i]):
            if one is None or other is None:
                continue
            size = max(one.size_px, other.size_px)
            if np.linalg.norm(one.points - other.points, axis=1).mean() < SAME_HAND * size:
                kept[i if _off(one, pose[hands[i].wrist]) > _off(other, pose[hands[k].wrist]) else k] = None
    return kept


@dataclass(frozen=True)
class _Points:
    """Points (t 20 2), NaN where missing, their score and origin (t 20)."""

    points: np.ndarray
    score: np.ndarray
    origin: np.ndarray


def _steady(
    seen: np.ndarray, presence: np.ndarray, track: Track, hand: HandJoints, fillable: tuple[np.ndarray, int], params: PoseParams
) -> _Points:
    """One hand over time, about its wrist: wild frames dropped, short gaps filled, the rest smoothed; seen (t 20 2), presence (t)."""
    may_fill, border = fillable
    wrist = track.points[:, hand.wrist].astype(np.float64)[:, None]
    about = seen - wrist
    score = np.repeat(presence[:, None], POINTS - 1, axis=1)
    origin = np.where(np.isfinite(about[..., 0]), MEASURED, track.origin[:, hand.points])
    parts = [part for part in (slice(0, border), slice(border, len(about))) if part.start < part.stop]
    free = may_fill & np.isfinite(wrist[:, 0, 0]) & ~_known(track.points[:, hand.points])
    size = _size(about[:border] if np.isfinite(about[:border]).any() else about)
    limbs = _limbs()
    usual = usual_lengths(_with_wrist(about[:border]), limbs)
    times, step_s = (track.clock.steps(), track.clock.step_s()) if track.clock.has_time else (np.arange(len(about)), np.inf)
    for part in parts:
        bad = find_long_limbs(_with_wrist(about[part]), limbs, usual, params.repair, size)[:, 1:]
        if track.clock.has_time:
            jumpy = params.repair.model_copy(update={"jump_heights": JUMP_HANDS})
            bad |= find_jumps(about[part], jumpy, size, step_s, times[part])
        bad |= bad.mean(axis=1, keepdims=True) > WILD
        about[part][bad] = np.nan
        if track.clock.has_time:
            seconds = track.clock.seconds()[part]
            smooth = smooth_points(about[part], score[part], seconds, params.smoothing_s)
            moved = np.linalg.norm(smooth - about[part], axis=2) > MATERIAL_HEIGHTS * size
            origin[part][moved] = SMOOTHED
            most = min(params.repair.max_gap_frames, round(GAP_S / step_s))
            about[part] = fill_gaps(smooth, free[part], most, times[part], straight=True)  # a curve would overshoot
            filled = np.isfinite(about[part][..., 0]) & ~np.isfinite(smooth[..., 0])
            origin[part][filled], score[part][filled] = INTERPOLATED, params.hand_presence
    points = about + wrist
    outside = find_outside(points, track.size_hw)
    points[outside] = np.nan
    missing = ~np.isfinite(points[..., 0])
    return _Points(points, np.where(missing, 0.0, score), np.where(missing, DROPPED, origin))


def _size(about: np.ndarray) -> float:
    """Usual size of a hand in px: the median over frames (t 20 2) of its larger extent; 1 without any."""
    some = about[np.isfinite(about).all(axis=(1, 2))]
    return max(1.0, float(np.median(np.ptp(some, axis=1).max(axis=1)))) if len(some) else 1.0


def _limbs() -> list[tuple[int, int]]:
    """Limbs of a hand of 21 points: each finger from the wrist outwards."""
    return [(0 if i % 4 == 1 else i - 1, i) for i in range(1, POINTS)]


def _with_wrist(about: np.ndarray) -> np.ndarray:
    """Points (t 21 2) about the wrist, which is the first of them where a hand is seen."""
    seen = np.asarray(np.isfinite(about).any(axis=(1, 2)))
    first = np.where(seen[:, None], 0.0, np.nan)
    return np.concatenate([np.repeat(first, 2, axis=1)[:, None], about], axis=1)
