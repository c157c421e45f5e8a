"""Joints that a detector places outside the picture."""

from pathlib import Path

import numpy as np
from figure import Figure, Motion, human

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints
from pipeline.params import read_section
from pipeline.pose import estimate
from pipeline.pose.naming import UNNAMED
from pipeline.pose.params import PoseParams
from pipeline.pose.people import People
from pipeline.pose.repair import OUTSIDE_MARGIN, find_outside
from pipeline.video.clock import Clock

PARAMS = read_section(Path(__file__).parents[2] / "params.yaml", "pose", PoseParams)
HUMAN = human()
HW = (150, 200)


def estimated(tmp_path, monkeypatch, points: np.ndarray) -> Keypoints:
    """Keypoints of black frames in which the detector sees points (t j 2), NaN where it sees none."""
    with create_frames(tmp_path / "a.zarr", Clock.regular("25", len(points)), HW) as writer:
        writer.append(np.zeros((len(points), *HW, 3), np.uint8))
    seen = iter([People(pose[None].copy(), np.isfinite(pose[None, :, 0]) * 0.9) for pose in points])
    monkeypatch.setattr(estimate, "load_backend", lambda *_: lambda block: [next(seen) for _ in block])
    sources = estimate.Sources("blazepose", "none", None, None, None, UNNAMED)
    subject = estimate.Subject("a", "auto", None, None, redetect=False)
    return estimate.estimate_poses(estimate.PoseInputs(open_frames(tmp_path / "a.zarr"), HUMAN, sources), PARAMS, subject)


def cut_above_the_hips(t: int) -> np.ndarray:
    figure = Figure(260)
    points = np.full((t, len(HUMAN.joints), 2), np.nan)
    points[:, [HUMAN.index(name) for name in figure.joints]] = figure.points(t, (100, 270), Motion(wave=0.3))
    return points


def test_what_lies_outside_the_picture_is_dropped_and_said(tmp_path, monkeypatch, capfd):
    points = cut_above_the_hips(20)
    track = estimated(tmp_path, monkeypatch, points).track()
    beyond = points[..., 1] > HW[0] - 0.5 + OUTSIDE_MARGIN * HW[0]
    assert beyond[:, [HUMAN.index(f"{side}_{part}") for side in ("left", "right") for part in ("knee", "ankle", "toe")]].all()
    assert np.isnan(track.points[beyond]).all()
    assert (track.score[beyond] == 0).all()
    assert (track.origin[beyond] == ORIGINS.index("dropped")).all()
    inside = np.isfinite(points[..., 0]) & ~beyond
    assert np.isfinite(track.points[inside]).all()
    assert "% of the joints that blazepose gave lie outside the picture" in capfd.readouterr().err


def test_a_joint_that_leaves_the_picture_for_a_moment_is_filled_like_any_gap(tmp_path, monkeypatch, capfd):
    points = cut_above_the_hips(20)
    wrist, rest = HUMAN.index("left_wrist"), points[..., 1] > HW[0]
    points[rest] = np.nan
    points[:, wrist] = [150.0, 100.0]
    points[8:11, wrist] = [150.0, 190.0]
    track = estimated(tmp_path, monkeypatch, points).track()
    assert (track.origin[8:11, wrist] == ORIGINS.index("interpolated")).all()
    assert np.abs(track.points[:, wrist] - [150, 100]).max() < 1
    assert "outside" not in capfd.readouterr().err


def test_the_margin_is_the_same_on_all_sides():
    reach = OUTSIDE_MARGIN * 150
    for axis, edge, sign in ((0, -0.5, -1), (0, 199.5, 1), (1, -0.5, -1), (1, 149.5, 1)):
        point = np.array([70.0, 70.0])
        for step, outside in ((reach - 0.01, False), (reach + 0.01, True)):
            point[axis] = edge + sign * step
            assert find_outside(point, HW) == outside
    assert not find_outside(np.full((2, 3, 2), np.nan), HW).any()
