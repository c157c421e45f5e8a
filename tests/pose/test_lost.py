"""Laws of who is who when people are lost, cut away or come back: nobody takes another's place unsaid."""

import cv2
import numpy as np
import pytest
from figure import Figure, Motion, static_background
from pose.standing import BODY, GATES, TRACKING

from pipeline.errors import InputError
from pipeline.pose.joining import join, join_alike
from pipeline.pose.people import People, nobody
from pipeline.pose.select import Gates, join_selected, read_select, select_person
from pipeline.pose.shots import Shots
from pipeline.pose.tracks import Tracks, colour_difference, limb_colours, link_people, without_passers_by

Shown = list[tuple[float, float]]  # of one frame, each person's x and colour


def linked(frames: list[Shown], cuts: tuple[int, ...] = (), **changes: float) -> Tracks:
    """Follow people who stand at x and whose limbs are evenly of one grey."""
    poses = [np.stack([np.add(BODY, (x, 200)) for x, _ in shown]) if shown else None for shown in frames]
    people = [nobody(4) if pose is None else People(pose, np.ones((len(pose), 4))) for pose in poses]
    colours = [np.stack([np.full((3, 3), grey) for _, grey in shown]) if shown else np.zeros((0, 3, 3)) for shown in frames]
    return link_people(people, colours, TRACKING.model_copy(update=changes), cuts)


def pieces(tracks: Tracks) -> list[list[int]]:
    """Each person's frames."""
    return [np.flatnonzero(present).tolist() for present in tracks.present.T]


class TestOfFollowing:
    def test_a_lost_person_is_not_replaced_by_whoever_is_near(self) -> None:
        frames: list[Shown] = [[(100, 0.2)]] * 10 + [[(110, 0.5)]] * 10
        assert pieces(linked(frames)) == [list(range(10)), list(range(10, 20))]
        assert pieces(linked(frames, max_colour_difference=1.0)) == [list(range(20))]
        assert pieces(linked([*frames[:10], [], [], *frames[10:]])) == [list(range(10)), list(range(12, 22))]

    def test_a_lost_person_who_looks_the_same_goes_on(self) -> None:
        tracks = linked([[(100, 0.2)]] * 10 + [[]] * 5 + [[(110, 0.24)]] * 10)
        assert pieces(tracks) == [[*range(10), *range(15, 25)]]
        assert tracks.doubts == ((),)

    def test_a_frame_in_which_somebody_may_have_changed_is_named(self) -> None:
        tracks = linked([[(100, 0.2)]] * 10 + [[]] * 5 + [[(110, 0.29)]] * 10)
        assert tracks.doubts == ((15,),)
        both = [(100.0, 0.2), (300.0, 0.2)]
        meeting: list[Shown] = [[(100 + 5.0 * t, 0.2), (300 - 5.0 * t, 0.2)] for t in range(41)]
        named = {frame for doubts in linked(meeting).doubts for frame in doubts}
        assert named
        assert named <= set(range(16, 26))
        unlike: list[Shown] = [[(x, 0.2 + 0.5 * i) for i, (x, _) in enumerate(shown)] for shown in meeting]
        assert linked(unlike).doubts == ((), ())
        assert linked([both] * 30).doubts == ((), ())

    def test_a_cut_ends_tracks(self) -> None:
        frames: list[Shown] = [[(100, 0.2)]] * 20
        assert pieces(linked(frames, (8,))) == [list(range(8, 20)), list(range(8))]
        assert pieces(linked(frames)) == [list(range(20))]


@pytest.mark.parametrize("height", [60, 100, 240])
def test_limbs_are_as_colourful_as_they_are_wide(height: int) -> None:
    """The shins of a person of any size have the trousers' colour, not the ground's."""
    figure = Figure(height, colours={"right_trouser": (250, 0, 0), "left_trouser": (250, 0, 0)})
    pose = figure.points(1, (160, 290), Motion())
    image = figure.render(pose, np.full((300, 320, 3), 220, np.uint8))[0]
    shins = [(figure.joints.index(f"{side}_knee"), figure.joints.index(f"{side}_ankle")) for side in ("left", "right")]
    found = limb_colours(image, [People(pose[0][None], np.ones((1, len(figure.joints))))], shins)[0][0]
    assert np.abs(found - np.array([250, 0, 0]) / 255).mean() < 0.2


