"""What a graph is made of: closed forms, code that serves any pose, and windows that are what is generated."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from exporting import GENERATE, K, read_inputs, save_generator

from pipeline.appearance.export.compare import compare
from pipeline.appearance.export.matrices import determinant, inverse, singular_values
from pipeline.appearance.export.motion import Motion
from pipeline.appearance.export.window import Window
from pipeline.artifacts.references import NONE
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError

EXACT = torch.tensor([[[1.0, 0], [0, 1]], [[0, 0], [0, 0]], [[-3, 0], [0, 2]], [[0, 2], [2, 0]], [[1, 2], [2, 4]], [[0, -1], [1, 0]]])


@pytest.fixture
def matrices() -> torch.Tensor:
    """Matrices of all kinds (n 2 2): drawn, and the identity, nothing, mirrors, one of rank 1, a turn."""
    return torch.cat([torch.randn(500, 2, 2, generator=torch.Generator().manual_seed(1)), EXACT])


def test_singular_values_in_closed_form_are_those_of_lapack(matrices):
    left, values, right = singular_values(matrices)
    assert torch.allclose(values, torch.linalg.svdvals(matrices), atol=1e-5)
    assert torch.allclose(left * values[:, None] @ right, matrices, atol=1e-5)
    for turn in (left, right):
        assert torch.allclose(turn @ turn.mT, torch.eye(2).expand_as(turn), atol=1e-6)


def test_inverses_and_determinants_in_closed_form_are_those_of_lapack(matrices):
    assert torch.allclose(determinant(matrices), torch.linalg.det(matrices), atol=1e-5)
    regular = matrices[torch.linalg.det(matrices).abs() > 0.1]
    assert len(regular) > 300
    assert torch.allclose(inverse(regular), torch.linalg.inv(regular), rtol=1e-4, atol=1e-4)


def by_torch(motion: Motion):
    """The window as torch runs it, in place of a graph."""
    window = Window(motion.model, GENERATE, motion.seen)

    def run(feed):
        with torch.inference_mode():
            colours, mattes = window(*map(torch.from_numpy, feed.values()))
        return colours.numpy(), mattes.numpy()

    return run


@pytest.mark.parametrize(("references", "grey"), [(2, False), (2, True), (0, False)])
def test_a_window_is_what_is_generated(data, tmp_path, references, grey):
    """All windows of a motion with an absent frame, a missing joint and a frame without reference; a grey byte is rounded twice."""
    shutil.copytree(data, tmp_path / "data")
    save_generator(tmp_path / "data", references=references, grey=grey)
    motion = Motion.of(read_inputs(tmp_path / "data"))
    assert (motion.seen is None) is not references
    assert motion.windows.tolist() == [[0, 1, 2], [2, 3, 4], [6, 7, 7]]
    part = motion.of_windows(np.arange(3))
    frames = part.drawn(GENERATE)
    assert len(frames) == 3 * K
    assert min(np.ptp(frame.rgb) for frame in frames) > 20
    assert min(np.ptp(frame.matte) for frame in frames) > 20
    found = compare(by_torch(motion), part, frames)
    assert found.largest <= 1
    assert found.share < (0.5 if grey else 1e-3)
    assert found.frames_per_s > 0


def test_windows_that_are_cut_out_are_those_of_the_whole(data):
    motion = Motion.of(read_inputs(data))
    part = motion.of_windows(np.array([1, 2]))
    for own, window in zip(part.windows, motion.windows[1:], strict=True):
        for name, array in part.feed(own).items():
            assert np.array_equal(array, motion.feed(window)[name], equal_nan=True), name


def test_a_frame_without_reference_is_fed_without(data):
    motion = Motion.of(read_inputs(data))
    assert motion.seen is not None
    assert (motion.seen.ranks[2] == NONE).all()
    feed = motion.feed(motion.windows[0])
    assert {name: array.shape[:3] for name, array in feed.items()} == {
        "points": (1, 3, 5), "scores": (1, 3, 5), "pictures": (1, 3, 2), "picture_points": (1, 3, 2),
    }  # fmt: skip
    assert np.isnan(feed["picture_points"][0, 2]).all()
    assert not feed["pictures"][0, 2].any()
    assert feed["pictures"][0, :2].any(axis=(2, 3, 4)).all()


def test_a_graph_knows_of_whole_references(data, monkeypatch):
    monkeypatch.setattr(Skeleton, "ends", lambda _: [[0, 1], [2, 3]])
    inputs = read_inputs(data)
    assert inputs.chosen is not None
    chosen = replace(inputs.chosen, ends=np.ones((len(inputs.chosen), 2), bool))
    seen = Motion.of(replace(inputs, chosen=chosen)).of_windows(np.array([0])).seen
    assert seen is not None
    assert not seen.ends.any()


def test_a_difference_is_seen_where_it_is(data):
    """One byte of a matte is five steps off: that is the largest difference, and the share of the values."""
    motion = Motion.of(read_inputs(data)).of_windows(np.array([0]))
    frames, run = motion.drawn(GENERATE), by_torch(motion)
    frames[1].matte[3, 4] = (round(255 * float(run(motion.feed(motion.windows[0]))[1][0, 1, 0, 3, 4])) + 5) % 256
    found = compare(run, motion, frames)
    assert found.largest in (5, 251)
    assert 0 < found.share < 1e-3


def test_a_baseline_is_refused(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    inputs = read_inputs(data)
    with pytest.raises(InputError, match=r"only a model of the project's own system can be exported, found a baseline's"):
        Motion.of(type(inputs)(model=object(), motion=inputs.motion, crops=inputs.crops))


def test_a_motion_without_the_subject_is_refused(data):
    inputs = read_inputs(data)
    inputs.motion.points[:] = np.nan
    with pytest.raises(InputError, match="must show the subject in some frame, found none: take another pair with --pair"):
        Motion.of(inputs)
