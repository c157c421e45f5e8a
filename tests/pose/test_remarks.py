"""Laws of what estimating poses says beside its result: cuts, changes of person, people too small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure import Figure, Motion, human, static_background

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.params import read_section
from pipeline.pose import estimate
from pipeline.pose.naming import UNNAMED
from pipeline.pose.params import PoseParams
from pipeline.pose.people import People, nobody
from pipeline.video.clock import Clock

ROOT = Path(__file__).parents[2]
SIZE_HW = (120, 160)
GREEN = {"shirt": (20, 200, 40), "stripe": (20, 200, 40), "right_trouser": (240, 240, 240), "left_trouser": (240, 240, 240)}


def estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shots: list[Figure | None], backend: str = "blazepose", scores: Any = (1.0,) * 10
) -> Any:
    """Poses of a clip of ten frames a shot, in two places by turns, with a figure or nobody; its backend sees what was drawn.

    scores: of all joints, in the ten frames.
    """
    images, people, figure_joints = [], [], human().joints
    for number, figure in enumerate(shots):
        ground = static_background(SIZE_HW) // (number % 2 + 1)
        if figure is None:
            images.append(np.repeat(ground[None], 10, axis=0))
            people += [nobody(len(figure_joints))] * 10
            continue
        pose = figure.points(10, (80, 112), Motion())
        images.append(figure.render(pose, ground)[0])
        table = np.full((10, len(figure_joints), 2), np.nan)
        for i, joint in enumerate(figure.joints):
            table[:, figure_joints.index(joint)] = pose[:, i]
        people += [People(points[None], np.isfinite(points[None, :, 0]) * score) for points, score in zip(table, scores, strict=True)]
    frames = np.concatenate(images)
    with create_frames(tmp_path / "a.zarr", Clock.regular("25", len(frames)), SIZE_HW, {}) as writer:
        writer.append(frames)
    handed = iter(people)
    monkeypatch.setattr(estimate, "load_backend", lambda *_: lambda block: [next(handed) for _ in block])
    params = read_section(ROOT / "params.yaml", "pose", PoseParams)
    subject = estimate.Subject("ana", "auto", None, None, redetect=False)
    sources = estimate.Sources(backend, "none", None, None, None, UNNAMED)
    return estimate.estimate_poses(estimate.PoseInputs(open_frames(tmp_path / "a.zarr"), human(), sources), params, subject)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]


def test_cuts_and_the_frame_of_a_join_are_said(tmp_path, monkeypatch, capsys) -> None:
    found = estimated(tmp_path, monkeypatch, [Figure(100), None, Figure(100)])
    assert np.isfinite(found.points[:, 0, :, 0]).any(axis=1).tolist() == [True] * 10 + [False] * 10 + [True] * 10
    cut, changed = said(capsys)
    assert "clip ana is cut: another shot begins at frames 10, 20; make each shot a clip" in cut
    assert "([0, 9], [10, 19], [20, 29])" in cut
    assert "track 0 of clip ana may be another person from frame 20 on" in changed


def test_two_people_of_two_shots_stay_two(tmp_path, monkeypatch, capsys) -> None:
    with pytest.raises(estimate.InputError, match=r"several people: track 0 \(10 frames.*track 1 \(10 frames.*at once"):
        estimated(tmp_path, monkeypatch, [Figure(100), Figure(100, colours=GREEN)])
    assert "another shot begins at frame 10;" in said(capsys)[0]


@pytest.mark.parametrize(("sure", "backend"), [(0, "imported"), (0, "blazepose"), (3, "imported"), (10, "imported")])
def test_a_person_whose_joints_are_unsure_is_told(tmp_path, monkeypatch, capsys, sure, backend) -> None:
    """As of labels whose scores are of another scale: nothing was said, and the stages after it found nobody."""
    scores = np.where(np.arange(10) < sure, 0.9, 0.05)
    if not sure:
        with pytest.raises(estimate.InputError, match=r"score of at least 0\.3, found .* in 0 of 10 frames, the surest of score 0\.05;"):
            estimated(tmp_path, monkeypatch, [Figure(100)], backend, scores)
        return
    estimated(tmp_path, monkeypatch, [Figure(100)], backend, scores)
    told = [line for line in said(capsys) if "sure enough in 3 of 10 frames, the surest of score 0.9; correct the scores" in line]
    assert len(told) == (sure == 3)


@pytest.mark.parametrize(("height", "backend", "lines"), [(20, "blazepose", 1), (20, "imported", 0), (100, "blazepose", 0)])
def test_a_small_person_is_said_where_a_network_looks(tmp_path, monkeypatch, capsys, height, backend, lines) -> None:
    estimated(tmp_path, monkeypatch, [Figure(height)], backend)
    warnings = said(capsys)
    assert len(warnings) == lines
    for line in warnings:
        assert "px high, less than 27, a sixth of the frame's longer side: joints are coarse; crop the video about the person" in line
