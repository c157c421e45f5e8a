"""Mattes of drawn figures, whose true mattes are known."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from figure import Figure, Motion, static_background, truth, worm

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, read_keypoints, write_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.body.skeleton import Limb, Skeleton, load_skeleton
from pipeline.errors import InputError
from pipeline.matting.segment import MattingParams, SegmentInputs, segment_person
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

HUMAN = Path("pipeline/skeletons/human.yaml")
PARAMS = MattingParams(
    threads=1,
    background_samples=20,
    sensitivity=5.0,
    floor_levels=12.0,
    smoothing=0.5,
    edge_radius=0.008,
    edge_epsilon=0.0005,
    extremities="difference",
    edges="none",
)
SPLIT = SplitParams(hold_out_fraction=0.2)


def on_human(points: np.ndarray, joints: tuple[str, ...]) -> np.ndarray:
    return truth(points, joints, load_skeleton(HUMAN), (160, 240)).points[:, 0]


def store(folder: Path, frames: np.ndarray, people: list[np.ndarray], skeleton: Skeleton, size_hw=None) -> tuple[Path, Path]:
    clock = Clock.regular("25", len(frames))
    with create_frames(folder / "ana.zarr", clock, frames.shape[1:3]) as writer:
        writer.append(frames)
    points = np.stack(people, axis=1).astype(np.float32)
    seen = np.isfinite(points[..., 0])
    table = Keypoints(points, seen.astype(np.float32), seen.astype(np.uint8), skeleton, clock, size_hw or frames.shape[1:3], 0)
    write_keypoints(folder / "ana.parquet", table)
    return folder / "ana.zarr", folder / "ana.parquet"


def opened(frames: Path, keypoints: Path, weights: Path | None = None) -> SegmentInputs:
    return SegmentInputs(open_frames(frames), read_keypoints(keypoints), weights)


def walking(t: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, true mattes and human joints of a figure that walks 150 px to the right."""
    frames, mattes, points = (a.copy() for a in _walked())
    return frames[:t], mattes[:t], points[:t]


@cache
def _walked() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    figure = Figure(height_px=110)
    points = figure.points(24, (50, 140), Motion(travel=1.4))
    frames, mattes = figure.render(points, static_background((160, 240), seed=3))
    return frames, mattes, on_human(points, figure.joints)


def by_difference(folder: Path, frames: np.ndarray, people: list[np.ndarray], skeleton: Skeleton) -> np.ndarray:
    paths = store(folder, frames, people, skeleton)
    segment_person(opened(*paths), "background_difference", PARAMS, SPLIT, folder / "matte.zarr")
    return open_mattes(folder / "matte.zarr")[:]


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    a, b = found > 127, true > 127
    return float((a & b).sum() / (a | b).sum())


def test_drawn_figure_is_found(tmp_path):
    frames, true, points = walking()
    mattes = by_difference(tmp_path, frames, [points], load_skeleton(HUMAN))
    assert mattes.shape == true.shape
    assert overlap(mattes, true) > 0.95
    assert np.abs(mattes.astype(float) - true).mean() < 3


def test_noise_and_flicker_change_little(tmp_path):
    frames, true, points = walking()
    rng = np.random.default_rng(0)
    light = 1 + 0.08 * np.sin(np.arange(len(frames)))
    noisy = frames * light[:, None, None, None] + rng.normal(0, 3, frames.shape)
    mattes = by_difference(tmp_path, noisy.round().clip(0, 255).astype(np.uint8), [points], load_skeleton(HUMAN))
    assert overlap(mattes, true) > 0.93


def test_grey_footage_works_too(tmp_path):
    frames, true, points = walking()
    grey = np.repeat(frames.mean(axis=3, keepdims=True).astype(np.uint8), 3, axis=3)
    assert overlap(by_difference(tmp_path, grey, [points], load_skeleton(HUMAN)), true) > 0.8


