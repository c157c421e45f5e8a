"""Laws of frames seen in the still view of a moving camera: read in any way they are the same, and only with keypoints of theirs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure import human
from filmed import SIZE_HW, path, scene

from pipeline.artifacts.frames import Frames, create_frames, open_frames
from pipeline.artifacts.keypoints import Keypoints, motion_of, read_keypoints, write_keypoints
from pipeline.errors import InputError
from pipeline.picture.camera import Camera
from pipeline.video.clock import Clock

T, VIEW_HW = 5, (250, 340)
MAPS = path(T, pan=20)
CAMERA = Camera(MAPS[0] @ np.linalg.inv(MAPS), np.array([True, True, False, True, True]), SIZE_HW, VIEW_HW, 0)
CLOCK = Clock.regular("25", T)


@pytest.fixture
def filmed(tmp_path: Path) -> Frames:
    pictures = np.stack([scene()[t : t + 240, 3 * t : 3 * t + 320] for t in range(T)])
    with create_frames(tmp_path / "ana.zarr", CLOCK, SIZE_HW) as writer:
        writer.append(pictures)
    return open_frames(tmp_path / "ana.zarr")


def table(camera: Camera | None) -> Keypoints:
    skeleton = human()
    joints = len(skeleton.joints)
    points = np.random.default_rng(2).uniform(0, 200, (T, 1, joints, 2)).astype(np.float32)
    size = SIZE_HW if camera is None else camera.size_hw
    ones = np.ones((T, 1, joints), np.uint8)
    return Keypoints(points, ones.astype(np.float32), ones, skeleton, CLOCK, size, 0, camera=camera)


def test_without_a_camera_frames_are_themselves(filmed):
    assert filmed.steady(None) is filmed
    assert filmed.over(np.zeros((*SIZE_HW, 3), np.uint8)) is filmed
    assert filmed.shown(0).all()
    assert filmed.shown(0).shape == SIZE_HW


def test_frames_are_the_same_in_whatever_way_they_are_read(filmed):
    seen = filmed.steady(CAMERA)
    expected = np.stack([CAMERA.picture(t, filmed[t]) for t in range(T)])
    assert len(seen) == T
    assert seen.size_hw == VIEW_HW
    assert seen.shape == expected.shape
    assert seen.clock == filmed.clock
    assert np.array_equal(seen[:], expected)
    assert np.array_equal(seen[1:4:2], expected[1:4:2])
    assert np.array_equal(seen[-1], expected[-1])
    assert seen[5:].shape == (0, *VIEW_HW, 3)
    for start, block in seen.blocks(2):
        assert np.array_equal(block, expected[start : start + len(block)])
    assert [bool(seen.shown(t).any()) for t in range(T)] == CAMERA.trusted.tolist()


def test_what_lies_behind_shows_where_a_frame_shows_nothing(filmed):
    behind = np.full((*VIEW_HW, 3), 77, np.uint8)
    seen = filmed.steady(CAMERA).over(behind)
    for t, image in enumerate(seen[:]):
        assert (image[~seen.shown(t)] == 77).all()
        assert np.array_equal(image[seen.shown(t)], filmed.steady(CAMERA)[t][seen.shown(t)])


def test_keypoints_of_other_frames_are_refused(filmed):
    for other in (replace(CAMERA, filmed_hw=(100, 90)), replace(CAMERA, maps=CAMERA.maps[:3])):
        with pytest.raises(InputError, match=r"a moving camera are of .*, found 5 of \(240, 320\)\. Run: dvc repro estimate_poses"):
            filmed.steady(other)


def test_keypoints_bring_their_camera_and_a_motion_made_of_them_has_none(tmp_path):
    write_keypoints(tmp_path / "k.parquet", table(CAMERA))
    back = read_keypoints(tmp_path / "k.parquet")
    assert back.camera is not None
    assert np.array_equal(back.camera.maps, CAMERA.maps)
    assert back.camera.size_hw == back.size_hw == VIEW_HW
    assert back.track().camera is back.camera
    assert "camera" not in back.attributes
    assert motion_of(back.track()).camera is None


def test_keypoints_of_a_still_camera_say_nothing_of_one(tmp_path):
    write_keypoints(tmp_path / "k.parquet", table(None))
    assert read_keypoints(tmp_path / "k.parquet").camera is None
    assert b"camera" not in (tmp_path / "k.parquet").read_bytes()


@pytest.mark.parametrize("damage", [{"size_hw": (99, 98)}, {"maps": CAMERA.maps[:3]}])
def test_a_camera_of_another_clip_is_refused(tmp_path, damage):
    write_keypoints(tmp_path / "k.parquet", replace(table(CAMERA), camera=replace(CAMERA, **damage)))
    with pytest.raises(InputError, match=r"k\.parquet is not a readable keypoints table: .*Run: dvc repro estimate_poses"):
        read_keypoints(tmp_path / "k.parquet")