class TestOfJoining:
    def away(self, grey: float = 0.21) -> Tracks:
        return linked([[(100, 0.2)]] * 30 + [[]] * 40 + [[(400, grey)]] * 30)

    def test_pieces_that_look_alike_are_one_person(self) -> None:
        tracks = self.away()
        assert pieces(tracks) == [list(range(30)), list(range(70, 100))]
        joined = join_alike(tracks, 0.06)
        assert pieces(joined) == [[*range(30), *range(70, 100)]]
        assert joined.doubts == ((70,),)
        np.testing.assert_array_equal(joined.points[70:, 0], tracks.points[70:, 1])
        assert colour_difference(joined.colours[0], np.full((3, 3), 0.205)) < 1e-9
        assert select_person(joined, "auto", GATES, "ana", None) == 0

    def test_pieces_that_look_different_stay_apart_and_the_remedy_is_named(self) -> None:
        tracks = join_alike(self.away(0.5), 0.06)
        assert len(pieces(tracks)) == 2
        with pytest.raises(InputError, match=r"track 0 .*or \{tracks: \[N, M\]\} where they are one person: no two are seen at"):
            select_person(tracks, "auto", GATES, "ana", None)
        assert len(pieces(join_alike(self.away(), 0.0))) == 2

    def test_people_seen_at_once_are_never_joined(self) -> None:
        tracks = linked([[(100, 0.2), (400, 0.2)]] * 30)
        assert len(pieces(join_alike(tracks, 1.0))) == 2

    def test_a_piece_that_fits_two_people_is_left_alone(self) -> None:
        twins = linked([[(100, 0.2), (400, 0.22)]] * 30 + [[]] * 30 + [[(250, 0.21)]] * 30)
        assert len(pieces(join_alike(twins, 0.06))) == 3
        others = linked([[(100, 0.2), (400, 0.4)]] * 30 + [[]] * 30 + [[(250, 0.21)]] * 30)
        assert sorted(map(len, pieces(join_alike(others, 0.06)))) == [30, 60]

    def test_whom_a_backend_follows_itself_is_left_to_it(self) -> None:
        people = [People(BODY[None] + 200, np.ones((1, 4)), np.array([int(t > 9)])) for t in range(20)]
        tracks = link_people(people, [np.full((1, 3, 3), 0.2)] * 20, TRACKING)
        assert len(pieces(join_alike(tracks, 0.06))) == 2

    def test_who_comes_and_goes_all_day_is_one_person_and_a_passer_by_is_left_out(self) -> None:
        visit: list[Shown] = [*[[(100.0, 0.2)]] * 40, *[[]] * 70]
        frames = [*visit * 30, *[[(100.0, 0.9)]] * 40]
        joined = join_alike(linked(frames), 0.06)
        tracks = without_passers_by(joined, TRACKING.min_fraction)
        assert [len(frames) for frames in pieces(joined)] == [30 * 40, 40]
        assert [len(frames) for frames in pieces(tracks)] == [30 * 40]
        assert [len(frames) for frames in pieces(without_passers_by(joined, 0.0))] == [30 * 40, 40]

    def test_what_is_seen_for_a_moment_is_no_piece_unless_there_is_no_other(self) -> None:
        blip: list[Shown] = [[(100.0, 0.2)]] * 8
        assert pieces(linked([*blip, *[[]] * 992])) == [list(range(8))]
        frames: list[Shown] = [*blip, *[[]] * 92, *[[(100.0, 0.2)]] * 900]
        assert pieces(linked(frames)) == [list(range(100, 1000))]

    def test_a_user_joins_by_numbers(self) -> None:
        tracks = self.away(0.5)
        joined, select = join_selected(tracks, read_select({"tracks": [1, 0]}, "s"), "ana")
        assert select_person(joined, select, GATES, "ana", None) == 0
        assert pieces(joined) == [[*range(30), *range(70, 100)]]
        with pytest.raises(InputError, match=r"must name tracks, found no track 2; seen: track 0"):
            join_selected(tracks, read_select({"tracks": [0, 2]}, "s"), "ana")
        at_once = linked([[(100, 0.2), (400, 0.2)]] * 30)
        with pytest.raises(InputError, match=r"found two of them at once in 30 frames, first in frame 0; name others: track 0"):
            join_selected(at_once, read_select({"tracks": [0, 1]}, "s"), "ana")
        with pytest.raises(ValueError, match="share a frame"):
            join(at_once, [0, 1])

    def test_of_three_tracks_two_are_joined_and_found(self) -> None:
        tracks = linked([[(100, 0.2), (700, 0.9)]] * 40 + [[(700, 0.9)]] * 30 + [[(400, 0.5), (700, 0.9)]] * 30)
        assert [len(frames) for frames in pieces(tracks)] == [100, 40, 30]
        joined, select = join_selected(tracks, read_select({"tracks": [2, 1]}, "s"), "ana")
        chosen = select_person(joined, select, GATES, "ana", None)
        assert pieces(joined)[chosen] == [*range(40), *range(70, 100)]


