"""Laws of following people and choosing one."""

from pathlib import Path

import numpy as np
import pytest
from pose.standing import BODY, GATES, TRACKING

from pipeline.errors import InputError
from pipeline.pose.people import People, nobody
from pipeline.pose.select import Gates, read_select, select_person
from pipeline.pose.tracks import Tracks, link_people

T = 40


def crossing(seen_behind: bool) -> tuple[list[People], list[np.ndarray], np.ndarray]:
    """Two people who walk through each other; the one behind may be hidden meanwhile. Rows are shuffled from frame to frame."""
    rng, people, colours = np.random.default_rng(0), [], []
    true = np.stack([np.add(BODY, (100 + 5 * t, 200)) for t in range(T)]), np.stack([BODY * 0.9 + (300 - 5 * t, 200) for t in range(T)])
    for t in range(T):
        hidden = not seen_behind and abs(true[0][t, 0, 0] - true[1][t, 0, 0]) < 40
        shown = [0] if hidden else [int(i) for i in rng.permutation(2)]
        people.append(People(np.stack([true[i][t] for i in shown]), np.ones((len(shown), 4))))
        colours.append(np.stack([np.full((3, 3), 0.2 + 0.5 * i) for i in shown]))
    return people, colours, np.stack(true, axis=1)


@pytest.mark.parametrize("seen_behind", [True, False])
def test_people_who_cross_are_not_exchanged(seen_behind: bool) -> None:
    people, colours, true = crossing(seen_behind)
    tracks = link_people(people, colours, TRACKING)
    assert tracks.points.shape[1] == 2
    seen = np.isfinite(tracks.points)
    np.testing.assert_array_equal(tracks.points[seen], true[seen])


def test_a_backends_identities_rule() -> None:
    people = [People(np.stack([BODY + 1000 * t, BODY]), np.ones((2, 4)), np.array([7, 3])) for t in range(4)]
    tracks = link_people(people, [np.full((2, 1, 3), np.nan)] * 4, TRACKING)
    assert {tracks.points[3, p, 1, 0] for p in range(2)} == {0.0, 3000.0}


def two_people(second: range = range(T), scale: float = 1.0) -> Tracks:
    points = np.full((T, 2, 4, 2), np.nan)
    points[:, 0] = np.add(BODY, (100, 200))
    points[second, 1] = BODY * scale + (300, 200)
    return Tracks(points, np.isfinite(points[..., 0]).astype(float), np.full((2, 3, 3), np.nan), ((), ()), named=False)


def test_auto_asks_when_a_second_person_is_as_likely(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"track 0 \(40 frames, 101 px high.*track 1 \(40 frames.*clips.ana.select.*sheet.png"):
        select_person(two_people(), "auto", GATES, "ana", tmp_path / "sheet.png")


@pytest.mark.parametrize(("frames", "scale"), [(range(11), 1.0), (range(T), 0.4)])
def test_auto_takes_the_main_person_when_the_other_is_brief_or_small(frames: range, scale: float) -> None:
    assert select_person(two_people(frames, scale), "auto", GATES, "ana", None) == 0


@pytest.mark.parametrize("value", [{"frame": 3, "point_xy": [302, 210]}, {"frame": 3, "box_xyxy": [280, 100, 330, 260]}, {"track": 1}])
def test_a_point_a_box_and_a_track_choose_the_second_person(value: dict) -> None:
    assert select_person(two_people(), read_select(value, "clips.ana.select"), GATES, "ana", None) == 1


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"frame": 3, "point_xy": [5, 5]}, "found nobody there; seen: track 0"),
        ({"frame": 3, "box_xyxy": [0, 0, 5, 5]}, "found nobody there"),
        ({"track": 2}, "found nobody there"),
        ({"frame": 40, "point_xy": [5, 5]}, "names frame 40, the clip has 40"),
    ],
)
def test_a_selection_that_hits_nobody_lists_the_tracks(value: dict, match: str) -> None:
    with pytest.raises(InputError, match=match):
        select_person(two_people(), read_select(value, "clips.ana.select"), GATES, "ana", None)


@pytest.mark.parametrize("value", ["main", {"frame": 3}, {"track": -1}, {"frame": 1, "point_xy": [1]}, None])
def test_a_selection_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"clips.ana.select must be auto, \{frame: 0"):
        read_select(value, "clips.ana.select")


def test_too_few_frames_and_nobody_are_errors_unless_allowed() -> None:
    tracks = two_people(range(5))
    with pytest.raises(InputError, match="at least 50% of its frames, found track 1 in 5 of 40"):
        select_person(tracks, read_select({"track": 1}, "s"), GATES, "ana", None)
    empty = link_people([nobody(4)] * T, [np.zeros((0, 3, 3))] * T, TRACKING)
    with pytest.raises(InputError, match="no person at all in 40 frames"):
        select_person(empty, "auto", GATES, "ana", None)
    assert select_person(empty, "auto", Gates(0.0, empty_allowed=True, least_px=None), "ana", None) is None
    assert select_person(two_people(), "auto", Gates(0.0, empty_allowed=True, least_px=None), "ana", None) == 0
