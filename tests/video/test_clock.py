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


@pytest.mark.parametrize("fps", ["0/0", "0", "-25", "25/0", "fast", 25, [25], ""])
def test_a_rate_that_is_none_is_refused(fps):
    for key in ("fps", "time_base"):
        with pytest.raises(ValueError, match=f"{key} must be a fraction above 0 as text"):
            Clock.from_attributes({**Clock.regular("25", 3).to_attributes(), key: fps})


@pytest.mark.parametrize(("pts", "match"), [
    ([0, 1, 1], "must grow, found 1 and then 1 at frame 2"), ([0, 2, 1], "must grow, found 2 and then 1"), ([0, 0.5], "whole numbers"),
    (["0"], "whole numbers"), ("012", "whole numbers"), ([True], "whole numbers"), ([None], "whole numbers"),
])  # fmt: skip
def test_times_that_do_not_grow_are_refused(pts, match):
    with pytest.raises(ValueError, match=match):
        Clock.from_attributes({**Clock.regular("25", 3).to_attributes(), "pts": pts})


def test_there_is_a_time_for_each_frame():
    Clock.regular("25", 3).require_frames(3)
    NO_TIME.require_frames(7)
    with pytest.raises(ValueError, match="a timestamp for each of 4 frames, found 3"):
        Clock.regular("25", 3).require_frames(4)
