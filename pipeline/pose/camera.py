"""Does a clip's camera move, and if it does: how every frame lies in one still view (not in the paper, whose cameras stand still)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

import cv2
import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.errors import InputError, warn
from pipeline.params import read_value
from pipeline.picture.camera import Camera, apply_homography, corners_of
from pipeline.pose.matching import FITS_PX, Small, match, small, verdict
from pipeline.pose.people import person_boxes
from pipeline.pose.registration import register
from pipeline.pose.tracks import Tracks
from pipeline.progress import Progress
from pipeline.timeline.sampling import spread_evenly

Wish = Literal["auto", "still", "moving"]
SAMPLES = 12  # frames that are asked whether the camera moves
STILL_PX, STILL_SHARE = 2.0, 0.0015  # a camera that strays by less, of the frame's diagonal too, stands still
LEAST_MOVES, LEAST_MOVED = 2, 0.15  # so many of the answers, and such a share of them, make a camera moving
GROW = 0.15  # of a box's longer side: hair, hands and feet reach beyond the joints
LONGEST_GAP = 5  # frames whose features do not tell, as a blurred one's, between two that do: the camera goes on evenly there
REMEMBERED = 15  # frames for which a person who is missed hides what it hid
LEAST_KNOWN = 0.5  # share of the subject's frames that must be laid onto the reference
LARGEST_VIEW = 4.0  # area of the view over that of a frame
NAMED = 6


@dataclass(frozen=True)
class Scene:
    """What is known of a clip before its camera is: frames, boxes of people (t p 4) in their px, grown; NaN where nobody is.

    own (t 4): the subject's; cuts: first frames of later shots; border: first held-out frame, the clip's length without one.
    """

    clip: str
    frames: Frames
    boxes: np.ndarray
    own: np.ndarray
    cuts: list[int]
    border: int

    def look(self, t: int) -> Small:
        """Frame t as features are looked for."""
        return small(self.frames[int(t)], self.boxes[t])


def scene_of(clip: str, frames: Frames, tracks: Tracks, selected: int, cuts: list[int], border: int) -> Scene:
    """Gather a scene; who is missed in a frame hides what it hid in the nearest one not far from it."""
    boxes = person_boxes(tracks.points)
    pads = GROW * np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
    grown = np.concatenate([boxes[..., :2] - pads[..., None], boxes[..., 2:] + pads[..., None]], axis=-1)
    return Scene(clip, frames, _remembered(grown, border), grown[:, selected], cuts, border)


def read_camera(params: str | os.PathLike[str], clip: str) -> Wish:
    """Return clips.<clip>.camera, auto where it is left out; InputError for another value."""
    entry = read_value(params, f"clips.{clip}")
    wish = entry.get("camera", "auto") if isinstance(entry, Mapping) else "auto"
    if wish not in get_args(Wish):
        raise InputError(f"{params}: clips.{clip}.camera must be one of {', '.join(get_args(Wish))}, found {wish!r}: correct it.")
    return wish


def camera_of(scene: Scene, wish: Wish) -> Camera | None:
    """Return how the camera moved, None where it stands still, or nothing tells that it moves.

    What is learnt from frames before the border does not depend on later ones. Frames beyond a cut are not trusted. InputError
    where the camera is said to move and goes farther than one view can show.
    """
    present = np.asarray(np.isfinite(scene.own).all(axis=1))
    if wish == "still" or not present.any():
        return None
    first, end = _shot(scene, present)
    seen = first + np.flatnonzero(present[first:end])
    learnt, later = seen[seen < scene.border], seen[seen >= scene.border]
    if not len(learnt):
        return None
    reference = int(learnt[len(learnt) // 2])
    still: range = range(0)
    if wish == "auto" and not moves(scene, learnt, reference):
        if not moves(scene, later, reference):
            return None
        still = range(first, min(scene.border, end))
    runs = [range(reference - 1, first - 1, -1), range(reference + 1, end)] if not still else [range(still.stop, end)]
    with Progress(1 + sum(map(len, runs)), "register_camera") as progress:
        maps, known = register(partial(_look, scene, progress), reference, still, runs, len(scene.frames))
    return _checked(scene, wish, maps, known, reference, seen, learnt)


def in_view(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Points (t ... 2) of the frames' pixels in the view's; NaN where the frame's map is not trusted."""
    return np.stack([camera.points(t, p) if camera.trusted[t] else np.full_like(p, np.nan) for t, p in enumerate(points)])


def moves(scene: Scene, at: np.ndarray, reference: int) -> bool:
    """Whether the camera moves in the frames `at`, as a few of them tell, compared with the reference and with each other."""
    size_hw = scene.frames.size_hw
    limit = max(STILL_PX, STILL_SHARE * float(np.hypot(*size_hw)))
    chosen = [int(t) for t in spread_evenly(at[at != reference], SAMPLES)]
    looks = {t: scene.look(t) for t in (reference, *chosen)}
    limit *= float(looks[reference].shrink[0, 0])
    told = {t: _moved(looks[reference], looks[t], limit) for t in chosen}
    answers = [*told.values()]
    for a, b in pairwise(chosen):
        if told[a] is not False or told[b] is not False:  # else both stand where the reference does
            answers.append(_moved(looks[a], looks[b], limit))
    if sum(answer is None for answer in answers) > len(answers) / 2:  # so far apart they show other things
        answers += [_moved(looks[t], scene.look(t + 1), limit) for t in chosen if t < at[-1] and t + 1 not in scene.cuts]
    moving, known = sum(a is True for a in answers), sum(a is not None for a in answers)
    return moving >= max(LEAST_MOVES, LEAST_MOVED * known)


