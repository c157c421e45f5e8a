"""Who is who from frame to frame: people are linked by where their joints are expected and by the colours of their limbs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from pydantic import Field

from pipeline.params import Section
from pipeline.pose.people import People, person_boxes

PATCHES = 30  # how many patches, of which a limb's colour is one, a person is high …
MOST_SCALE = 8  # … in a picture at most this much smaller
STEADY_FRAMES = 5  # a lost person is expected to go on moving for so long, then to wait
LIMBS_AT_ONCE = 8  # whose median colours are found at once: a long clip has many
COLOUR_KEEP = 0.9  # share of the remembered colours that survives a frame
FAR = 1e6
LEAST_PIECE, MOST_PIECES = 25, 100  # frames of a track that may be a piece of a longer one; of so many tracks, the largest
LEAST_SEEN = 5  # frames of a track before another's link is doubted for it: detectors see the same person twice for a moment
CLOSE_HEIGHTS = 0.1  # two ways of linking whose costs differ by less might both be right


class TrackingParams(Section):
    """Section `pose.tracking` of params.yaml."""

    max_step_heights: float = Field(gt=0, le=5)
    max_lost_frames: int = Field(ge=0, le=10_000)
    colour_weight: float = Field(ge=0, le=20)
    max_colour_difference: float = Field(gt=0, le=1)
    join_colour_difference: float = Field(ge=0, le=1)
    cut_ratio: float = Field(ge=1, le=1e6)
    min_fraction: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Tracks:
    """People over time: points (t p j 2) float64 and score (t p j); the person most seen, largest first; NaN = missing.

    colours (p l 3) are the medians of their limbs' colours, NaN where unseen. doubts (p): the frames from which on a track may
    be somebody else. named says that the backend followed them itself.
    """

    points: np.ndarray
    score: np.ndarray
    colours: np.ndarray
    doubts: tuple[tuple[int, ...], ...]
    named: bool

    @property
    def present(self) -> np.ndarray:
        """Whether person p is seen at all (t p) bool."""
        return np.asarray(np.isfinite(self.points[..., 0]).any(axis=2))

    @property
    def heights(self) -> np.ndarray:
        """Median over time (p) of the longer side of each person's box, in px."""
        boxes = person_boxes(self.points)
        sides = np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
        return np.asarray(np.nanmedian(sides, axis=0))

    def of(self, people: list[int]) -> "Tracks":
        """The same with these people only, in this order."""
        doubts = tuple(self.doubts[person] for person in people)
        return Tracks(self.points[:, people], self.score[:, people], self.colours[people], doubts, self.named)

    def by_weight(self) -> list[int]:
        """People by frames times height, the main one first."""
        return np.argsort(-self.present.sum(axis=0) * self.heights, kind="stable").tolist()


@dataclass
class _Thread:
    """A person being followed: last pose, velocity of its centre (px a frame), last frame, limb colours; so far: frames and rows,
    frames in doubt."""

    points: np.ndarray
    velocity: np.ndarray
    last: int
    colours: np.ndarray
    seen: list[tuple[int, int]] = field(default_factory=list)
    doubts: list[int] = field(default_factory=list)


