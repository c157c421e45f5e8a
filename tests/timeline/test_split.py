"""The split: the last share in time of the frames that show the subject is held out."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.timeline.split import SplitParams, split_frames


def split(present, share):
    return split_frames(np.asarray(present, bool), SplitParams(hold_out_fraction=share))


def test_the_last_fifth_is_held_out():
    parts = split(np.ones(100), 0.2)
    assert parts.training.tolist() == list(range(80))
    assert parts.held_out.tolist() == list(range(80, 100))
    assert parts.border == 80


def test_absent_frames_count_for_nothing():
    present = np.zeros(20, bool)
    present[[2, 3, 7, 8, 9, 12, 13, 14, 15, 19]] = True  # ten frames: the last three are held out
    parts = split(present, 0.3)
    assert parts.training.tolist() == [2, 3, 7, 8, 9, 12, 13]
    assert parts.held_out.tolist() == [14, 15, 19]
    assert parts.border == 14


def test_all_training_comes_before_all_held_out():
    present = np.random.default_rng(0).random(200) > 0.4
    for share in (0.1, 0.35, 0.9):
        parts = split(present, share)
        assert parts.training.max() < parts.held_out.min() == parts.border
        assert sorted([*parts.training, *parts.held_out]) == np.flatnonzero(present).tolist()


def test_nothing_held_out_is_legal():
    parts = split(np.ones(7), 0.0)
    assert parts.training.tolist() == list(range(7))
    assert not len(parts.held_out)
    assert (np.arange(7) < parts.border).all()


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_a_very_short_clip_keeps_a_frame_for_training(t):
    parts = split(np.ones(t), 0.9)
    assert parts.training.tolist() == [0]
    assert len(parts.held_out) == t - 1


@pytest.mark.parametrize("t", [0, 5])
def test_nobody_there_is_in_neither(t):
    parts = split(np.zeros(t), 0.2)
    assert not len(parts.training)
    assert not len(parts.held_out)


def test_input_is_unchanged():
    present = np.array([True, False, True])
    split(present, 0.5)
    assert present.tolist() == [True, False, True]


@pytest.mark.parametrize("share", [-0.1, 0.91, "0.2"])
def test_a_share_outside_the_range_is_refused(share):
    with pytest.raises(ValidationError, match="hold_out_fraction"):
        SplitParams(hold_out_fraction=share)
