"""Plates of drawn clips, whose true background is known."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from figure import Figure, Motion, static_background

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, read_keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes, open_mattes
from pipeline.background.camera import camera_motion
from pipeline.background.inpaint import BackgroundInputs, BackgroundParams, inpaint_background
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.errors import InputError
from pipeline.picture.stillness import hidden_by
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

SPLIT = SplitParams(hold_out_fraction=0.25)
STICK = Skeleton("stick", ("top", "foot"), "top", (Limb("top", "foot", (255, 0, 0), 1.0, True),), (), {}, (), ())


def params(**changes) -> BackgroundParams:
    values = {"reveal": "temporal_median", "max_samples": 30, "dilate_share": 0.02, "min_samples": 2, "fill": "telea"}
    return BackgroundParams(**{**values, **changes})


@cache
def clip(travel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, true mattes, nose and heel, and the background of a figure that walks."""
    figure, background = Figure(height_px=90), static_background((120, 200), seed=5)
    points = figure.points(20, (50, 110), Motion(travel=travel, wave=0.0, sway=0.0, period=20))
    frames, mattes = figure.render(points, background)
    ends = points[:, [figure.joints.index("nose"), figure.joints.index("left_heel")]]
    return frames, mattes, ends, background


def store(folder: Path, frames: np.ndarray, mattes: np.ndarray, points: np.ndarray) -> tuple[Path, Path, Path]:
    folder.mkdir(exist_ok=True)
    paths = folder / "ana.zarr", folder / "m" / "ana.zarr", folder / "ana.parquet"
    clock = Clock.regular("25", len(frames))
    with create_frames(paths[0], clock, frames.shape[1:3]) as writer:
        writer.append(frames)
    with create_mattes(paths[1], Clock.regular("25", len(mattes)), mattes.shape[1:3]) as writer:
        writer.append(mattes)
    seen = np.isfinite(points[:, None, :, 0])
    table = Keypoints(
        points[:, None].astype(np.float32), seen.astype(np.float32), seen.astype(np.uint8), STICK, clock, frames.shape[1:3], 0
    )
    write_keypoints(paths[2], table)
    return paths


def opened(paths: tuple[Path, Path, Path], weights: Path | None = None) -> BackgroundInputs:
    return BackgroundInputs(open_frames(paths[0]), open_mattes(paths[1]), read_keypoints(paths[2]), weights)


def plate_of(folder: Path, frames, mattes, points, **changes) -> tuple[np.ndarray, dict]:
    report = inpaint_background(opened(store(folder, frames, mattes, points)), params(**changes), SPLIT, folder / "plate.zarr")
    plate = open_frames(folder / "plate.zarr", kind="plates")
    assert len(plate) == 1
    assert plate.attributes["inpainting"] == report
    return plate[0], report


def test_plate_is_the_true_background_where_some_frame_shows_it(tmp_path):
    frames, mattes, points, background = clip(2.0)
    plate, report = plate_of(tmp_path, frames, mattes, points)
    hidden = (mattes[:15] > 0).sum(axis=0)
    shown = hidden <= 8
    assert (np.abs(plate.astype(int) - background)[shown] <= 1).mean() > 0.999
    assert report["filled_share"] < 0.01
    assert report["revealed_share"] > 0.05
    assert report["samples"] == 15
    assert not report["camera_motion"]["moving"]


def test_flickering_light_leaves_the_plate_clean(tmp_path):
    frames, mattes, points, background = clip(2.0)
    light = 1 + 0.1 * np.sin(2.0 * np.arange(20))
    flickering = (frames * light[:, None, None, None]).round().clip(0, 255).astype(np.uint8)
    plate, _ = plate_of(tmp_path, flickering, mattes, points)
    ratio = plate.astype(float).sum(axis=2) / background.sum(axis=2)
    assert ratio.std() < 0.02


def test_the_plate_has_one_light_wherever_the_subject_stood_when_the_light_changed(tmp_path):
    """The sun comes out in the middle: what is seen in the other half alone would be patched in darker or brighter."""
    frames, mattes, points, background = clip(2.0)
    light = np.where(np.arange(20) < 7, 0.8, 1.05)
    plate, _ = plate_of(tmp_path, (frames * light[:, None, None, None]).round().clip(0, 255).astype(np.uint8), mattes, points)
    ratio = plate.astype(float).sum(axis=2) / background.sum(axis=2)
    assert ratio.std() < 0.02


