"""People who move beside the subject leave no ghost in the plate; who stands still is part of it. Drawn, so the background is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from figure import Figure, Motion, human, static_background

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, read_keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes, open_mattes
from pipeline.background.inpaint import BackgroundInputs, BackgroundParams, inpaint_background
from pipeline.background.others import hidden_by_others
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

FRAMES, SIZE_HW = 40, (130, 240)
SPLIT = SplitParams(hold_out_fraction=0.2)
CLOCK = Clock.regular("25", FRAMES)


@cache
def scene(way: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, mattes of the subject and of somebody else who goes so many px to and fro, both's joints (t 2 j 2), the background."""
    subject, other = Figure(90), Figure(90, colours={"shirt": (30, 160, 60)})
    background, t = static_background(SIZE_HW, seed=5), np.arange(FRAMES)
    own = subject.points(FRAMES, (180, 118), Motion(travel=0.5, wave=0.2))
    others = other.points(FRAMES, (60, 118), Motion(wave=0.1, sway=0.0, lift=0.0, turn_degrees=0.0))
    others = others + np.stack([way * np.sin(2 * np.pi * t / 32), 0 * t], -1)[:, None]
    behind, hides = zip(*(other.render(pose[None], background) for pose in others), strict=True)
    drawn = [subject.render(pose[None], frame[0]) for pose, frame in zip(own, behind, strict=True)]
    frames, mattes = (np.concatenate(some) for some in zip(*drawn, strict=True))
    points = np.full((FRAMES, 2, len(human().joints), 2), np.nan, np.float32)
    known = [human().joints.index(name) for name in subject.joints]
    points[:, 0, known], points[:, 1, known] = own, others
    return frames, mattes, np.concatenate(hides), points, background


def table(points: np.ndarray) -> Keypoints:
    seen = np.isfinite(points[..., 0])
    return Keypoints(points, seen.astype(np.float32), seen.astype(np.uint8), human(), CLOCK, SIZE_HW, 0)


def plate_of(folder, frames, mattes, points, **changes) -> np.ndarray:
    with create_frames(folder / "a.zarr", CLOCK, SIZE_HW) as writer:
        writer.append(frames)
    with create_mattes(folder / "m.zarr", CLOCK, SIZE_HW) as writer:
        writer.append(mattes)
    write_keypoints(folder / "k.parquet", table(points))
    values = {"reveal": "temporal_median", "max_samples": 32, "dilate_share": 0.02, "min_samples": 2, "fill": "telea"}
    inputs = BackgroundInputs(open_frames(folder / "a.zarr"), open_mattes(folder / "m.zarr"), read_keypoints(folder / "k.parquet"), None)
    inpaint_background(inputs, BackgroundParams(**{**values, **changes}), SPLIT, folder / "plate.zarr")
    return open_frames(folder / "plate.zarr", kind="plates")[0]


def apart(plate: np.ndarray, background: np.ndarray, where: np.ndarray) -> float:
    """Share of the pixels there (h w) that differ from the background."""
    return float((np.abs(plate.astype(int) - background).max(-1) > 8)[where].mean())


@pytest.mark.parametrize("lost", [0, 6])
def test_somebody_who_steps_to_and_fro_leaves_no_ghost(tmp_path, lost):
    frames, mattes, hides, points, background = scene(24.0)
    often = (hides[:32] > 127).mean(0) > 0.5
    points = points.copy()
    points[12 : 12 + lost, 1] = np.nan
    before = plate_of(tmp_path, frames, mattes, points[:, :1])
    shown = often & ((hides[:32] > 0).sum(0) < 20)
    assert shown.sum() > 150
    assert apart(before, background, shown) > 0.9
    plate = plate_of(tmp_path, frames, mattes, points)
    assert apart(plate, background, shown) < 0.05
    elsewhere = (hides > 0).sum(0) + (mattes > 0).sum(0) == 0
    assert apart(plate, background, elsewhere) == 0


def test_somebody_who_stands_still_stays(tmp_path):
    frames, mattes, hides, points, background = scene(1.5)
    plate = plate_of(tmp_path, frames, mattes, points)
    body = (hides[:32] > 127).all(0) & ((mattes > 0).sum(0) == 0)
    assert body.sum() > 1000
    assert (np.abs(plate.astype(int) - frames[0])[body].max(-1) < 60).mean() > 0.9
    assert not hidden_by_others(table(points), np.arange(FRAMES), 2).any()
    assert apart(plate, background, body) > 0.9


def test_who_stands_still_stays_though_tracks_of_it_are_broken_or_begin_late(tmp_path):
    _, _, _, points, _ = scene(1.5)
    broken = np.concatenate([points, np.full_like(points[:, :1], np.nan)], 1)
    broken[16:, 2] = points[16:, 1]
    broken[16:, 1] = np.nan
    assert not hidden_by_others(table(broken), np.arange(FRAMES), 2).any()
    late = points.copy()
    late[:11, 1] = np.nan
    assert not hidden_by_others(table(late), np.arange(FRAMES), 2, least=8).any()
    assert hidden_by_others(table(late), np.arange(FRAMES), 2, least=5).any()


