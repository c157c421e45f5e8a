"""The backend that remembers: what it may and may not carry from frame to frame. The network here is a drawn one."""

import numpy as np
import pytest
from figure import Figure, Motion, human, static_background, truth
from tiny_onnx import write_recurrent

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.matting.backends import rvm
from pipeline.matting.backends.rvm.window import moved
from pipeline.matting.segment import MattingParams, SegmentInputs, segment_person
from pipeline.networks.rvm import FILE, STEP_PX, STRIDES
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

BODY_PX = 60.0
NOBODY = np.full(4, np.nan)
PARAMS = MattingParams(
    threads=1, background_samples=5, sensitivity=5.0, floor_levels=12.0, smoothing=0.0, edge_radius=0.0, edge_epsilon=0.0005,
    extremities="difference", edges="none",
)  # fmt: skip


def drawn(picture: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """A network that sees grey as opacity, halved with what it remembers; each state is the opacity at its stride."""
    grey = picture.mean(axis=2, dtype=np.float32) / 255
    seen = (grey + np.kron(states[0][0, 0], np.ones((2, 2), np.float32))) / 2 if states else grey
    h, w = seen.shape
    return seen, tuple(seen.reshape(h // s, s, w // s, s).mean(axis=(1, 3))[None, None] for s in STRIDES)


@pytest.fixture
def load(monkeypatch, tmp_path):
    monkeypatch.setattr(rvm, "load_rvm", lambda folder, threads: drawn)
    return lambda: rvm.load(tmp_path, 1, BODY_PX)


def clip(t: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Frames (t h w 3) of a bright block that walks to the right, and its boxes (t 4)."""
    frames = np.random.default_rng(0).integers(0, 40, (t, 91, 133, 3), dtype=np.uint8)
    boxes = np.array([[6.0 + 9 * i, 20, 26 + 9 * i, 80] for i in range(t)])
    for frame, (x0, y0, x1, y1) in zip(frames, boxes.astype(int), strict=True):
        frame[y0:y1, x0:x1] = 220
    return frames, boxes


def mattes(segment, frames: np.ndarray, boxes: np.ndarray, size: int = 100) -> np.ndarray:
    parts = [slice(i, i + size) for i in range(0, len(frames), size)]
    return np.concatenate([segment(frames[part], boxes[part], np.zeros((len(boxes[part]), 1, 2))) for part in parts])


def test_the_matte_lies_on_the_person_up_to_the_frame_s_rim(load):
    frames, boxes = clip()
    for at in (0, 4, 8):
        (matte,) = mattes(load(), frames[at : at + 1], boxes[at : at + 1])
        x0, y0, x1, y1 = boxes[at].astype(int)
        assert matte[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].min() > 200
        matte[y0 - 3 : y1 + 3, max(0, x0 - 3) : x1 + 3] = 0
        assert matte.max() < 60
    reaching = np.array([[80.0, 30, 150, 95]])
    assert mattes(load(), np.full_like(frames[:1], 255), reaching)[0, 30:, 80:].min() == 255


def test_blocks_do_not_show_and_no_later_frame_does(load):
    frames, boxes = clip()
    whole = mattes(load(), frames, boxes)
    for size in (1, 2, 4):
        np.testing.assert_array_equal(mattes(load(), frames, boxes, size), whole)
    changed = frames.copy()
    changed[6:] = 255 - changed[6:]
    np.testing.assert_array_equal(mattes(load(), changed, boxes)[:6], whole[:6])
    assert (mattes(load(), frames[3:], boxes[3:])[0] != whole[3]).any()  # and it does remember


def test_after_absence_and_cuts_nothing_is_remembered_and_motion_is_no_cut(load):
    frames, boxes = clip()
    alone = mattes(load(), frames[5:], boxes[5:])
    absent = boxes.copy()
    absent[4] = NOBODY
    found = mattes(load(), frames, absent)
    assert not found[4].any()
    np.testing.assert_array_equal(found[5:], alone)
    slow = boxes[5:].copy()
    slow[:] = boxes[5]
    still = np.concatenate([255 - frames[5:], frames[5:]])  # one shot, which moves, and then another
    np.testing.assert_array_equal(mattes(load(), still, np.concatenate([slow, slow]))[4:], mattes(load(), frames[5:], slow))
    assert (mattes(load(), frames, boxes)[5] != alone[0]).any()


def test_who_jumps_out_of_the_window_is_seen_as_for_the_first_time(load):
    frames = np.random.default_rng(1).integers(0, 256, (2, 60, 600, 3), dtype=np.uint8)
    boxes = np.array([[10.0, 5, 30, 55], [500, 5, 520, 55]])
    np.testing.assert_array_equal(mattes(load(), frames, boxes)[1:], mattes(load(), frames[1:], boxes[1:]))


@pytest.mark.parametrize("new", [(2, 1, 6, 5), (0, 0, 9, 9), (4, 3, 5, 4), (1, 2, 5, 6)])
def test_states_keep_their_place_when_the_window_moves(new):
    old = (1, 2, 5, 6)

    def through(window: tuple[int, ...], seen: tuple[int, ...]) -> list[np.ndarray]:
        """A state per stride that says where in the frame it is, 0 outside `seen`."""
        out = []
        for stride in STRIDES:
            n = STEP_PX // stride
            y, x = np.mgrid[window[1] * n : window[3] * n, window[0] * n : window[2] * n]
            inside = (x >= seen[0] * n) & (x < seen[2] * n) & (y >= seen[1] * n) & (y < seen[3] * n)
            out.append(np.where(inside, 1 + x + 1000 * y, 0).astype(np.float32)[None, None])
        return out

    for state, expected in zip(moved(tuple(through(old, old)), old, new), through(new, old), strict=True):
        np.testing.assert_array_equal(state, expected)


def test_windows_apart_share_no_state():
    assert moved((np.ones((1, 1, 8, 8), np.float32),) * 4, (0, 0, 1, 1), (1, 0, 2, 1)) == ()


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> tuple[np.ndarray, object]:
    """Frames and the joints of a figure that walks 12 frames."""
    figure = Figure(height_px=110)
    points = figure.points(12, (50, 140), Motion(travel=0.7))
    frames, _ = figure.render(points, static_background((160, 240), seed=3))
    return frames, truth(points, figure.joints, human(), (160, 240))


def stage(folder, frames: np.ndarray, table) -> np.ndarray:
    folder.mkdir()
    with create_frames(folder / "a.zarr", Clock.regular("25", len(frames)), frames.shape[1:3]) as writer:
        writer.append(frames)
    write_keypoints(folder / "a.parquet", table)
    write_recurrent(folder / FILE, [1.0, 2.0, 0.5], 0.0)
    inputs = SegmentInputs(open_frames(folder / "a.zarr"), read_keypoints(folder / "a.parquet"), folder)
    segment_person(inputs, "rvm", PARAMS, SplitParams(hold_out_fraction=0.25), folder / "m.zarr")
    return open_mattes(folder / "m.zarr")[:]


def test_held_out_frames_change_no_training_matte_and_only_the_person_s_own_pixels_stay(tmp_path, walk):
    frames, table = walk
    changed = frames.copy()
    changed[9:] = 255 - changed[9:]
    one, two = stage(tmp_path / "one", frames, table), stage(tmp_path / "two", changed, table)
    np.testing.assert_array_equal(one[:9], two[:9])
    assert (one[9:] != two[9:]).any()
    assert one.any(axis=(1, 2)).all()
    assert not one[:, :10].any()  # bright, and inside the network's window, but far from every joint


def test_the_clip_starts_without_memory_of_the_background_s_samples(tmp_path, walk, monkeypatch):
    shown: list[np.ndarray] = []

    def seeing(frames: np.ndarray, boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
        assert len(frames) == len(boxes) == len(points) > 0
        shown.append(boxes.copy())
        return np.full(frames.shape[:3], 255, np.uint8)

    monkeypatch.setattr(rvm, "load", lambda folder, threads, body_px: seeing)
    stage(tmp_path / "clip", *walk)
    assert np.isfinite(shown[0]).all()
    assert np.isnan(shown[1]).all()
    assert all(np.isfinite(boxes).all() for boxes in shown[2:])
    assert len(shown) > 2
