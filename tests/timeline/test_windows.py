"""Windows never span a gap, and rendering windows cover every present frame."""

import numpy as np
import pytest

from pipeline.timeline.windows import rendering_windows, runs, still_windows, training_windows, window_frames


def present(text: str) -> np.ndarray:
    return np.array([c == "x" for c in text])


def test_runs_are_half_open_and_split_at_gaps():
    assert runs(np.array([0, 1, 2, 5, 6, 9])) == [(0, 3), (5, 7), (9, 10)]
    assert runs(np.array([], int)) == []


def test_training_windows_know_their_widest_stride():
    # frames 0..5: a window of 3 from frame 0 fits at stride 2 (0 2 4), from 2 and 3 at stride 1 only
    rows = training_windows(np.arange(6), k=3, max_stride=3)
    assert rows.tolist() == [[0, 2], [1, 2], [2, 1], [3, 1]]


def test_training_windows_never_span_a_gap():
    frames = np.array([0, 1, 2, 3, 7, 8, 9, 20])
    windows = training_windows(frames, 3, 4)
    assert set(windows[:, 0]) == {0, 1, 7, 20}  # two of the first run, one of the second, the last frame alone
    for first, widest in windows:
        for stride in range(min(1, widest), widest + 1):
            window = window_frames(int(first), stride, 3, frames)
            assert set(window) <= set(frames)
            assert any(start <= window[0] and window[-1] < stop for start, stop in runs(frames))


def test_a_run_shorter_than_the_window_repeats_its_last_frame():
    frames = np.array([4, 5])
    assert training_windows(frames, 3, 2).tolist() == [[4, 0]]
    assert window_frames(4, 0, 3, frames).tolist() == [4, 5, 5]


def test_single_frames_make_windows_of_one():
    assert training_windows(np.array([2, 3, 8]), 1, 3).tolist() == [[2, 3], [3, 3], [8, 3]]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("text", ["xxxxxxxx", "xxx", "xx", "x", "..xxxx.xxxxxxx..x", "xxxx.", "......."])
def test_rendering_windows_cover_present_frames_only(text, stride):
    windows = rendering_windows(present(text), 3, stride)
    assert set(windows.flatten()) == set(np.flatnonzero(present(text)))
    assert (np.diff(windows[:, 0]) > 0).all()
    assert (np.diff(windows, axis=1) >= 0).all()
    assert (np.diff(windows, axis=1) <= 1).all()


def test_the_last_rendering_window_is_shifted_back():
    assert rendering_windows(present("xxxxxxxx"), 3, 3).tolist() == [[0, 1, 2], [3, 4, 5], [5, 6, 7]]
    assert rendering_windows(present("xxxx"), 3, 1).tolist() == [[0, 1, 2], [1, 2, 3]]


def test_still_windows_repeat_one_frame():
    assert still_windows(np.array([3, 7]), 3).tolist() == [[3, 3, 3], [7, 7, 7]]
