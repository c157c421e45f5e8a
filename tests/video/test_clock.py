"""Clocks: exact timestamps, or none."""

import json
from fractions import Fraction

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.video.clock import NO_TIME, Clock


def test_seconds_are_timestamps_times_the_base():
    clock = Clock("30000/1001", "1/90000", (0, 3003, 6006, 9000))
    assert clock.seconds() == pytest.approx([0, 3003 / 90000, 6006 / 90000, 0.1], abs=1e-15)
    assert clock.seconds().dtype == np.float64


def test_a_regular_clock_shows_frame_i_at_i_over_its_rate():
    clock = Clock.regular("30000/1001", 4)
    exact = [i / Fraction(30000, 1001) for i in range(4)]
    assert [Fraction(clock.time_base) * p for p in clock.pts] == exact
    assert Clock.regular("25", 3).seconds() == pytest.approx([0, 0.04, 0.08])


def test_long_clips_do_not_drift():
    t = 10**7
    clock = Clock("30000/1001", "1001/30000", (t,))
    assert clock.seconds()[0] == float(Fraction(t * 1001, 30000))


@pytest.mark.parametrize("clock", [NO_TIME, Clock("25", "1/25", (0, 1, 5)), Clock.regular("30000/1001", 0)])
def test_attributes_and_back(clock):
    stored = json.loads(json.dumps({**clock.to_attributes(), "kind": "frames"}))
    assert Clock.from_attributes(stored) == clock


def test_images_have_no_seconds():
    assert not NO_TIME.has_time
    assert Clock.regular("25", 2).has_time
    with pytest.raises(InputError, match="folder of images without timestamps; it has no seconds"):
        NO_TIME.seconds()
