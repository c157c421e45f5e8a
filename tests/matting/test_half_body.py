"""Mattes of people whose hips no frame shows."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from figure import Figure, Motion, human, static_background, truth

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.matting.backends import blazepose
from pipeline.matting.segment import MattingParams, SegmentInputs, segment_person
from pipeline.networks.blazepose import LANDMARK_PX, LandmarkResult, roi_from_joints
from pipeline.networks.mediapipe import Roi
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

PARAMS = MattingParams(
    threads=1, background_samples=5, sensitivity=5.0, floor_levels=12.0, smoothing=0.0, edge_radius=0.0, edge_epsilon=0.0005,
    extremities="none", edges="none",
)  # fmt: skip


def all_over(presence: dict[str, float], seen: list[Roi]):
    """A landmark network that takes all it sees for the person, as surely as told for the first square and for others."""

    def network(image: np.ndarray, roi: Roi) -> LandmarkResult:
        seen.append(roi)
        sure = presence["first"] if len(seen) == 1 else presence["other"]
        points, everything = np.zeros((39, 2)), np.ones((LANDMARK_PX, LANDMARK_PX), np.float32)
        return LandmarkResult(points, points[:, 0], points[:, 0], sure, everything, roi.matrix(LANDMARK_PX))

    return network


def find(monkeypatch, presence: dict[str, float], detected: np.ndarray) -> tuple[np.ndarray, list[Roi]]:
    seen: list[Roi] = []
    monkeypatch.setattr(blazepose, "LandmarkNet", lambda folder, threads: all_over(presence, seen))
    monkeypatch.setattr(blazepose, "DetectorNet", lambda folder, threads: lambda image: SimpleNamespace(keypoints=detected))
    points = np.array([[[50.0, 40], [60, 40], [50, 60], [60, 60]]])
    mattes = blazepose.load(Path(), 1, [2, 3], [0, 1])(np.zeros((1, 100, 120, 3), np.uint8), np.array([[50.0, 40, 61, 61]]), points)
    return mattes[0], seen


FAR, NEAR = np.zeros((4, 2)), np.array([[55.0, 58], [55, 20], [55, 41], [55, 25]])


def test_a_person_who_is_not_recognised_is_looked_for_where_the_detector_sees_it(monkeypatch):
    matte, seen = find(monkeypatch, {"first": 0.6, "other": 0.0}, np.stack([FAR, NEAR]))
    assert matte.max() == 255
    assert len(seen) == 1
    matte, seen = find(monkeypatch, {"first": 0.4, "other": 0.6}, np.stack([FAR, NEAR]))
    assert matte.max() == 255
    assert seen[1].centre_xy == (55.0, 58.0)
    assert seen[1].size_px == pytest.approx(2 * 38 * 1.25)


@pytest.mark.parametrize("detected", [np.stack([FAR, NEAR]), FAR[None], np.zeros((0, 4, 2))])
def test_what_the_network_does_not_take_for_a_person_is_refused(monkeypatch, detected):
    matte, seen = find(monkeypatch, {"first": 0.4, "other": 0.4}, detected)
    assert not matte.any()
    assert len(seen) == (2 if len(detected) == 2 else 1)


def test_the_square_is_a_whole_bodys_even_where_only_trunk_and_head_are_seen():
    trunk = np.array([[0.0, 0], [20, 0], [2, 30], [18, 30], [10, -10]])
    roi = roi_from_joints(trunk, [2, 3], [0, 1])
    assert roi.centre_xy == (10.0, 30.0)
    assert roi.size_px == pytest.approx(2 * 1.72 * 30 * 1.25)
    whole = np.concatenate([trunk, [[10, 95]]])
    assert roi_from_joints(whole, [2, 3], [0, 1]).size_px == pytest.approx(2 * 1.1 * 65 * 1.25)


def test_all_of_a_bust_is_kept(tmp_path, monkeypatch):
    figure = Figure(300, {"shoulders": 1.5})
    whole = figure.points(6, (80, 320), Motion(wave=0.3))
    frames, true = (a[:, :150] for a in figure.render(whole, static_background((340, 160), seed=3)))
    table = truth(whole, figure.joints, human(), (150, 160))
    table.points[~(table.points[..., 1] < 150)] = np.nan
    assert np.isnan(table.points[:, 0, human().indices("hips")]).all()
    with create_frames(tmp_path / "a.zarr", Clock.regular("25", 6), (150, 160)) as writer:
        writer.append(frames)
    write_keypoints(tmp_path / "a.parquet", table)
    boxes: list[np.ndarray] = []

    def perfect(folder, threads, hips, shoulders):
        def see(block, boxes_xyxy, points):
            boxes.append(boxes_xyxy)
            assert np.isfinite(points[:, hips]).all()
            return true[: len(block)]

        return see

    monkeypatch.setattr(blazepose, "load", perfect)
    inputs = SegmentInputs(open_frames(tmp_path / "a.zarr"), read_keypoints(tmp_path / "a.parquet"), tmp_path)
    segment_person(inputs, "blazepose", PARAMS, SplitParams(hold_out_fraction=0), tmp_path / "m.zarr")
    mattes = open_mattes(tmp_path / "m.zarr")[:]
    share = (mattes > 127)[true > 127].mean()
    assert share > 0.98
    assert (boxes[0][:, 3] == 150).all()
