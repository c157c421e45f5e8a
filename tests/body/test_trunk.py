"""Hips that no frame shows, on figures whose hips are known."""

import numpy as np
import pytest
from figure import Figure, human, truth, worm, worm_skeleton

from pipeline.body.trunk import HIP_WIDTH, WHOLE_BODY, trunk_lengths, whole_body_px, with_hips

HUMAN = human()
HIPS, SHOULDERS = HUMAN.indices("hips"), HUMAN.indices("shoulders")


def standing() -> np.ndarray:
    figure = Figure(200)
    return truth(figure.points(12, (120, 300)), figure.joints, HUMAN, (340, 240)).track().points


def without(points: np.ndarray, joints: list[int]) -> np.ndarray:
    gone = points.copy()
    gone[:, joints] = np.nan
    return gone


def test_a_trunk_that_is_seen_is_measured_and_left():
    points = standing()
    assert trunk_lengths(points, HUMAN) == pytest.approx(np.full(12, 0.30 * 200), rel=0.01)
    assert whole_body_px(points, HUMAN) == pytest.approx(WHOLE_BODY * trunk_lengths(points, HUMAN))
    assert np.array_equal(with_hips(points, HUMAN), points, equal_nan=True)
    one = without(points, HIPS[:1])
    assert np.array_equal(with_hips(one, HUMAN), one, equal_nan=True)


def test_unseen_hips_lie_below_the_shoulders():
    bust = without(standing(), HIPS)
    before = bust.copy()
    found = with_hips(bust, HUMAN)
    shoulders = bust[:, SHOULDERS].mean(axis=1)
    # Shoulders 0.21 heights apart: 0.21 / 0.65 of 200; ears 0.10 + 0.055 × 0.15 heights above: 0.10825 / 0.36, which is less.
    length = 0.21 / 0.65 * 200
    assert found[:, HIPS].mean(axis=1) == pytest.approx(shoulders + np.array([0, length]), abs=0.1)
    assert found[:, HIPS] - found[:, HIPS].mean(axis=1, keepdims=True) == pytest.approx(
        HIP_WIDTH * (bust[:, SHOULDERS] - shoulders[:, None]), abs=0.01
    )
    rest = [j for j in range(len(HUMAN.joints)) if j not in HIPS]
    assert np.array_equal(found[:, rest], bust[:, rest], equal_nan=True)
    assert np.array_equal(bust, before, equal_nan=True)


def test_seen_from_the_side_the_head_tells_the_length():
    bust = without(standing(), HIPS)
    bust[:, SHOULDERS] = bust[:, SHOULDERS].mean(axis=1, keepdims=True)
    assert trunk_lengths(bust, HUMAN) == pytest.approx(np.full(12, 0.10825 / 0.36 * 200), rel=0.05)
    bust[:, HUMAN.indices("ears")] = np.nan
    assert (np.abs(trunk_lengths(bust, HUMAN) / 60 - 1) < 0.3).all()


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_of_somebody_who_lies_the_hips_lie_away_from_the_head(degrees):
    bust = without(standing(), HIPS).astype(float)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = bust @ np.array([[cos, sin], [-sin, cos]])
    found = with_hips(turned, HUMAN)
    to_head = np.nanmean(turned[:, HUMAN.indices("head")], axis=1) - turned[:, SHOULDERS].mean(axis=1)
    to_hips = found[:, HIPS].mean(axis=1) - turned[:, SHOULDERS].mean(axis=1)
    cosine = (to_head * to_hips).sum(axis=1) / np.linalg.norm(to_head, axis=1) / np.linalg.norm(to_hips, axis=1)
    assert cosine == pytest.approx(np.full(12, -1.0), abs=1e-6)


def test_where_nothing_tells_nothing_is_made_up():
    for gone in (HIPS + SHOULDERS, HIPS + SHOULDERS[:1] + HUMAN.indices("head")):
        points = without(standing(), gone)
        assert np.array_equal(with_hips(points, HUMAN), points, equal_nan=True)
        assert np.isnan(whole_body_px(points, HUMAN)).all()
    animal = worm(3).points(5, (50, 50))
    assert np.array_equal(with_hips(animal, worm_skeleton(3)), animal)
    assert np.isnan(trunk_lengths(animal, worm_skeleton(3))).all()
