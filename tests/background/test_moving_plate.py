"""Laws of what is made of a clip whose camera moves: plate, mattes and crops are those of a still camera, and nothing unseen counts."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from figure import JOINTS, Motion, human, truth
from filmed import SIZE_HW, Filmed, film, path, scene

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.frames import Frames, create_frames, open_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes, open_mattes
from pipeline.background.inpaint import BackgroundInputs, BackgroundParams, inpaint_background
from pipeline.crop.crop import CropInputs, CropParams, crop_person
from pipeline.matting.segment import MattingParams, SegmentInputs, segment_person
from pipeline.params import read_section
from pipeline.picture.camera import Camera
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock

ROOT, LENGTH, REFERENCE = Path(__file__).parents[2], 16, 8
SPLIT = SplitParams(hold_out_fraction=0.2)


class Stored(NamedTuple):
    """A moving clip as stages leave it, with its true camera: the scene as the reference frame sees it, and the true mattes there."""

    frames: Path
    keypoints: Path
    mattes: Path
    camera: Camera
    truth: np.ndarray
    opaque: np.ndarray


@cache
def clip() -> tuple[Filmed, Camera]:
    filmed = film(path(LENGTH, pan=45, zoom=0.12, shake=2), noise=1.0, motion=Motion(travel=0.8, period=LENGTH))
    maps = np.stack([filmed.between(t, REFERENCE) for t in range(LENGTH)])
    return filmed, Camera(maps, np.ones(LENGTH, bool), SIZE_HW, SIZE_HW, REFERENCE)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    filmed, camera = clip()
    tmp_path = tmp_path_factory.mktemp("moving")
    clock = Clock.regular("25", LENGTH)
    with create_frames(tmp_path / "ana.zarr", clock, SIZE_HW) as writer:
        writer.append(filmed.frames)
    opaque = np.stack([camera.picture(t, matte) for t, matte in enumerate(filmed.mattes)])
    with create_mattes(tmp_path / "m.zarr", clock, SIZE_HW) as writer:
        writer.append(opaque)
    points = np.stack([camera.points(t, pose) for t, pose in enumerate(filmed.points)])
    write_keypoints(tmp_path / "ana.parquet", replace(truth(points, JOINTS, human(), SIZE_HW), camera=camera))
    there = cv2.warpPerspective(scene(), filmed.maps[REFERENCE], SIZE_HW[::-1], flags=cv2.INTER_CUBIC)
    return Stored(tmp_path / "ana.zarr", tmp_path / "ana.parquet", tmp_path / "m.zarr", camera, there, opaque)


def steady(stored: Stored) -> Frames:
    """The frames as doors open them."""
    return open_frames(stored.frames).steady(read_keypoints(stored.keypoints).camera)


def plate_of(stored: Stored, out: Path) -> tuple[np.ndarray, dict]:
    params = read_section(ROOT / "params.yaml", "background", BackgroundParams).model_copy(update={"fill": "telea"})
    inputs = BackgroundInputs(steady(stored), open_mattes(stored.mattes), read_keypoints(stored.keypoints), None)
    report = inpaint_background(inputs, params, SPLIT, out)
    return open_frames(out, "plates")[0], report


def test_the_plate_is_the_scene_as_the_reference_frame_sees_it(stored, tmp_path):
    plate, report = plate_of(stored, tmp_path / "p.zarr")
    training = range(round(LENGTH * 0.8))
    often = sum(stored.camera.shown(t) & (stored.opaque[t] == 0) for t in training) >= 6
    assert often.mean() > 0.8
    assert np.abs(plate.astype(int) - stored.truth)[often].mean() < 3
    assert not report["camera_motion"]["moving"]


def test_what_a_frame_does_not_show_is_no_part_of_the_plate(stored, tmp_path):
    """Black would win the median at the rim of the view, which most frames of a pan do not show."""
    plate, _ = plate_of(stored, tmp_path / "p.zarr")
    seldom = (np.sum([stored.camera.shown(t) for t in range(round(LENGTH * 0.8))], axis=0) < 7) & ~(stored.opaque > 0).any(axis=0)
    assert seldom.mean() > 0.02
    assert np.abs(plate.astype(int) - stored.truth)[seldom].mean() < 25
    assert (plate[seldom].max(axis=1) < 8).mean() < 0.02


def test_mattes_are_the_subjects_in_the_view_and_nothing_where_nothing_is_shown(stored, tmp_path):
    params = read_section(ROOT / "params.yaml", "matting", MattingParams).model_copy(update={"threads": 1})
    inputs = SegmentInputs(steady(stored), read_keypoints(stored.keypoints), None, None)
    segment_person(inputs, "background_difference", params, SPLIT, tmp_path / "found.zarr")
    found = open_mattes(tmp_path / "found.zarr")
    assert found.size_hw == SIZE_HW
    shared = []
    for t in range(LENGTH):
        assert not found[t][~stored.camera.shown(t)].any()
        mine, true = found[t] > 127, stored.opaque[t] > 127
        shared.append((mine & true).sum() / (mine | true).sum())
    assert np.median(shared) > 0.85
    assert min(shared) > 0.7


def test_crops_show_the_plate_where_a_frame_shows_nothing(stored, tmp_path):
    with create_frames(tmp_path / "p.zarr", Clock.regular("25", 1), SIZE_HW, kind="plates") as writer:
        writer.append(np.full((1, *SIZE_HW, 3), 200, np.uint8))
    params = CropParams(mode="fixed", margin=2.0, size_px=128)
    mattes, keypoints, plate = open_mattes(stored.mattes), read_keypoints(stored.keypoints), open_frames(tmp_path / "p.zarr", "plates")
    crop_person(CropInputs(steady(stored), mattes, keypoints, plate), params, tmp_path / "c.zarr")
    crops = open_crops(tmp_path / "c.zarr")
    least = []
    for t in range(LENGTH):
        shown = cv2.warpAffine(stored.camera.shown(t).astype(np.uint8), crops.crop[t], crops.crop_hw[::-1], flags=cv2.INTER_NEAREST)
        unseen = cv2.erode(1 - shown, np.ones((5, 5), np.uint8), borderValue=0) > 0
        least.append(unseen.mean())
        assert np.abs(crops.frames[t][unseen].astype(int) - 200).max(initial=0) <= 1
    assert max(least) > 0.02
