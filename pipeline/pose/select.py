"""Which of the people seen the clip is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from pipeline.errors import InputError
from pipeline.params import Section
from pipeline.pose.joining import join
from pipeline.pose.people import person_boxes
from pipeline.pose.tracks import Tracks

RIVAL_FRAMES = 0.3  # a second person in so many of the frames …
RIVAL_HEIGHT = 0.5  # … and so high beside the main one makes the choice the user's
LISTED = 8


class PointSelect(Section):
    """The person whose box holds a point (full pixels) in one frame; of several, the one whose joints are nearest."""

    frame: int = Field(ge=0)
    point_xy: list[float] = Field(min_length=2, max_length=2)


class BoxSelect(Section):
    """The person whose box overlaps a box (full pixels, half-open) most in one frame."""

    frame: int = Field(ge=0)
    box_xyxy: list[float] = Field(min_length=4, max_length=4)


class TrackSelect(Section):
    """The person of this number in the list of tracks that an error or the contact sheet shows."""

    track: int = Field(ge=0)


class TracksSelect(Section):
    """The person whose pieces these tracks are."""

    tracks: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)


Single = Literal["auto"] | PointSelect | BoxSelect | TrackSelect
Select = Single | TracksSelect


@dataclass(frozen=True)
class Gates:
    """What a clip must fulfil: the least share of frames with the person, and whether a clip without any person is in order.

    least_px: the height from which on the backend sees people well; None when it is not known.
    """

    min_present_fraction: float
    empty_allowed: bool
    least_px: float | None


def read_select(value: Any, where: str) -> Select:
    """Return the selection written in params.yaml at the key `where`; InputError says what is legal."""
    try:
        return TypeAdapter(Select).validate_python(value, strict=True)
    except ValidationError:
        legal = "auto, {frame: 0, point_xy: [x, y]}, {frame: 0, box_xyxy: [x0, y0, x1, y1]}, {track: 0} or {tracks: [0, 1]}"
        raise InputError(f"{where} must be {legal}, found {value!r}") from None


def select_person(tracks: Tracks, select: Single, gates: Gates, clip: str, sheet: Path | None) -> int | None:
    """Return the person's number in tracks, None when there is nobody and that is in order.

    Raises InputError: nobody seen; the person in too few frames; auto with a second person as likely; a selection that hits nobody.
    """
    if tracks.points.shape[1] == 0:
        if gates.empty_allowed:
            return None
        raise InputError(
            f"clip {clip} must show a person, found no person at all in {len(tracks.points)} frames; "
            + (f"{_too_small(gates.least_px)}, or name another video" if gates.least_px else "name another video")
        )
    person = _auto(tracks, gates, clip, sheet) if select == "auto" else _chosen(tracks, select, clip, sheet)
    frames, present = len(tracks.points), int(tracks.present[:, person].sum())
    if present < gates.min_present_fraction * frames:
        raise InputError(
            f"clip {clip} must show the person in at least {gates.min_present_fraction:.0%} of its frames, "
            f"found track {person} in {present} of {frames}; cut the video, select another track, or lower pose.min_present_fraction"
            + (f"; {_too_small(gates.least_px)}" if gates.least_px and tracks.heights[person] < gates.least_px else "")
        )
    return person


def needs_choice(tracks: Tracks) -> bool:
    """Whether a second person is as likely to be meant as the main one."""
    present, heights = tracks.present.mean(axis=0), tracks.heights
    return bool(((present >= RIVAL_FRAMES) & (heights >= RIVAL_HEIGHT * heights[:1]))[1:].any())


def join_selected(tracks: Tracks, select: Select, clip: str) -> tuple[Tracks, Single]:
    """Make the pieces that a selection names one track; any other selection passes. InputError when they cannot be one person."""
    if not isinstance(select, TracksSelect):
        return tracks, select
    people = list(dict.fromkeys(select.tracks))
    if lacking := [person for person in people if person >= tracks.points.shape[1]]:
        found = f"found no track {lacking[0]}; seen: {_listing(tracks)}"
        raise InputError(f"clips.{clip}.select = {{tracks: {people}}} must name tracks, {found}. Name others")
    shared = np.flatnonzero(tracks.present[:, people].sum(axis=1) > 1)
    if len(shared):
        raise InputError(
            f"clips.{clip}.select = {{tracks: {people}}} must name pieces of one person, found two of them at once in "
            f"{len(shared)} frames, first in frame {shared[0]}; name others: {_listing(tracks)}"
        )
    return join(tracks, people), TrackSelect(track=people[0] - sum(person < people[0] for person in people[1:]))


def _too_small(least_px: float) -> str:
    return (
        f"a person must fill a sixth of the frame's longer side, {least_px:.0f} px, to be found: "
        "where yours is smaller, crop the video about the person (ffmpeg -i IN -vf crop=WIDTH:HEIGHT:X:Y OUT)"
    )


def _auto(tracks: Tracks, gates: Gates, clip: str, sheet: Path | None) -> int:
    if needs_choice(tracks) and not gates.empty_allowed:
        never = "" if (tracks.present.sum(axis=1) > 1).any() else ", or {tracks: [N, M]} where they are one person: no two are seen at once"
        raise InputError(f"clip {clip} shows several people: {_listing(tracks)}. {_remedy(clip, sheet)}{never}")
    return 0


def _chosen(tracks: Tracks, select: PointSelect | BoxSelect | TrackSelect, clip: str, sheet: Path | None) -> int:
    if isinstance(select, TrackSelect):
        person = select.track if select.track < tracks.points.shape[1] else None
    elif select.frame >= len(tracks.points):
        raise InputError(f"clips.{clip}.select names frame {select.frame}, the clip has {len(tracks.points)}, counted from 0; name another")
    else:
        here = tracks.points[select.frame]
        person = _at_point(here, select.point_xy) if isinstance(select, PointSelect) else _at_box(here, select.box_xyxy)
    if person is None:
        raise InputError(
            f"clips.{clip}.select = {select.model_dump()} must hit a person, found nobody there; "
            f"seen: {_listing(tracks)}. {_remedy(clip, sheet)}"
        )
    return person


def _at_point(people: np.ndarray, point_xy: list[float]) -> int | None:
    boxes, point = person_boxes(people), np.asarray(point_xy)
    inside = np.asarray((boxes[:, :2] <= point).all(axis=1) & (point < boxes[:, 2:]).all(axis=1))
    if not inside.any():
        return None
    away = np.linalg.norm(people - point, axis=2)
    return int(np.argmin(np.where(inside, np.nanmin(np.where(inside[:, None], away, np.inf), axis=1), np.inf)))


def _at_box(people: np.ndarray, box_xyxy: list[float]) -> int | None:
    boxes, box = person_boxes(people), np.asarray(box_xyxy)
    inner = np.clip(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None).prod(axis=1)
    union = np.prod(np.clip(box[2:] - box[:2], 0, None)) + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - inner
    overlap = np.nan_to_num(inner / np.maximum(union, 1e-9))
    return int(np.argmax(overlap)) if overlap.max(initial=0) > 0 else None


def _listing(tracks: Tracks) -> str:
    """Return one phrase a track: number, frames, height, and where it is in its first frame."""
    phrases = []
    for person, height in enumerate(tracks.heights[:LISTED]):
        frames = np.flatnonzero(tracks.present[:, person])
        x, y = np.nanmean(tracks.points[frames[0], person], axis=0)
        phrases.append(f"track {person} ({len(frames)} frames, {height:.0f} px high, at x {x:.0f} y {y:.0f} in frame {frames[0]})")
    return "; ".join(phrases)


def _remedy(clip: str, sheet: Path | None) -> str:
    seen = f" (see {sheet})" if sheet else ""
    return f"Set clips.{clip}.select to {{track: N}}, a point or a box{seen}"
