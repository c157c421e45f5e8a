"""What a picture hides of other poses: crossed legs are counted, by their lengths, where they are asked for."""

import numpy as np
import pytest
from crossed_legs import HUMAN, LEGS, pose

from pipeline.body.hidden import ALONG, FURTHER, NEAR, TWICE, WHOLLY, Hidden

SIZE = 90.0


ARMS = {"right_shoulder": (38, 20), "left_shoulder": (62, 20), "right_elbow": (28, 38), "left_elbow": (72, 38)}
APART = pose(**ARMS)
CROSSED = pose(**ARMS, **LEGS)


def _hidden_of(hidden: Hidden, query: np.ndarray) -> np.ndarray:
    """What each picture hides of each limb of a query (j 2)."""
    pictures = np.arange(len(hidden.pictures))
    return hidden.by(pictures, np.repeat(hidden.covered(query[None]), len(pictures), 0))


def _of_limb(hidden: Hidden, found: np.ndarray, end: str) -> float:
    limb = [limb[1] for limb in hidden.limbs].index(HUMAN.index(end))
    return float(found.reshape(-1, len(ALONG))[limb].sum())


def test_crossed_legs_hide_legs_that_stand_apart_and_nothing_else():
    hidden = Hidden(np.stack([CROSSED, APART]), HUMAN, SIZE)
    crossed, apart = _hidden_of(hidden, APART)
    assert not apart.any()
    shanks = [_of_limb(hidden, crossed, end) for end in ("right_ankle", "left_ankle")]
    weights = [_of_limb(hidden, hidden.weights, end) for end in ("right_ankle", "left_ankle")]
    assert np.allclose(shanks, weights)  # wholly, and by their lengths
    assert all(_of_limb(hidden, crossed, end) == 0 for end in ("right_elbow", "left_elbow", "right_wrist", "left_wrist"))
    assert 0 < crossed.sum() < 1
    assert hidden.weights[: len(hidden.limbs) * len(ALONG)].sum() == pytest.approx(1)


def test_what_lies_over_one_another_in_both_poses_is_not_missed():
    assert not _hidden_of(Hidden(CROSSED[None], HUMAN, SIZE), CROSSED).any()


def test_a_hand_before_a_thigh_does_not_stand_for_the_shank_that_crosses_it_further_down():
    """Places of a limb count each by itself."""
    hand = pose(**ARMS | {"left_elbow": (64, 50), "left_wrist": (57, 66)})
    hidden = Hidden(pose(right_knee=(50, 80), right_ankle=(58, 82))[None], HUMAN, SIZE)
    thighs = [_of_limb(hidden, _hidden_of(hidden, query)[0], "left_knee") for query in (hand, APART)]
    assert thighs[0] == thighs[1] > 0.2 * _of_limb(hidden, hidden.weights, "left_knee")
    assert _of_limb(hidden, hidden.covered(hand[None])[0], "left_knee") > thighs[0]


def test_the_picture_s_size_and_place_change_nothing():
    found = _hidden_of(Hidden(CROSSED[None] * 3 + 40, HUMAN, 3 * SIZE), APART * 3 + 40)
    assert found.any()
    assert np.allclose(found, _hidden_of(Hidden(CROSSED[None], HUMAN, SIZE), APART))


def test_joints_that_were_not_seen_hide_nothing():
    without = CROSSED.copy()
    without[[HUMAN.index("left_knee"), HUMAN.index("left_ankle")]] = np.nan
    found = _hidden_of(Hidden(np.stack([without, np.full_like(without, np.nan)]), HUMAN, SIZE), APART)
    assert np.isfinite(found).all()
    assert not found.any()


def test_what_one_picture_shows_another_need_not():
    hidden = Hidden(np.stack([CROSSED, APART, CROSSED + 1]), HUMAN, SIZE)
    asked = hidden.covered(np.stack([APART, CROSSED]))
    alone = hidden.together(asked, np.full_like(asked, np.inf))
    assert np.allclose(alone[0], [_hidden_of(hidden, APART)[i].sum() for i in range(3)])
    assert np.allclose(alone[1], 0)
    after_first = hidden.together(asked, hidden.by(np.array([0, 0]), asked))
    assert np.allclose(after_first[0], [alone[0, 0], 0, alone[0, 2]])
    assert not hidden.together(asked, hidden.by(np.array([1, 1]), asked)).any()