def limb_colours(block: np.ndarray, people: list[People], limbs: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return for each frame of block (n h w 3) the colours (p l 3), 0..1, at the middles of people's limbs; NaN where unseen.

    They are read from pictures so small that a pixel is a patch as wide as a limb of the person.
    """
    colours = []
    parents, children = np.array(limbs, np.int64).reshape(-1, 2).T
    for image, group in zip(block, people, strict=True):
        found = np.full((len(group), len(limbs), 3), np.nan)
        boxes = person_boxes(group.points)
        sides = np.nan_to_num(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))
        scales = np.clip(2 ** np.floor(np.log2(np.maximum(sides / PATCHES, 1))), 1, MOST_SCALE).astype(int)
        for scale in np.unique(scales).tolist() if limbs else []:
            height, width = (max(1, length // scale) for length in image.shape[:2])
            smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            alike = np.flatnonzero(scales == scale)
            points = group.points[alike]
            middle = (points[:, parents] + points[:, children]) / 2
            middle = middle * (width / image.shape[1], height / image.shape[0])
            inside = np.isfinite(middle).all(axis=2) & (middle >= 0).all(axis=2) & (middle < (width, height)).all(axis=2)
            person, limb = np.nonzero(inside)
            x, y = middle[inside].astype(int).T
            found[alike[person], limb] = smaller[y, x] / 255.0
        colours.append(found)
    return colours


def colour_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How differently those limbs (l 3) are coloured, 0..1, that both people show."""
    difference = np.abs(one - other).mean(axis=-1)
    return difference[np.isfinite(difference)]


def colour_difference(one: np.ndarray, other: np.ndarray) -> float:
    """How differently two people's limbs (l 3) are coloured in one frame, 0..1: the median, as some are hidden; 0 when none."""
    difference = colour_differences(one, other)
    return float(np.median(difference)) if len(difference) else 0.0


def link_people(people: list[People], colours: list[np.ndarray], params: TrackingParams, cuts: Sequence[int] = ()) -> Tracks:
    """Link the people of t frames into tracks; a backend's own identities rule where it gives them.

    No track goes on over a cut (the first frame of a shot). What is too short for a piece of a person who comes and goes is left
    out; those tracks are to be joined, and without_passers_by() taken of what that gives.
    """
    named = any(group.identity is not None for group in people)
    joints = people[0].points.shape[1] if people else 0
    if named:
        seen = _follow_identity(people)
        doubts: list[list[int]] = [[] for _ in seen]
    else:
        threads = _follow(people, colours, params, cuts)
        seen, doubts = [thread.seen for thread in threads], [thread.doubts for thread in threads]
    tracks = _gather(people, colours, seen, doubts, joints, named)
    least = params.min_fraction * len(people)
    return _seen_in(tracks, least if named else min(least, LEAST_PIECE), len(seen) if named or not least else MOST_PIECES)


def without_passers_by(tracks: Tracks, min_fraction: float) -> Tracks:
    """The tracks seen in at least such a share of the frames; the main one, if there is no other."""
    return _seen_in(tracks, min_fraction * len(tracks.points), len(tracks.doubts))


def _seen_in(tracks: Tracks, least: float, most: int) -> Tracks:
    """The tracks seen in as many frames, the main one first and at most so many; that one alone if there is none."""
    frames, order = tracks.present.sum(axis=0), tracks.by_weight()
    return tracks.of([person for person in order if frames[person] >= least][:most] or order[:1])


def _follow_identity(people: list[People]) -> list[list[tuple[int, int]]]:
    threads: dict[int, list[tuple[int, int]]] = {}
    for frame, group in enumerate(people):
        there = np.flatnonzero(np.isfinite(group.points).any(axis=(1, 2))).tolist() if group.identity is not None else []
        for row in there:
            threads.setdefault(int(group.identity[row]), []).append((frame, row))  # pyright: ignore[reportOptionalSubscript]
    return [threads[name] for name in sorted(threads)]


def _follow(people: list[People], colours: list[np.ndarray], params: TrackingParams, cuts: Sequence[int]) -> list[_Thread]:
    threads: list[_Thread] = []
    shot = 0
    for frame, (group, colour) in enumerate(zip(people, colours, strict=True)):
        shot = frame if frame in cuts else shot
        live = [thread for thread in threads if frame - thread.last <= params.max_lost_frames + 1 and thread.last >= shot]
        rows, taken = set(range(len(group))), []
        cost = np.zeros((0, len(group)))
        if live and rows:
            cost = np.array([[_cost(thread, frame, group.points[row], colour[row], params) for row in sorted(rows)] for thread in live])
            taken = [(i, row) for i, row in _cheapest(cost) if cost[i, row] < FAR]
        for i, row in taken:
            lost = frame - live[i].last > 1
            unlike = colour_difference(live[i].colours, colour[row]) > params.join_colour_difference
            known = [k for k, thread in enumerate(live) if len(thread.seen) >= LEAST_SEEN]
            if (lost and unlike) or _others_fit(cost, taken, known, i, row):
                live[i].doubts.append(frame)
        for i, row in taken:
            _extend(live[i], frame, row, group.points[row], colour[row])
            rows.discard(row)
        for row in sorted(rows):
            if np.isfinite(group.points[row]).any():
                threads.append(_Thread(group.points[row], np.zeros(2), frame, colour[row], [(frame, row)]))
    return threads


def _cheapest(cost: np.ndarray) -> list[tuple[int, int]]:
    """The places (thread, row) of costs (threads rows) of least sum, each thread and row at most once."""
    if cost.shape == (1, 1):
        return [(0, 0)]
    from scipy.optimize import linear_sum_assignment  # takes half a second, and most clips show one person

    return [(int(i), int(row)) for i, row in zip(*linear_sum_assignment(cost), strict=True)]


def _others_fit(cost: np.ndarray, taken: list[tuple[int, int]], known: list[int], i: int, row: int) -> bool:
    """Whether thread i might as well have another row, or its row another known thread, those exchanged that have one."""
    row_of, thread_of = dict(taken), {other: thread for thread, other in taken}
    for other in range(cost.shape[1]):
        k = thread_of.get(other)
        if other != row and (k is None or k in known):
            exchanged = cost[i, other] - cost[i, row] + (0.0 if k is None else cost[k, row] - cost[k, other])
            if exchanged < CLOSE_HEIGHTS:
                return True
    return any(cost[k, row] - cost[i, row] < CLOSE_HEIGHTS for k in known if k != i and k not in row_of)


def _cost(thread: _Thread, frame: int, points: np.ndarray, colour: np.ndarray, params: TrackingParams) -> float:
    """Return the distance in heights from where the person is expected, plus the difference in colours; FAR when either is too large."""
    lost = frame - thread.last
    expected = thread.points + thread.velocity * min(lost, STEADY_FRAMES)
    boxes = person_boxes(np.stack([thread.points, points]))
    height = np.nanmax([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])
    both = np.isfinite(expected).all(axis=1) & np.isfinite(points).all(axis=1)
    if not np.isfinite(points).any():
        return FAR
    if both.any():
        away = float(np.median(np.linalg.norm(points[both] - expected[both], axis=1)) / height)
    else:
        away = float(np.linalg.norm(np.nanmean(points, axis=0) - np.nanmean(expected, axis=0)) / height)
    if away > params.max_step_heights * np.sqrt(lost):
        return FAR
    difference = colour_difference(thread.colours, colour)
    return FAR if difference > params.max_colour_difference else away + params.colour_weight * difference


def _extend(thread: _Thread, frame: int, row: int, points: np.ndarray, colour: np.ndarray) -> None:
    both = np.isfinite(points).all(axis=1) & np.isfinite(thread.points).all(axis=1)
    if both.any():
        step = np.median(points[both] - thread.points[both], axis=0) / (frame - thread.last)
        thread.velocity = 0.5 * thread.velocity + 0.5 * step
    thread.points, thread.last = points, frame
    mixed = COLOUR_KEEP * thread.colours + (1 - COLOUR_KEEP) * colour
    thread.colours = np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(colour), colour, thread.colours))
    thread.seen.append((frame, row))


