"""Crops: what they hold, that they map back, and what they refuse."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure import Figure, Motion, human, static_background, truth

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, read_keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes, open_mattes
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.crop.crop import CropInputs, CropParams, Like, crop_person
from pipeline.errors import InputError
from pipeline.picture.geometry import apply_affine, crop_to_box, invert_affine
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import NO_TIME, Clock

STICK = Skeleton("stick", ("top", "foot"), "top", (Limb("top", "foot", (255, 0, 0), 1.0, True),), (), {}, (), ())
SIZE_HW = (90, 140)


def inputs(folder: Path, t: int = 20, matte_t: int | None = None, table_t: int | None = None, plate_hw=SIZE_HW, absent=()):
    """A clip with one bright square of 10 px that travels right, its joints at two corners."""
    background = static_background(SIZE_HW)
    frames, mattes = np.repeat(background[None], t, axis=0), np.zeros((matte_t or t, *SIZE_HW), np.uint8)
    points = np.zeros((table_t or t, 1, 2, 2), np.float32)
    for i in range(t):
        x = 20 + 4 * i
        frames[i, 40:50, x : x + 10] = 250
        if i < len(mattes):
            mattes[i, 40:50, x : x + 10] = 255
        if i < len(points):
            points[i, 0] = [[x, 40], [x + 9, 49]]
    points[list(absent)] = np.nan
    paths = [folder / "ana.zarr", folder / "m" / "ana.zarr", folder / "ana.parquet", folder / "p" / "ana.zarr"]
    clock = Clock.regular("25", t)
    with create_frames(paths[0], clock, SIZE_HW) as writer:
        writer.append(frames)
    with create_mattes(paths[1], Clock.regular("25", len(mattes)), SIZE_HW) as writer:
        writer.append(mattes)
    seen, clock = np.isfinite(points[..., 0]), Clock.regular("25", len(points))
    write_keypoints(paths[2], Keypoints(points, seen.astype(np.float32), seen.astype(np.uint8), STICK, clock, SIZE_HW, 0))
    with create_frames(paths[3], NO_TIME, plate_hw, kind="plates") as writer:
        writer.append(static_background(plate_hw)[None])
    return paths, points


def opened(paths: list[Path]) -> CropInputs:
    frames, mattes, keypoints, plate = paths
    return CropInputs(open_frames(frames), open_mattes(mattes), read_keypoints(keypoints), open_frames(plate, "plates"))


def params(mode="fixed", margin=1.25, size_px=64) -> CropParams:
    return CropParams(mode=mode, margin=margin, size_px=size_px)


@pytest.mark.parametrize("mode", ["fixed", "follow"])
def test_crops_show_the_subject_where_the_map_says(tmp_path, mode):
    paths, points = inputs(tmp_path, absent=(7, 8))
    assert crop_person(opened(paths), params(mode), tmp_path / "c.zarr") == 20
    crops = open_crops(tmp_path / "c.zarr")
    crop_hw = (32, 64) if mode == "fixed" else (64, 64)
    assert crops.attributes["mode"] == mode
    assert crops.crop_hw == crop_hw
    assert crops.frames.shape == (20, *crop_hw, 3)
    assert crops.mattes.shape == (20, *crop_hw)
    assert crops.present.tolist() == [i not in (7, 8) for i in range(20)]
    assert len(crops.plate) == (1 if mode == "fixed" else 20)
    for t in (0, 5, 12, 19):
        middle = apply_affine(crops.crop[t], points[t, 0]).mean(axis=0)
        rows, columns = np.nonzero(crops.mattes[t] > 127)
        assert [columns.mean(), rows.mean()] == pytest.approx(middle, abs=0.6)
        assert np.abs(apply_affine(invert_affine(crops.crop[t]), middle) - points[t, 0].mean(axis=0)).max() < 0.01
        bare = crops.mattes[t] == 0
        assert np.abs(crops.frames[t].astype(int) - crops.plate_at(t))[bare].max() <= 2
    assert crops.mattes[5].max() == 255


def test_auto_says_what_it_chose_and_warns_of_a_small_subject(tmp_path, capsys):
    paths, _ = inputs(tmp_path)
    crop_person(opened(paths), params("auto"), tmp_path / "c.zarr")
    assert open_crops(tmp_path / "c.zarr").attributes["mode"] == "follow"  # 10 px on a way of 86
    (warning,) = open_crops(tmp_path / "c.zarr").attributes["warnings"]
    assert warning == "The subject is only 51 px high at working size, 64 or more show more than an outline: raise crop.size_px to 96."
    crop_person(opened(paths), params("fixed"), tmp_path / "d.zarr")
    (warning,) = open_crops(tmp_path / "d.zarr").attributes["warnings"]
    assert warning.endswith("raise crop.size_px to 704, or set crop.mode: follow.")  # 6 px of 64, on 107.5 px
    assert f"warning: {warning}" in capsys.readouterr().err
    crop_person(opened(paths), params("follow", size_px=96), tmp_path / "e.zarr")
    crops = open_crops(tmp_path / "e.zarr")
    assert crops.attributes["warnings"] == []
    assert crops.attributes["body_px"] == pytest.approx(96 / 1.25)


def test_crops_are_the_same_bytes_each_time(tmp_path):
    paths, _ = inputs(tmp_path)
    for name in ("a", "b"):
        crop_person(opened(paths), params("follow"), tmp_path / name)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"matte_t": 12}, r"m/ana.zarr has 12 frames, .*ana.zarr has 20. Run: dvc repro segment_person@ana"),
        ({"table_t": 25}, r"ana.parquet has 25 frames, .*ana.zarr has 20. Run: dvc repro estimate_poses@ana"),
        ({"plate_hw": (45, 70)}, r"p/ana.zarr is for frames of \(45, 70\).*inpaint_background@ana"),
        ({"t": 2}, r"at least 3 frames that show the subject, found 2 of 2 in .*ana.parquet"),
        ({"absent": range(2, 20)}, r"at least 3 frames that show the subject, found 2 of 20"),
    ],
)
def test_unfit_inputs_are_refused_and_leave_nothing(tmp_path, changes, match):
    paths, _ = inputs(tmp_path, **changes)
    with pytest.raises(InputError, match=match):
        crop_person(opened(paths), params(), tmp_path / "c.zarr")
    assert not (tmp_path / "c.zarr").exists()


def test_the_crop_of_a_bust_holds_all_of_it_and_nothing_beyond_the_frame(tmp_path):
    figure, size_hw = Figure(300, {"shoulders": 1.3}), (180, 200)
    whole = figure.points(6, (100, 345), Motion(wave=0.3))
    frames, mattes = (a[:, : size_hw[0]] for a in figure.render(whole, static_background((360, size_hw[1]))))
    table = truth(whole, figure.joints, human(), size_hw)
    table.points[~(table.points[..., 1] < 150)] = np.nan  # no hips, and wrists only where they are raised
    assert np.isnan(table.points[:, 0, human().indices("hips")]).all()
    clock = Clock.regular("25", 6)
    paths = [tmp_path / name for name in ("a.zarr", "m.zarr", "a.parquet", "p.zarr")]
    with create_frames(paths[0], clock, size_hw) as writer:
        writer.append(frames)
    with create_mattes(paths[1], clock, size_hw) as writer:
        writer.append(mattes)
    write_keypoints(paths[2], table)
    with create_frames(paths[3], NO_TIME, size_hw, kind="plates") as writer:
        writer.append(frames[:1])
    crop_person(opened(paths), params(size_px=128), tmp_path / "c.zarr")
    crops = open_crops(tmp_path / "c.zarr")
    x0, y0, x1, y1 = crop_to_box(crops.crop[0], crops.crop_hw)
    assert min(x0, y0) > -1e-6
    assert max(x1 - 200, y1 - 180) < 1e-6
    kept = mattes[:, int(np.ceil(y0)) : int(y1), int(np.ceil(x0)) : int(x1)].sum() / mattes.sum()
    assert kept > 0.95


def test_a_further_clip_is_cropped_like_the_targets_own(tmp_path):
    """The same square, once more and twice as large: the crop has the own clip's size, and the square looks as large in it."""
    paths, points = inputs(tmp_path / "own", t=8)
    crop_person(opened(paths), params(), tmp_path / "own.zarr")
    own = open_crops(tmp_path / "own.zarr")
    like = Like(own, read_keypoints(paths[2]).track(), SplitParams(hold_out_fraction=0.25))
    other, _ = inputs(tmp_path / "other", t=8)
    track = read_keypoints(other[2])
    larger = np.concatenate([points[:, :, :1], points[:, :, :1] + 2 * (points[:, :, 1:] - points[:, :, :1])], axis=2)
    write_keypoints(other[2], Keypoints(larger, track.score, track.origin, STICK, track.clock, SIZE_HW, 0))
    crop_person(opened(other), like, tmp_path / "other.zarr")
    found = open_crops(tmp_path / "other.zarr")
    assert found.crop_hw == own.crop_hw
    assert found.attributes["size_ratio"] == 0.5
    assert np.allclose(found.crop[:, 0, 0], own.crop[0, 0, 0] / 2)
    sides = [np.ptp(apply_affine(crops.crop[3], clip[3, 0]), axis=0) for crops, clip in ((own, points), (found, larger))]
    assert np.allclose(*sides, atol=1e-4)
    with pytest.raises(InputError, match="clips of a target must have one skeleton, found human and stick"):
        crop_person(opened(other), replace(like, track=replace(like.track, skeleton=human())), tmp_path / "x.zarr")