def _moved(key: Small, frame: Small, limit_px: float) -> bool | None:
    return verdict(match(key, frame, fits_px=FITS_PX[:1]), limit_px)


def _look(scene: Scene, progress: Progress, t: int) -> Small:
    progress.advance()
    return scene.look(t)


def _shot(scene: Scene, present: np.ndarray) -> tuple[int, int]:
    """The shot [first, end) with most of the subject's frames before the border."""
    edges = [0, *scene.cuts, len(present)]
    return max(pairwise(edges), key=lambda shot: int(present[shot[0] : min(shot[1], scene.border)].sum()))


def _remembered(boxes: np.ndarray, border: int) -> np.ndarray:
    """The same boxes (t p 4); where a person is missed, its box in the nearest frame not far away on the same side of the border."""
    filled, times = boxes.copy(), np.arange(len(boxes))
    for person in range(boxes.shape[1]):
        seen = np.isfinite(boxes[:, person, 0])
        for side in (times < border, times >= border):
            there, missed = times[seen & side], times[~seen & side]
            if not len(there) or not len(missed):
                continue
            after = np.searchsorted(there, missed).clip(0, len(there) - 1)
            before = (after - 1).clip(0)
            nearest = np.where(abs(there[after] - missed) < abs(there[before] - missed), there[after], there[before])
            near = abs(nearest - missed) <= REMEMBERED
            filled[missed[near], person] = boxes[nearest[near], person]
    return filled


def _checked(
    scene: Scene, wish: Wish, maps: np.ndarray, known: np.ndarray, reference: int, seen: np.ndarray, learnt: np.ndarray
) -> Camera | None:
    """The camera with its view, None (said why) where too little is known of it; learnt: the frames to learn from, of those seen."""
    clip = scene.clip
    maps, known = _bridged(maps, known, scene)
    share = float(known[learnt].mean())
    if share < LEAST_KNOWN:
        warn(
            f"the camera of clip {clip} could be followed in {share:.0%} of the subject's frames only: it is taken to stand still; "
            "film a background with more detail, or cut the clip by its span"
        )
        return None
    low, high = _view(scene, maps, known)
    size_hw = int(high[1] - low[1]), int(high[0] - low[0])
    filmed_hw = scene.frames.size_hw
    if size_hw[0] * size_hw[1] > LARGEST_VIEW * filmed_hw[0] * filmed_hw[1]:
        sizes = f"{size_hw[1]}x{size_hw[0]} px as its camera follows, a frame has {filmed_hw[1]}x{filmed_hw[0]}"
        found = f"the subject of clip {clip} goes through {sizes}"
        remedy = f"give it a shorter span, clips.{clip}.span"
        if wish == "moving":
            raise InputError(f"One view must show all of a moving camera's way, at most {LARGEST_VIEW:g} times a frame: {found}; {remedy}")
        warn(f"{found}: the camera is taken to stand still; {remedy}")
        return None
    shift = np.array([[1.0, 0.0, -low[0]], [0.0, 1.0, -low[1]], [0.0, 0.0, 1.0]])
    lost = np.setdiff1d(seen, np.flatnonzero(known))
    if len(lost):
        some = ", ".join(map(str, lost[:NAMED])) + (" ..." if len(lost) > NAMED else "")
        warn(f"the camera of clip {clip} could not be followed in {len(lost)} frames ({some}): the subject counts as absent there")
    return Camera(shift @ maps, known, filmed_hw, size_hw, reference)


def _bridged(maps: np.ndarray, known: np.ndarray, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The same maps (t 3 3) and what is known (t), short gaps between two known frames on one side of the border filled evenly."""
    maps, filled, at = maps.copy(), known.copy(), np.flatnonzero(known)
    clock = scene.frames.clock
    times = clock.steps() if clock.has_time else np.arange(len(maps))
    corners = corners_of(scene.frames.size_hw)
    for a, b in pairwise(at.tolist()):
        if 1 < b - a <= LONGEST_GAP + 1 and (a < scene.border) == (b < scene.border):
            ends = [apply_homography(maps[t], corners) for t in (a, b)]
            for t in range(a + 1, b):
                moved = ends[0] + (ends[1] - ends[0]) * (times[t] - times[a]) / (times[b] - times[a])
                maps[t] = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
            filled[a + 1 : b] = True
    return maps, filled


def _view(scene: Scene, maps: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last-but-one whole pixels (x, y) of the reference frame, widened to wherever the subject goes."""
    ends = np.array(scene.frames.size_hw[::-1], np.float64) - 1
    points = [corners_of(scene.frames.size_hw)]
    for t in np.flatnonzero(known & np.isfinite(scene.own).all(axis=1)):
        x0, y0, x1, y1 = np.clip(scene.own[t], 0, np.tile(ends, 2))
        points.append(apply_homography(maps[t], np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])))
    every = np.concatenate(points)
    return np.floor(every.min(axis=0) + 1e-6), np.ceil(every.max(axis=0) - 1e-6) + 1
