"""Which real frames training draws as references: at honest distances, and such as show what the first one hides."""

import numpy as np
from crossed_legs import APART, CROSSED, CROSSED_TOO, HUMAN, RAISED, pose
from drawn_stick import make_track

from pipeline.appearance.references import NONE, ReferenceDrawer
from pipeline.body.pose_distance import gap_distances, warp_distances


def test_a_reference_is_drawn_as_far_away_as_unseen_poses_are_and_is_never_the_frame_itself(stick):
    points = make_track(stick, 40).points
    rows = np.arange(0, 40, 2)
    drawer = ReferenceDrawer(points, [rows], stick, absent=0.25, far=0.0)
    wanted = gap_distances(points[rows], stick)
    draws = [drawer.draw(np.array([9, 10, 11]), 3, np.random.default_rng(i)) for i in range(200)]
    assert 0.1 < np.mean([d[0] == NONE for d in draws]) < 0.4
    met = []
    for drawn in (d for d in draws if d[0] != NONE):
        distances = warp_distances(points[10], points[drawn], stick)
        assert 10 not in drawn
        assert set(drawn) <= set(rows)
        assert np.abs(distances[0] - wanted).min() < 1e-3  # the stick turns evenly: some row is as far away as is asked
        assert (np.diff(distances) >= 0).all()
        met.append(np.abs(distances[0] - wanted).argmin())
    assert (np.bincount(met, minlength=len(wanted)) > 0.1 * len(met)).all()  # near and far alike, not the nearest each time


def test_some_references_are_drawn_from_anywhere(stick):
    points = make_track(stick, 40).points
    drawer = ReferenceDrawer(points, [np.arange(40)], stick, absent=0.0, far=1.0)
    draws = [int(drawer.draw(np.array([9, 10, 11]), 1, np.random.default_rng(i))[0]) for i in range(200)]
    assert max(draws) > 35
    assert len(set(draws)) > 25
    assert 10 not in draws


def test_what_the_first_reference_hides_is_learnt_from_one_that_shows_it():
    """As in rendering: of four frames the second and third have their legs crossed, the last shows both, its arms elsewhere."""
    points = np.stack([APART, CROSSED, CROSSED_TOO, RAISED])
    drawer = ReferenceDrawer(points, [np.arange(4)], HUMAN, absent=0.0, far=0.0)
    drawer.wanted = warp_distances(APART, points[1:2], HUMAN)
    draws = [drawer.draw(np.array([0]), 3, np.random.default_rng(i)).tolist() for i in range(3)]
    assert draws == [[1, 3, 2]] * 3


def test_what_a_ball_hides_in_the_first_reference_is_learnt_from_one_that_shows_it():
    points = np.stack([pose(right_wrist=(30, 50 - up)) for up in (0, 1, 2, 12)])
    down, across = np.indices((130, 100))
    ball = ((np.hypot(across - 42, down - 98) < 10) * 255).astype(np.uint8)
    for transient, wanted in (({}, [1, 2, 3]), ({1: ball, 2: ball}, [1, 3, 2])):
        drawer = ReferenceDrawer(points, [np.arange(4)], HUMAN, 0.0, 0.0, transient)
        drawer.wanted = np.zeros(1)
        assert drawer.draw(np.array([0]), 3, np.random.default_rng(0)).tolist() == wanted


def test_the_first_one_is_as_far_as_was_asked_for_though_it_hides_a_limb():
    """A leg hangs over the other in the second frame, a little farther outside in the third, which rendering would take."""
    over, outside = APART.copy(), APART.copy()
    leg = [HUMAN.index("left_knee"), HUMAN.index("left_ankle")]
    over[leg, 0] = 43.0
    outside[leg, 0] += 15.1
    drawer = ReferenceDrawer(np.stack([APART, over, outside]), [np.arange(3)], HUMAN, absent=0.0, far=0.0)
    drawer.wanted = warp_distances(APART, over[None], HUMAN)
    assert drawer.draw(np.array([0]), 2, np.random.default_rng(0)).tolist() == [1, 2]