def _gather(
    people: list[People], colours: list[np.ndarray], seen: list[list[tuple[int, int]]], doubts: list[list[int]], joints: int, named: bool
) -> Tracks:
    points, score = np.full((len(people), len(seen), joints, 2), np.nan), np.zeros((len(people), len(seen), joints))
    limbs = colours[0].shape[1] if colours else 0
    medians = np.full((len(seen), limbs, 3), np.nan)
    lengths = np.array([len(rows) for rows in seen], np.int64)
    frames, rows = np.array([place for places in seen for place in places], np.int64).reshape(-1, 2).T
    owners, firsts = np.repeat(np.arange(len(seen)), lengths), np.cumsum(lengths) - lengths
    shown = np.full((len(frames), limbs, 3), np.nan)
    by_frame = np.argsort(frames, kind="stable")
    for places in np.split(by_frame, np.flatnonzero(np.diff(frames[by_frame])) + 1):
        for frame in frames[places[:1]].tolist():  # none where nobody is seen at all
            here, group = rows[places], people[frame]
            points[frame, owners[places]], score[frame, owners[places]] = group.points[here], group.score[here]
            shown[places] = colours[frame][here]
    for length in np.unique(lengths).tolist():  # tracks of one length at once: labels may name thousands that are seen once
        alike = np.flatnonzero(lengths == length)
        places = firsts[alike, None] + np.arange(length)
        for some in np.array_split(np.arange(limbs), -(-limbs // LIMBS_AT_ONCE) or 1):
            medians[np.ix_(alike, some)] = _medians(shown[places[..., None], some])
    return Tracks(points, score, medians, tuple(map(tuple, doubts)), named)


def _medians(colours: np.ndarray) -> np.ndarray:
    """Medians over time (p l 3) of limbs' colours (p t l 3), NaN where a limb is never seen."""
    if colours.shape[1] == 1:
        return colours[:, 0]
    never = np.asarray(np.isnan(colours).all(axis=(1, 3)))
    filled = np.where(never[:, None, :, None], 0.0, colours)
    return np.where(never[:, :, None], np.nan, np.nanmedian(filled, axis=1))