def test_what_was_once_shown_stays_shown():
    hidden = Hidden(np.stack([CROSSED, APART]), HUMAN, SIZE)
    asked, lacking = hidden.asked(hidden.covered(APART[None])), _hidden_of(hidden, APART)[0].sum()
    asked.take(np.array([0]))
    crossed, apart = asked.cost(np.zeros((1, 2)))[0]
    assert apart == 0
    assert np.isclose(crossed, FURTHER * lacking)
    for picture in (1, 0):
        asked.take(np.array([picture]))
        assert not asked.cost(np.zeros((1, 2))).any()


def test_what_the_first_picture_hides_makes_it_farther_and_the_more_the_farther_it_is():
    hidden = Hidden(np.stack([CROSSED, APART]), HUMAN, SIZE)
    lacking = _hidden_of(hidden, APART)[0].sum()
    grown = []
    for away in (0.0, 0.02, 0.1, 0.3):
        crossed, apart = hidden.asked(hidden.covered(APART[None])).cost(np.full((1, 2), away))[0]
        assert apart == away
        assert np.isclose(crossed, away * (1 + (away / NEAR * (lacking / TWICE) ** 2) ** 2))
        grown.append(crossed - away)
    assert grown[0] == 0
    assert grown[2] > 0.1  # two legs, which are more than most of one
    assert (np.diff(np.divide(grown[1:], [0.02, 0.1, 0.3])) > 0).all()


def test_a_picture_that_cannot_be_compared_stays_infinitely_far():
    hidden = Hidden(np.stack([CROSSED, APART]), HUMAN, SIZE)
    assert np.isinf(hidden.asked(hidden.covered(APART[None])).cost(np.full((1, 2), np.inf))).all()


def _ball(x: float, y: float, radius: float) -> np.ndarray:
    """What is transient in a picture of 90 x 120 px: a ball."""
    down, across = np.indices((120, 90))
    return ((np.hypot(across - x, down - y) <= radius) * 255).astype(np.uint8)


def test_a_ball_hides_the_limb_that_it_lies_over_and_a_second_picture_shows_it():
    """The shank of the first, the trunk of the second: as much as there are places under the ball."""
    nothing = np.zeros((1, 1), np.uint8)
    hidden = Hidden(np.stack([APART, APART, APART]), HUMAN, SIZE, [_ball(42, 98, 9), _ball(50, 40, 9), nothing])
    shank, trunk, whole = _hidden_of(hidden, APART)
    limb = [limb[1] for limb in hidden.limbs].index(HUMAN.index("right_ankle"))
    places = shank.reshape(-1, len(ALONG))[limb]
    assert np.allclose(places[1:4], WHOLLY * hidden.weights.reshape(-1, len(ALONG))[limb, 1:4])
    assert np.isclose(places.sum(), shank.sum())
    assert trunk.sum() > shank.sum()
    assert whole.sum() == 0
    asked = hidden.asked(hidden.covered(APART[None]))
    assert (asked.cost(np.full((1, 3), 0.1)) == 0.1).all()  # the first one's detail is carried about the ball
    asked.take(np.array([0]))
    assert np.allclose(asked.cost(np.full((1, 3), 0.1)), [[0.1 + FURTHER * shank.sum(), 0.1, 0.1]])
    asked.take(np.array([2]))
    assert (asked.cost(np.full((1, 3), 0.1)) == 0.1).all()


def test_what_is_transient_beside_the_body_or_where_a_joint_is_missing_hides_nothing():
    unseen = APART.copy()
    unseen[HUMAN.index("right_ankle")] = np.nan
    far = APART + 1000
    hidden = Hidden(np.stack([APART, unseen, far]), HUMAN, SIZE, [_ball(10, 100, 8), _ball(42, 105, 5), _ball(42, 98, 9)])
    assert not _hidden_of(hidden, APART).any()
