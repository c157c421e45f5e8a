"""Laws of ground contact."""

import numpy as np
import pytest
from figure import Figure, Motion, human, truth

from pipeline.motion import contact
from pipeline.motion.contact import contact_weights, follow_contacts, foot_slide

HUMAN = human()


def test_weights_tell_planted_feet_from_swinging_ones():
    figure, motion = Figure(200), Motion(travel=0.3, period=30)
    points = truth(figure.points(90, (100, 250), motion), figure.joints, HUMAN, (300, 300)).points[:, 0].astype(float)
    weights = contact_weights(points, HUMAN, np.arange(90) / 25, 200, 0.15)
    planted = figure.planted(90, motion)
    both = planted[1:] & planted[:-1]
    for side, name in enumerate(("right", "left")):
        heel = weights[1:, HUMAN.index(f"{name}_heel")]
        assert heel[both[:, side]].min() > 0.9
        assert heel[~planted[1:, side] & ~planted[:-1, side]].max() < 0.5
    assert weights[:, HUMAN.index("nose")].max() == 0


def test_equal_bodies_give_the_drivers_own_path():
    rng = np.random.default_rng(0)
    driver = rng.normal(0, 10, (20, 5, 2)).cumsum(axis=0)
    built = driver - driver[:, :1]
    path = follow_contacts(built, driver, rng.uniform(0, 1, (20, 5)), np.ones(20))
    assert path == pytest.approx(driver[:, 0] - driver[0, 0], abs=1e-9)


def test_a_planted_joint_rests_whatever_the_body_does():
    driver = np.zeros((10, 2, 2))
    driver[:, 1, 0] = np.arange(10)  # joint 0 rests, joint 1 moves
    built = np.random.default_rng(0).normal(0, 1, (10, 2, 2)).cumsum(axis=0)
    weights = np.tile([1.0, 0.0], (10, 1))
    placed = built + follow_contacts(built, driver, weights, np.full(10, 0.7))[:, None]
    assert np.abs(placed[:, 0] - placed[0, 0]).max() < 1e-2


@pytest.mark.parametrize("at_once", [1, 7, 19, 20])
def test_a_path_is_the_same_however_many_frames_go_through_at_once(at_once, monkeypatch):
    rng = np.random.default_rng(1)
    built, driver, weights = rng.normal(0, 10, (20, 5, 2)), rng.normal(0, 10, (20, 5, 2)), rng.uniform(0, 1, (20, 5))
    whole = follow_contacts(built, driver, weights, np.ones(20))
    monkeypatch.setattr(contact, "AT_ONCE", at_once)
    assert (follow_contacts(built, driver, weights, np.ones(20)) == whole).all()


def test_joints_that_are_left_out_lead_nobody():
    rng = np.random.default_rng(2)
    driver = rng.normal(0, 10, (20, 5, 2))
    unseen = driver.copy()
    unseen[:, [1, 4]] = np.nan
    given = np.zeros((20, 5, 2)), np.zeros((20, 5)), np.ones(20)
    paths = [follow_contacts(given[0], some, *given[1:], left_out) for some, left_out in ((driver, [1, 4]), (unseen, []), (driver, []))]
    assert (paths[0] == paths[1]).all()
    assert np.abs(paths[0] - paths[2]).max() > 1


def test_slide_by_hand():
    points = np.zeros((10, 1, 2))
    points[5:, 0, 0] = 3.0
    weights = np.ones((10, 1))
    assert foot_slide(points, weights, [0], 100.0) == (0.03, 0.03)
    assert np.isnan(foot_slide(points, weights * 0, [0], 100.0)).all()