def test_shadow_stays_out_of_a_colour_matte(tmp_path):
    frames, true, points = walking()
    shadow = np.roll(true, 25, axis=2) > 127
    shadow[:, :, :25] = False
    darker = np.where((shadow & (true == 0))[..., None], (frames * 0.75).astype(np.uint8), frames)
    mattes = by_difference(tmp_path, darker, [points], load_skeleton(HUMAN))
    assert (mattes[shadow & (true == 0)] > 127).mean() < 0.15


def test_subject_of_ten_pixels_with_two_joints(tmp_path):
    animal = worm(2, 10.0)
    points = animal.points(30, (40, 30), radius_px=15)
    frames, true = animal.render(points, static_background((60, 80)))
    limb = Limb("head", "tail", (255, 0, 0), 1.0, True)
    skeleton = Skeleton("worm", animal.joints, "head", (limb,), (), {}, (), ())
    mattes = by_difference(tmp_path, frames, [points], skeleton)
    assert overlap(mattes, true) > 0.7


def test_frames_without_the_subject_have_no_matte(tmp_path):
    frames, _, points = walking()
    points[8:12] = np.nan
    mattes = by_difference(tmp_path, frames, [points], load_skeleton(HUMAN))
    assert (mattes[8:12] == 0).all()
    assert mattes[7].any()


def test_somebody_else_stays_out(tmp_path):
    figure, background = Figure(height_px=110), static_background((160, 240))
    first = figure.points(24, (40, 140), Motion(travel=0.9))
    second = figure.points(24, (110, 140), Motion(travel=0.9))
    alone, true = figure.render(first, background)
    both = np.stack([figure.render(second[t : t + 1], frame)[0][0] for t, frame in enumerate(alone)])
    rival = figure.render(second, background)[1]
    people = [on_human(first, figure.joints), on_human(second, figure.joints)]
    mattes = by_difference(tmp_path, both, people, load_skeleton(HUMAN))
    assert (mattes[rival > 127] > 127).mean() < 0.05
    assert overlap(mattes, true) > 0.85


def test_held_out_pixels_change_no_training_matte(tmp_path):
    frames, _, points = walking()
    changed = frames.copy()
    changed[20:] = 255 - changed[20:]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one = by_difference(tmp_path / "a", frames, [points], load_skeleton(HUMAN))
    two = by_difference(tmp_path / "b", changed, [points], load_skeleton(HUMAN))
    assert (one[:19] == two[:19]).all()


def test_disagreeing_inputs_name_both_files(tmp_path):
    frames, _, points = walking(8)
    longer = np.concatenate([points, points[:2]])
    (tmp_path / "long").mkdir()
    video, _ = store(tmp_path, frames, [points], load_skeleton(HUMAN))
    _, table = store(tmp_path / "long", np.concatenate([frames, frames[:2]]), [longer], load_skeleton(HUMAN))
    with pytest.raises(InputError, match=r"long/ana.parquet has 10 frames, .*ana.zarr has 8. Run: dvc repro estimate_poses@ana"):
        segment_person(opened(video, table), "background_difference", PARAMS, SPLIT, tmp_path / "m.zarr")
    store(tmp_path / "long", frames, [points], load_skeleton(HUMAN), size_hw=(80, 120))
    with pytest.raises(InputError, match=r"is for frames of \(80, 120\)"):
        segment_person(opened(video, table), "background_difference", PARAMS, SPLIT, tmp_path / "m.zarr")
    assert not (tmp_path / "m.zarr").exists()


def test_nobody_and_no_network_are_errors(tmp_path):
    frames, _, points = walking(8)
    paths = store(tmp_path, frames, [points], load_skeleton(HUMAN))
    with pytest.raises(InputError, match="blazepose needs its network"):
        segment_person(opened(*paths), "blazepose", PARAMS, SPLIT, tmp_path / "m.zarr")
    paths = store(tmp_path, frames, [np.full_like(points, np.nan)], load_skeleton(HUMAN))
    with pytest.raises(InputError, match="must select somebody who is seen"):
        segment_person(opened(*paths), "background_difference", PARAMS, SPLIT, tmp_path / "m.zarr")