def test_joints_that_a_detector_guesses_do_not_move_a_body():
    _, _, _, points, _ = scene(1.5)
    points, legs = points.copy(), [j for j, name in enumerate(human().joints) if name.endswith(("knee", "ankle", "heel", "toe"))]
    points[:, 1, legs] += np.random.default_rng(0).normal(0, 15, (FRAMES, len(legs), 2))
    score = np.isfinite(points[..., 0]).astype(np.float32)
    assert hidden_by_others(replace(table(points), score=score), np.arange(FRAMES), 2).any()
    score[:, 1, legs] = 0.1
    assert not hidden_by_others(replace(table(points), score=score), np.arange(FRAMES), 2).any()


def test_a_joint_that_is_far_off_now_and_then_hides_nobody():
    _, _, hides, points, _ = scene(24.0)
    points = points.copy()
    points[::6, 1, human().joints.index("left_wrist")] += 2000
    masks = hidden_by_others(table(points), np.arange(FRAMES), 1)
    assert masks[hides > 127].mean() > 0.97


def test_somebody_of_whom_other_joints_are_seen_all_the_time_is_no_trouble():
    _, _, _, points, _ = scene(24.0)
    points, known = points.copy(), np.flatnonzero(np.isfinite(points[0, 1, :, 0]))
    for third, some in enumerate(np.array_split(known, 3)):
        others = np.setdiff1d(known, some)
        points[third * 14 : third * 14 + 14, 1, others] = np.nan
    assert hidden_by_others(table(points), np.arange(FRAMES), 1).any()


def test_a_crowd_that_is_everywhere_all_the_time_is_blurred_and_not_filled(tmp_path):
    frames, mattes, _, points, _ = scene(24.0)
    crowd = np.concatenate([points[:, :1], *(points[:, 1:] + np.array([dx, 0.0], np.float32) for dx in range(-60, 200, 12))], 1)
    (tmp_path / "a").mkdir()
    blurred = plate_of(tmp_path / "a", frames, mattes, points[:, :1])
    assert (hidden_by_others(table(crowd), np.arange(FRAMES), 2).all(0)).mean() > 0.1
    assert (plate_of(tmp_path, frames, mattes, crowd) == blurred).mean() > 0.9


def test_somebody_who_stands_still_and_leaves_late_does_not_stay(tmp_path):
    frames, mattes, hides, points, background = scene(1.5)
    frames, points = frames.copy(), points.copy()
    own = mattes[20:, ..., None] / 255
    frames[20:] = np.where((hides[20:, ..., None] > 0) & (own == 0), background, frames[20:])
    points[20:, 1] = np.nan
    plate = plate_of(tmp_path, frames, mattes, points)
    body = (hides[:20] > 127).all(0) & ((mattes > 0).sum(0) == 0)
    assert apart(plate_of(tmp_path, frames, mattes, points[:, :1]), background, body) > 0.9
    assert apart(plate, background, body) < 0.02


def test_a_mask_covers_a_body_and_what_is_about_it_and_nothing_of_the_subject():
    _, mattes, hides, points, _ = scene(24.0)
    masks = hidden_by_others(table(points), np.arange(FRAMES), 1)
    assert (masks[hides > 127]).mean() > 0.97
    assert masks.mean() < 2.5 * (hides > 0).mean()
    assert not masks[mattes > 127].any()
    exchanged = replace(table(points), selected=1)
    assert hidden_by_others(exchanged, np.arange(FRAMES), 1)[mattes > 127].mean() > 0.97


def test_a_passer_by_is_looked_for_while_it_is_there_alone():
    _, _, _, points, _ = scene(24.0)
    points = points.copy()
    points[:10, 1] = points[30:, 1] = np.nan
    found = hidden_by_others(table(points), np.arange(FRAMES), 1).any((1, 2))
    assert np.flatnonzero(found).tolist() == list(range(5, 35))


def test_the_first_look_of_held_out_frames_changes_no_plate(tmp_path):
    """Where somebody is lost at the end of the training part is not told by a frame that is held out."""
    frames, mattes, _, points, _ = scene(24.0)
    other = points.copy()
    other[32:, 1] += 20
    plates = []
    for name, some in (("a", points), ("b", other)):
        (tmp_path / name).mkdir()
        plates.append(plate_of(tmp_path / name, frames, mattes, some))
    assert (plates[0] == plates[1]).all()


def test_without_looking_past_the_subject_nobody_is_looked_for(tmp_path):
    frames, mattes, _, points, _ = scene(24.0)
    (tmp_path / "a").mkdir()
    clips = (tmp_path, points), (tmp_path / "a", points[:, :1])
    both, alone = (plate_of(folder, frames, mattes, some, reveal="none") for folder, some in clips)
    assert (both == alone).all()
