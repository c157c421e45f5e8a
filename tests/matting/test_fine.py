"""The edge pass over drawn figures: by a network that tells their colours, or a wrong one, and through the whole stage."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from figure import JOINTS, Figure, Motion, human, static_background, truth
from tiny_onnx import write_pointwise

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.errors import InputError
from pipeline.matting.backends import blazepose
from pipeline.matting.difference import Background
from pipeline.matting.fine import EdgePass
from pipeline.matting.segment import MattingParams, SegmentInputs, segment_person
from pipeline.matting.steady import Moment
from pipeline.matting.steady_edges import steady_edges
from pipeline.matting.subject import Subject, subject_of
from pipeline.matting.unchanged import Unchanged
from pipeline.networks.modnet import FILE
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.video.clock import Clock

FRAMES, SIZE_HW = 4, (200, 180)
PARAMS = MattingParams(
    threads=1, background_samples=5, sensitivity=5.0, floor_levels=12.0, smoothing=0.5, edge_radius=0.0, edge_epsilon=0.0005,
    extremities="none", edges="modnet",
)  # fmt: skip
SPLIT = SplitParams(hold_out_fraction=0.2)


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames on plain blue, true mattes and joints of a figure that waves."""
    figure = Figure(170)
    points = figure.points(FRAMES, (70, 185), Motion(wave=0.3))
    frames, true = figure.render(points, np.full((*SIZE_HW, 3), (20, 30, 250), np.uint8))
    return frames, true, points


def subject(points: np.ndarray, size_hw: tuple[int, int] = SIZE_HW) -> Subject:
    table = truth(points, JOINTS, human(), size_hw)
    return subject_of(table, split_frames(table.track().present, SPLIT))


def not_blue(image: np.ndarray) -> np.ndarray:
    return np.clip((230 - image[..., 2].astype(np.float32)) / 60, 0, 1)


def blurred(true: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(one, (0, 0), 2.0) for one in true])


def passing(see, subject: Subject) -> EdgePass:
    return EdgePass(see, subject, SIZE_HW, np.arange(FRAMES), None)


def test_edges_come_from_the_network_and_nothing_else_changes():
    frames, true, points = drawn()
    edges = passing(not_blue, subject(points))
    for t, coarse in enumerate(blurred(true)):
        before = coarse.copy()
        found = edges.sharpened(t, frames[t], coarse)
        assert (found.shape, found.dtype) == (SIZE_HW, np.uint8)
        error = [np.abs(matte.astype(float) - true[t]).mean() for matte in (found, coarse)]
        assert error[0] < 0.5 * error[1]
        np.testing.assert_array_equal(coarse, before)
    nobody = np.zeros(SIZE_HW, np.uint8)
    np.testing.assert_array_equal(edges.sharpened(0, frames[0], nobody), nobody)


@pytest.mark.parametrize("says", [0.0, 1.0])
def test_a_network_that_is_wrong_everywhere_changes_nothing_to_speak_of(says):
    frames, true, points = drawn()
    edges = passing(lambda image: np.full(image.shape[:2], says, np.float32), subject(points))
    coarse = blurred(true)[0]
    found = edges.sharpened(0, frames[0], coarse)
    assert np.abs(found.astype(float) - coarse).mean() < 0.5


def test_a_crop_of_any_size_costs_the_network_about_the_same():
    for factor in (1, 4, 8):
        _, true, points = drawn()
        size_hw = (SIZE_HW[0] * factor, SIZE_HW[1] * factor)
        one, areas = subject(points * factor, size_hw), []

        def see(image: np.ndarray, areas: list[int] = areas) -> np.ndarray:
            areas.append(image.shape[0] * image.shape[1])
            return not_blue(image)

        edges = EdgePass(see, one, size_hw, np.arange(FRAMES), None)
        frame = np.zeros((*size_hw, 3), np.uint8)
        everywhere = np.full(size_hw, 255, np.uint8)
        edges.sharpened(0, frame, cv2.resize(true[0], size_hw[::-1]))
        edges.sharpened(0, frame, everywhere)
        assert 40_000 < areas[0] < 190_000
        assert areas[1] < 200_000


def test_a_box_beside_the_person_that_never_moved_is_taken_out():
    """In a frame twice as large, in whose lower right the figure stands."""
    frames, true, points = drawn()
    away = SIZE_HW[1], SIZE_HW[0]
    size_hw = (2 * SIZE_HW[0], 2 * SIZE_HW[1])
    one = subject(points + np.array(away), size_hw)
    box = np.s_[320:350, 285:310]
    still = np.full((*size_hw, 3), (20, 30, 250), np.float32)
    still[box] = (20, 200, 250)
    background = Background(still, np.ones(size_hw, np.float32), np.ones(size_hw, bool), True)
    unchanged = Unchanged(background, one.boxes, SIZE_HW, 5.0, 12.0)
    coarse, whole, frame = np.zeros(size_hw, np.uint8), np.zeros(size_hw, np.uint8), still.astype(np.uint8)
    whole[away[1] :, away[0] :], coarse[away[1] :, away[0] :] = true[0], blurred(true)[0]
    frame[away[1] :, away[0] :][true[0] > 127] = frames[0][true[0] > 127]
    coarse[box] = np.maximum(coarse[box], 250)
    inside, untouched = np.s_[324:346, 290:306], (whole > 250) & (coarse > 240)

    def passed(unchanged: Unchanged | None) -> EdgePass:
        return EdgePass(not_blue, one, size_hw, np.arange(FRAMES), unchanged)

    found = passed(unchanged).sharpened(0, frame, coarse)
    assert found[inside].max() < 30
    assert found[untouched].min() > 200
    assert passed(None).sharpened(0, frame, coarse)[inside].min() > 200
    moved = frame.copy()
    moved[box] = (120, 20, 250)  # it has changed: it may be something the person carries
    assert passed(unchanged).sharpened(0, moved, coarse)[inside].min() > 200