def test_a_person_too_small_to_be_found_is_spoken_of() -> None:
    small = Gates(0.5, empty_allowed=False, least_px=213.3)
    advice = r"a sixth of the frame's longer side, 213 px, to be found: where yours is smaller, crop the video"
    with pytest.raises(InputError, match=rf"no person at all in 30 frames; .*{advice}.*or name another video"):
        select_person(linked([[]] * 30), "auto", small, "ana", None)
    with pytest.raises(InputError, match=rf"found track 0 in 5 of 30; .*{advice}"):
        select_person(linked([[(100, 0.2)]] * 5 + [[]] * 25), "auto", small, "ana", None)
    with pytest.raises(InputError, match=r"lower pose\.min_present_fraction$"):
        select_person(linked([[(100, 0.2)]] * 5 + [[]] * 25), "auto", Gates(0.5, empty_allowed=False, least_px=90), "ana", None)


class TestOfCuts:
    SIZE_HW = (96, 128)

    def shot(self, frames: int, seed: int) -> np.ndarray:
        """A figure that walks over a background of its own."""
        rng = np.random.default_rng(seed)
        background = cv2.resize(rng.integers(0, 256, (4, 5, 3)).astype(np.uint8), self.SIZE_HW[::-1])
        figure = Figure(height_px=70)
        return figure.render(figure.points(frames, (50, 90), Motion(travel=0.3)), background)[0]

    def cuts(self, *shots: np.ndarray, ratio: float = 3.0) -> list[int]:
        looker = Shots()
        clip = np.concatenate(shots)
        for start in range(0, len(clip), 7):
            looker.look(clip[start : start + 7])
        return looker.cuts(ratio)

    def test_the_first_frame_of_each_shot_is_found(self) -> None:
        parts = self.shot(20, 1), self.shot(15, 2), np.full((10, *self.SIZE_HW, 3), 128, np.uint8), self.shot(8, 3)
        assert self.cuts(*parts) == [20, 35, 45]
        assert self.cuts(*parts, ratio=1e6) == []

    def test_one_shot_has_no_cut(self) -> None:
        figure = Figure(height_px=90)
        fast = figure.render(figure.points(30, (20, 94), Motion(period=8, travel=1.0)), static_background(self.SIZE_HW))[0]
        assert self.cuts(fast) == []
        assert self.cuts(self.shot(1, 1)) == []

    def test_a_flash_is_no_cut(self) -> None:
        clip = self.shot(20, 1)
        clip[10] = np.minimum(clip[10].astype(int) + 120, 255)
        assert self.cuts(clip) == []
        clip[11:13] = np.minimum(clip[11:13] + np.array([80, 30])[:, None, None, None], 255)  # one that fades
        assert self.cuts(clip) == []

    def test_a_cut_through_frames_of_both_shots_or_of_none_is_found(self) -> None:
        first, second = self.shot(20, 1), self.shot(20, 2)
        for count in (1, 2, 3):
            share = np.linspace(0, 1, count + 2)[1:-1, None, None, None]
            blended = ((1 - share) * first[-1] + share * second[0]).astype(np.uint8)
            assert self.cuts(first, blended, second) == [20 + count]  # a converted frame rate, or fields of both
            assert self.cuts(first, np.zeros_like(blended), second) == [20 + count]
