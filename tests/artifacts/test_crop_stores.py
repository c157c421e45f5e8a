"""Crops, foregrounds and residuals: groups of arrays of one clip."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.crops import open_crops, write_crops
from pipeline.artifacts.foregrounds import create_foregrounds, open_foregrounds
from pipeline.artifacts.residuals import create_residuals, open_residuals
from pipeline.errors import InputError
from pipeline.video.clock import Clock

T, S, W = 5, 8, 12
CLOCK = Clock.regular("25", T)
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (T, S, W, 3), np.uint8)
MATTE = RNG.integers(0, 256, (T, S, W), np.uint8)
CROP = RNG.normal(0, 1, (T, 2, 3))
PRESENT = np.array([True, False, True, True, False])
PATCHES = RNG.integers(-255, 256, (T, S, S, 3)).astype(np.int16)
BOXES = np.where(PRESENT[:, None], RNG.uniform(0, 100, (T, 4)), np.nan)


def make_crops(path: Path, follow: bool = False, frames: int = T) -> None:
    plates = RGB[::-1] if follow else RGB[:1]
    blocks = [(RGB[:2], MATTE[:2], plates[: 2 if follow else 1]), (RGB[2:frames], MATTE[2:frames], plates[2:] if follow else plates[:0])]
    write_crops(path, blocks, CROP, PRESENT, CLOCK, (S, W), (480, 640), {"mode": "follow" if follow else "fixed"})


def make_foregrounds(path: Path, frames: int = T) -> None:
    with create_foregrounds(path, (S, W), CLOCK, CROP, PRESENT, (480, 640), {"model": "x"}) as writer:
        writer.append(RGB[:3], MATTE[:3])
        writer.append(RGB[3:frames], MATTE[3:frames])


def make_residuals(path: Path, frames: int = T) -> None:
    boxes = {"face": BOXES, "left_hand": BOXES + 1}
    with create_residuals(path, boxes, {"face": ["2 frames: absent"]}, S, CLOCK, (480, 640), T) as writer:
        writer.append("face", PATCHES[:2])
        writer.append("left_hand", -PATCHES)
        writer.append("face", PATCHES[2:frames])


MAKE: dict[str, Callable] = {"crops": make_crops, "foregrounds": make_foregrounds, "residuals": make_residuals}
OPEN: dict[str, Callable] = {"crops": open_crops, "foregrounds": open_foregrounds, "residuals": open_residuals}
SOME_ARRAY = {"crops": "mattes", "foregrounds": "rgb", "residuals": "left_hand_box"}


@pytest.mark.parametrize("follow", [False, True])
def test_crops_come_back(tmp_path, follow):
    make_crops(tmp_path / "a.zarr", follow)
    crops = open_crops(tmp_path / "a.zarr")
    assert (crops.frames[:] == RGB).all()
    assert (crops.mattes[:] == MATTE).all()
    np.testing.assert_array_equal(crops.crop, CROP)
    assert crops.present.tolist() == PRESENT.tolist()
    assert (crops.clock, crops.crop_hw, crops.size_hw) == (CLOCK, (S, W), (480, 640))
    assert (crops.plate_at(3) == (RGB[::-1][3] if follow else RGB[0])).all()


def test_foregrounds_come_back(tmp_path):
    make_foregrounds(tmp_path / "a.zarr")
    made = open_foregrounds(tmp_path / "a.zarr")
    assert (made.rgb[:] == RGB).all()
    assert (made.matte[:] == MATTE).all()
    np.testing.assert_array_equal(made.crop, CROP)
    assert made.present.tolist() == PRESENT.tolist()
    assert (len(made), made.clock, made.crop_hw, made.size_hw, made.attributes["model"]) == (T, CLOCK, (S, W), (480, 640), "x")


def test_residuals_come_back_with_their_gaps(tmp_path):
    make_residuals(tmp_path / "a.zarr")
    made = open_residuals(tmp_path / "a.zarr")
    assert made.regions == ("face", "left_hand")
    assert (made.residual("face", 4) == PATCHES[4]).all()
    assert (made.residual("left_hand", 1) == -PATCHES[1]).all()
    np.testing.assert_array_equal(made.boxes["face"], BOXES)
    assert made.skipped == {"face": ["2 frames: absent"], "left_hand": []}
    assert (len(made), made.clock, made.region_px) == (T, CLOCK, S)


def test_residuals_without_a_region_are_legal(tmp_path):
    with create_residuals(tmp_path / "a.zarr", {}, {}, S, CLOCK, (480, 640), T):
        pass
    assert open_residuals(tmp_path / "a.zarr").regions == ()
    assert len(open_residuals(tmp_path / "a.zarr")) == T


@pytest.mark.parametrize("kind", MAKE)
def test_parts_of_different_length_are_a_defect(tmp_path, kind):
    with pytest.raises(ValueError, match=r"4 (frames|patches)"):
        MAKE[kind](tmp_path / "a.zarr", frames=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", MAKE)
def test_writing_again_gives_the_same_bytes(tmp_path, kind):
    for name in ("a.zarr", "b.zarr"):
        MAKE[kind](tmp_path / name)
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in sorted(tmp_path.iterdir()))
    assert first == second


@pytest.mark.parametrize("kind", MAKE)
def test_the_wrong_kind_and_damage_are_noticed(tmp_path, kind):
    path = tmp_path / "a.zarr"
    with pytest.raises(InputError, match=r"a\.zarr does not exist\. Run: dvc repro"):
        OPEN[kind](path)
    other = "crops" if kind != "crops" else "foregrounds"
    MAKE[other](path)
    with pytest.raises(InputError, match=f"must be {kind} version 1, found {other} version 1"):
        OPEN[kind](path)
    shutil.rmtree(path)
    MAKE[kind](path)
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"size_hw"', '"size"'))
    with pytest.raises(InputError, match=f"is not a readable {kind} artifact: KeyError 'size_hw'"):
        OPEN[kind](path)
    (path / "zarr.json").write_text(text)
    next(file for file in (path / SOME_ARRAY[kind] / "c").rglob("*") if file.is_file()).unlink()
    with pytest.raises(InputError, match=f"is damaged: {SOME_ARRAY[kind]}/c/0.* is missing"):
        OPEN[kind](path)