def test_somebody_who_never_moves_is_filled(tmp_path):
    frames, mattes, points, background = clip(0.0)
    still, matte = np.repeat(frames[:1], 20, axis=0), np.repeat(mattes[:1], 20, axis=0)
    plate, report = plate_of(tmp_path, still, matte, np.repeat(points[:1], 20, axis=0))
    body = matte[0] > 127
    was, now = (np.abs(image.astype(int) - background)[body].mean() for image in (frames[0], plate))
    assert now < 0.5 * was
    assert report["filled_share"] == pytest.approx(body.mean(), abs=0.06)
    assert (plate[matte[0] == 0][:50] == frames[0][matte[0] == 0][:50]).all()


def stands(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A figure that stands in one place all the time, but in frames before and after that, in which nobody is found."""
    frames, mattes, points, background = clip(0.0)
    ends = [np.zeros((len(part), *mattes.shape[1:]), np.uint8) for part in (before, after)]
    nobody = [np.full((len(part), *points.shape[1:]), np.nan) for part in (before, after)]
    shown = np.concatenate([before, np.repeat(frames[:1], 16, axis=0), after])
    opaque = np.concatenate([ends[0], np.repeat(mattes[:1], 16, axis=0), ends[1]])
    return shown, opaque, np.concatenate([nobody[0], np.repeat(points[:1], 16, axis=0), nobody[1]]), background


def test_an_empty_room_shows_what_somebody_who_never_moves_hides(tmp_path):
    darker = np.repeat((0.9 * clip(0.0)[3])[None].astype(np.uint8), 12, axis=0)  # before the camera saw him
    *shown, background = stands(darker, darker[:0])
    plate, report = plate_of(tmp_path, *shown)
    assert np.abs(plate.astype(int) - background).max() <= 3
    assert report["filled_share"] == 0
    assert report["revealed_share"] > 0.02


def test_a_room_is_not_empty_where_somebody_is_whom_nobody_found(tmp_path):
    frames, walking = clip(0.0)[0], clip(2.0)[0]
    filled, _ = plate_of(tmp_path / "alone", *stands(frames[:0], frames[:0])[:3])
    # He stands there as he does later, or in another pose a little aside.
    for name, missed in {"same": frames[:12], **{str(t): np.repeat(walking[t][None], 12, axis=0) for t in (0, 2, 4)}}.items():
        plate, report = plate_of(tmp_path / name, *stands(missed, frames[:0])[:3])
        assert np.array_equal(plate, filled)
        assert report["filled_share"] > 0.02


def test_a_room_that_is_empty_in_the_held_out_time_tells_nothing(tmp_path):
    *_, background = clip(0.0)
    empty = np.repeat(background[None], 12, axis=0)
    plates = [plate_of(tmp_path / name, *stands(empty[:0], after)[:3])[0] for name, after in (("a", empty), ("b", 255 - empty))]
    assert np.array_equal(*plates)


def test_without_reveal_one_frame_is_filled(tmp_path):
    frames, mattes, points, _ = clip(2.0)
    plate, report = plate_of(tmp_path, frames, mattes, points, reveal="none")
    assert report["filled_share"] > 0.05
    assert report["revealed_share"] == 0
    same = [(plate == frame).all(axis=2).mean() for frame in frames[:15]]
    assert max(same) > 0.85


def test_without_reveal_it_is_the_frame_that_hides_least(tmp_path):
    frames, mattes, points, _ = clip(2.0)
    less = mattes.copy()
    less[4, :70] = 0
    plate, report = plate_of(tmp_path, frames, less, points, reveal="none", dilate_share=0.0)
    assert report["filled_share"] == pytest.approx((less[4] > 0).mean(), abs=0.02)
    assert np.array_equal(plate[less[4] == 0][:2000], frames[4][less[4] == 0][:2000])


def test_held_out_pixels_change_no_byte(tmp_path):
    frames, mattes, points, _ = clip(2.0)
    other, opaque = frames.copy(), mattes.copy()
    other[15:], opaque[15:] = 255 - other[15:], 0
    for name, parts in (("a", (frames, mattes)), ("b", (other, opaque))):
        plate_of(tmp_path / name, *parts, points)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a" / "plate.zarr").rglob("*") if p.is_file())
    assert len(files) > 2
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_camera_motion_is_measured():
    picture = static_background((260, 420), seed=8)
    hidden = np.zeros((5, 200, 320), bool)
    hidden[:, 60:140, 100:180] = True
    still = np.stack([picture[30:230, 50:370]] * 5)
    assert not camera_motion(still, hidden)["moving"]
    moving = np.stack([picture[30 + i : 230 + i, 50 + 3 * i : 370 + 3 * i] for i in range(5)])
    report = camera_motion(moving, hidden)
    assert report["moving"]
    assert report["max_shift_px"] == pytest.approx(np.hypot(6, 2), abs=0.3)
    assert report["median_shift_px"] == pytest.approx(np.mean([np.hypot(3, 1), np.hypot(6, 2)]), abs=0.3)
    assert camera_motion(still[:1], hidden[:1])["pairs"] == 0
    assert not camera_motion(np.full((5, 60, 80, 3), 90, np.uint8), np.zeros((5, 60, 80), bool))["moving"]


@pytest.mark.parametrize(("size_hw", "noise"), [((240, 320), 0.5), ((240, 320), 4.0), ((480, 640), 1.5), ((360, 240), 0.0)])
def test_a_plain_background_does_not_move_behind_a_figure_that_does(size_hw, noise):
    """A studio: white but for noise and a soft shadow that walks with the figure."""
    samples, hidden = studio(size_hw, noise)
    assert not camera_motion(samples, hidden)["moving"]


def test_few_features_that_the_figure_walks_past_stay_still():
    """Sockets on a white wall, some of them behind the figure now and then."""
    samples, hidden = studio((240, 320), 1.0, marks=tuple((x, y) for x in (20, 130, 180, 280) for y in (30, 80, 130)))
    report = camera_motion(samples, hidden)
    assert report["pairs"] > 0
    assert not report["moving"]
    assert report["max_shift_px"] < 0.5


@pytest.mark.parametrize("step", [1, 8, 25])
def test_a_camera_that_turns_behind_a_figure_is_found_however_fast(step):
    wide = cv2.resize(static_background((60, 200), seed=8), (1000, 300), interpolation=cv2.INTER_CUBIC)
    figure = Figure(height_px=160)
    poses = figure.points(13, (160, 225), Motion(period=13, travel=0.5))
    pictures = [figure.render(poses[i : i + 1], wide[30:270, 300 + step * i : 620 + step * i]) for i in range(13)]
    samples, mattes = (np.concatenate(parts) for parts in zip(*pictures, strict=True))
    report = camera_motion(samples, np.stack([hidden_by(matte, 3) for matte in mattes]))
    assert report["moving"]
    assert report["pairs"] == 12
    assert 2 * step < report["max_shift_px"] < 7 * step  # six steps from the middle picture to the last


def studio(size_hw: tuple[int, int], noise: float, marks: tuple[tuple[int, int], ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Frames (12 h w 3) uint8 of a figure that walks before a white wall, and what it hides (12 h w) bool."""
    (h, w), rng = size_hw, np.random.default_rng(4)
    wall = np.full((h, w, 3), 246, np.uint8)
    for x, y in marks:
        wall[y : y + 9, x : x + 12], wall[y + 3 : y + 6, x + 2 : x + 5], wall[y + 3 : y + 6, x + 7 : x + 10] = 90, 220, 220
    figure = Figure(height_px=0.6 * h)
    points = figure.points(12, (0.45 * w, 0.9 * h), Motion(period=12, travel=0.8))
    frames, mattes = figure.render(points, wall)
    for frame, pose in zip(frames, points, strict=True):
        x, y = pose[[figure.joints.index("left_heel"), figure.joints.index("right_heel")]].mean(axis=0)
        shadow = np.zeros((h, w), np.float32)
        cv2.ellipse(shadow, (int(x + 0.15 * h), int(y)), (int(0.2 * h), int(0.03 * h)), 0, 0, 360, 0.3, -1)
        frame[:] = frame * (1 - cv2.GaussianBlur(shadow, (0, 0), h / 60))[..., None]
    noisy = (frames + rng.normal(0, noise, frames.shape)).clip(0, 255).astype(np.uint8)
    return noisy, np.stack([hidden_by(matte, max(1, h // 80)) for matte in mattes])


def test_disagreeing_inputs_name_files_and_stage(tmp_path):
    frames, mattes, points, _ = clip(2.0)
    paths = store(tmp_path, frames, mattes[:12], points)
    with pytest.raises(InputError, match=r"m/ana.zarr has 12 frames, .*ana.zarr has 20. Run: dvc repro segment_person@ana"):
        inpaint_background(opened(paths), params(), SPLIT, tmp_path / "p.zarr")
    paths = store(tmp_path, frames, mattes[:, ::2, ::2], points)
    with pytest.raises(InputError, match=r"is for frames of \(60, 100\)"):
        inpaint_background(opened(paths), params(), SPLIT, tmp_path / "p.zarr")
    paths = store(tmp_path, frames, mattes, np.full_like(points, np.nan))
    with pytest.raises(InputError, match="in some training frame"):
        inpaint_background(opened(paths), params(), SPLIT, tmp_path / "p.zarr")
