"""Who is who from frame to frame: people are linked by where their joints are expected and by the colours of their limbs."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from pipeline.params import Section
from pipeline.pose.people import People, person_boxes

COLOUR_SCALE = 8  # limbs' colours are read from a picture this much smaller, so that a pixel is a patch
STEADY_FRAMES = 5  # a lost person is expected to go on moving for so long, then to wait
COLOUR_KEEP = 0.9  # share of the remembered colours that survives a frame
FAR = 1e6


class TrackingParams(Section):
    """Section `pose.tracking` of params.yaml."""

    max_step_heights: float = Field(gt=0, le=5)
    max_lost_frames: int = Field(ge=0, le=10_000)
    colour_weight: float = Field(ge=0, le=20)
    min_fraction: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Tracks:
    """People over time: points (t p j 2) float64 and score (t p j); the person most seen, largest first; NaN = missing."""

    points: np.ndarray
    score: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Whether person p is seen at all (t p) bool."""
        return np.asarray(np.isfinite(self.points[..., 0]).any(axis=2))

    @property
    def heights(self) -> np.ndarray:
        """Median over time (p) of the longer side of each person's box, in px."""
        boxes = person_boxes(self.points)
        sides = np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
        return np.array([np.nanmedian(side) for side in sides.T])


@dataclass
class _Thread:
    """A person being followed: last pose, velocity of its centre (px a frame), last frame, limb colours, frames and rows so far."""

    points: np.ndarray
    velocity: np.ndarray
    last: int
    colours: np.ndarray
    seen: list[tuple[int, int]] = field(default_factory=list)


def limb_colours(block: np.ndarray, people: list[People], limbs: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return for each frame of block (n h w 3) the colours (p l 3), 0..1, at the middles of people's limbs; NaN where unseen."""
    colours = []
    for image, group in zip(block, people, strict=True):
        height, width = (max(1, side // COLOUR_SCALE) for side in image.shape[:2])
        found = np.full((len(group), len(limbs), 3), np.nan)
        if len(group) and limbs:
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
            parents, children = np.array(limbs).T
            middle = (group.points[:, parents] + group.points[:, children]) / 2 * (width / image.shape[1], height / image.shape[0])
            inside = np.isfinite(middle).all(axis=2) & (middle >= 0).all(axis=2) & (middle < (width, height)).all(axis=2)
            x, y = middle[inside].astype(int).T
            found[inside] = small[y, x]
        colours.append(found)
    return colours


def link_people(people: list[People], colours: list[np.ndarray], params: TrackingParams) -> Tracks:
    """Link the people of t frames into tracks; a backend's own identities rule where it gives them.

    A track seen in fewer than min_fraction of the frames is left out, unless there is no other.
    """
    if any(group.identity is not None for group in people):
        seen = _follow_identity(people)
    else:
        seen = _follow(people, colours, params)
    joints = people[0].points.shape[1] if people else 0
    return _gather(people, seen, joints, params.min_fraction)


def _follow_identity(people: list[People]) -> list[list[tuple[int, int]]]:
    threads: dict[int, list[tuple[int, int]]] = {}
    for frame, group in enumerate(people):
        for row, name in enumerate([] if group.identity is None else group.identity.tolist()):
            if np.isfinite(group.points[row]).any():
                threads.setdefault(name, []).append((frame, row))
    return [threads[name] for name in sorted(threads)]


def _follow(people: list[People], colours: list[np.ndarray], params: TrackingParams) -> list[list[tuple[int, int]]]:
    threads: list[_Thread] = []
    for frame, (group, colour) in enumerate(zip(people, colours, strict=True)):
        live = [thread for thread in threads if frame - thread.last <= params.max_lost_frames + 1]
        rows, taken = set(range(len(group))), []
        if live and rows:
            cost = np.array([[_cost(thread, frame, group.points[row], colour[row], params) for row in sorted(rows)] for thread in live])
            taken = [(i, row) for i, row in zip(*linear_sum_assignment(cost), strict=True) if cost[i, row] < FAR]
        for i, row in taken:
            _extend(live[i], frame, int(row), group.points[row], colour[row])
            rows.discard(int(row))
        for row in sorted(rows):
            if np.isfinite(group.points[row]).any():
                threads.append(_Thread(group.points[row], np.zeros(2), frame, colour[row], [(frame, row)]))
    return [thread.seen for thread in threads]


def _cost(thread: _Thread, frame: int, points: np.ndarray, colour: np.ndarray, params: TrackingParams) -> float:
    """Return the distance in heights from where the person is expected, plus the difference in colours; FAR when out of reach."""
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
    difference = np.abs(thread.colours - colour).mean(axis=1)
    difference = difference[np.isfinite(difference)]
    return away + params.colour_weight * (float(np.median(difference)) if len(difference) else 0.0)


def _extend(thread: _Thread, frame: int, row: int, points: np.ndarray, colour: np.ndarray) -> None:
    both = np.isfinite(points).all(axis=1) & np.isfinite(thread.points).all(axis=1)
    if both.any():
        step = np.median(points[both] - thread.points[both], axis=0) / (frame - thread.last)
        thread.velocity = 0.5 * thread.velocity + 0.5 * step
    thread.points, thread.last = points, frame
    mixed = COLOUR_KEEP * thread.colours + (1 - COLOUR_KEEP) * colour
    thread.colours = np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(colour), colour, thread.colours))
    thread.seen.append((frame, row))


def _gather(people: list[People], seen: list[list[tuple[int, int]]], joints: int, min_fraction: float) -> Tracks:
    points, score = np.full((len(people), len(seen), joints, 2), np.nan), np.zeros((len(people), len(seen), joints))
    for person, rows in enumerate(seen):
        for frame, row in rows:
            points[frame, person], score[frame, person] = people[frame].points[row], people[frame].score[row]
    tracks = Tracks(points, score)
    frames = tracks.present.sum(axis=0)
    order = np.argsort(-frames * tracks.heights, kind="stable")
    kept = [person for person in order if frames[person] >= min_fraction * len(people)] or order[:1].tolist()
    return Tracks(points[:, kept], score[:, kept])