def moments(mattes: list[np.ndarray]) -> list[tuple[Moment, np.ndarray]]:
    grey = cv2.GaussianBlur(static_background((60, 80)), (0, 0), 2)[..., 0]
    return [(Moment(t, np.zeros((120, 160, 3), np.uint8), grey, grey), matte) for t, matte in enumerate(mattes)]


def test_edges_that_flicker_are_steadied_but_not_across_a_cut():
    one, other = (np.zeros((120, 160), np.uint8) for _ in range(2))
    one[30:90, 40:100] = 255
    other[30:90, 44:104] = 255  # the picture stands still, the matte jumps
    linked = np.array([False, True, True, True, False, True])
    given = [one, other, one, one, other, other]
    found = [matte for _, matte in steady_edges(moments(given), 1.0, linked)]
    jumps = [[np.abs(b.astype(float) - a).sum() for a, b in pairwise(m[:4])] for m in (given, found)]
    assert sum(jumps[1]) < 0.6 * sum(jumps[0])
    np.testing.assert_array_equal(found[3], one)
    np.testing.assert_array_equal(found[4], other)
    same = list(steady_edges(moments(given), 0.0, linked))
    assert [t for t, _ in same] == list(range(6))
    for (_, matte), was in zip(same, given, strict=True):
        np.testing.assert_array_equal(matte, was)


def test_edges_move_with_the_picture():
    """A square that walks 4 px a frame, seen by pictures of half its size: averaged, it is as sharp and where it was."""
    texture = cv2.GaussianBlur(static_background((60, 200)), (0, 0), 2)[..., 0]
    items = []
    for t in range(3):
        matte = np.zeros((120, 160), np.uint8)
        matte[30:90, 40 + 4 * t : 100 + 4 * t] = 255
        grey = np.roll(texture, 2 * t, axis=1)[:, 60:140].copy()
        items.append((Moment(t, np.zeros((120, 160, 3), np.uint8), grey, grey), matte))
    found = list(steady_edges(items, 1.0, np.array([False, True, True])))[1][1]
    assert np.abs(found.astype(float) - items[1][1])[5:-5].mean() < 2


def stage(
    folder: Path, monkeypatch, edges: str, rows: int = SIZE_HW[0], network: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Mattes of the whole stage and the true ones (t h w), of frames of which only the first rows are filmed; the network tells blue."""
    frames, true, points = drawn()
    frames, true = frames[:, :rows], true[:, :rows]
    with create_frames(folder / "ana.zarr", Clock.regular("25", FRAMES), frames.shape[1:3]) as writer:
        writer.append(frames)
    write_keypoints(folder / "ana.parquet", truth(points, JOINTS, human(), frames.shape[1:3]))
    soft = {frame.tobytes(): coarse for frame, coarse in zip(frames, blurred(true), strict=True)}
    monkeypatch.setattr(blazepose, "load", lambda *_: lambda images, boxes, points: np.stack([soft[image.tobytes()] for image in images]))
    write_pointwise(folder / FILE, [0.0, 0.0, -12.0], 8.0)
    params = PARAMS.model_copy(update={"edges": edges})
    read = open_frames(folder / "ana.zarr"), read_keypoints(folder / "ana.parquet")
    segment_person(SegmentInputs(*read, folder, folder if network else None), "blazepose", params, SPLIT, folder / "m.zarr")
    return open_mattes(folder / "m.zarr")[:], true


@pytest.mark.parametrize("rows", [SIZE_HW[0], 110], ids=["whole", "cut off by the frame"])
def test_the_stage_gives_sharper_mattes_with_the_network_than_without(tmp_path, monkeypatch, rows):
    errors = {}
    for edges in ("modnet", "none"):
        (tmp_path / edges).mkdir()
        found, true = stage(tmp_path / edges, monkeypatch, edges, rows)
        errors[edges] = np.abs(found.astype(float) - true).mean()
        inside = np.stack([cv2.erode(one, np.ones((1, 9))) for one in true])[:, -1] > 250
        assert inside.any() == (rows < SIZE_HW[0])
        assert (found[:, -1][inside] > 240).all()  # what the frame cuts off ends at its rim
    assert errors["modnet"] < 0.6 * errors["none"]


def test_the_stage_needs_the_network_only_where_it_is_asked_for(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"edges modnet needs its network: .*--edge-weights FOLDER. Run: dvc repro fetch_edge_weights"):
        stage(tmp_path, monkeypatch, "modnet", network=False)
    assert not (tmp_path / "m.zarr").exists()
