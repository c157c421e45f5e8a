"""Frames, mattes and sound: one array with a clock."""

import numpy as np
import pytest
import zarr

from pipeline.artifacts.frames import create_frames, open_frames, replace_clock
from pipeline.artifacts.mattes import create_mattes, open_mattes
from pipeline.artifacts.sounds import read_sound, write_sound
from pipeline.errors import InputError
from pipeline.video.clock import NO_TIME, Clock

CLOCK = Clock("30000/1001", "1/90000", (0, 3003, 6100))
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 10, 14, 3), np.uint8)


@pytest.mark.parametrize("kind", ["frames", "plates", "fused"])
def test_frames_come_back_with_their_clock(tmp_path, kind):
    with create_frames(tmp_path / "a.zarr", CLOCK, (10, 14), {"source": "a.mp4"}, kind) as writer:
        writer.append(FRAMES[:1])
        writer.append(FRAMES[1:])
    frames = open_frames(tmp_path / "a.zarr", kind)
    assert (frames[:] == FRAMES).all()
    assert (len(frames), frames.shape, frames.size_hw, frames.clock) == (3, (3, 10, 14, 3), (10, 14), CLOCK)
    assert frames.attributes["source"] == "a.mp4"
    assert [(start, block.shape[0]) for start, block in frames.blocks(2)] == [(0, 2), (2, 1)]
    assert (np.asarray(zarr.open_group(tmp_path / "a.zarr", mode="r")[kind]) == FRAMES).all()


def test_mattes_have_no_colour(tmp_path):
    with create_mattes(tmp_path / "a.zarr", NO_TIME, (10, 14)) as writer:
        writer.append(FRAMES[..., 0])
    mattes = open_mattes(tmp_path / "a.zarr")
    assert (mattes[1] == FRAMES[1, ..., 0]).all()
    assert mattes.clock == NO_TIME
    with pytest.raises(InputError, match=r"must be frames version 1, found mattes version 1\. Run: dvc repro extract_frames"):
        open_frames(tmp_path / "a.zarr")


def test_a_clock_may_come_last(tmp_path):
    with create_frames(tmp_path / "a.zarr", NO_TIME, (10, 14)) as writer:
        writer.append(FRAMES)
        replace_clock(writer, CLOCK, {"rotation": 90})
    frames = open_frames(tmp_path / "a.zarr")
    assert frames.clock == CLOCK
    assert frames.attributes["rotation"] == 90


def test_a_clock_of_another_length_is_a_defect(tmp_path):
    with pytest.raises(ValueError, match="2 frames, 3 timestamps"), create_frames(tmp_path / "a.zarr", CLOCK, (10, 14)) as writer:
        writer.append(FRAMES[:2])
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("kind", "stage"),
    [("frames", "extract_frames"), ("plates", "inpaint_background"), ("mattes", "segment_person"), ("fused", "fuse")],
)
def test_what_is_absent_names_its_stage(tmp_path, kind, stage):
    with pytest.raises(InputError, match=rf"a\.zarr does not exist\. Run: dvc repro {stage}"):
        open_frames(tmp_path / "a.zarr", kind)


@pytest.mark.parametrize("key", ["fps", "time_base", "pts", "size_hw"])
def test_a_lost_attribute_is_noticed(tmp_path, key):
    with create_frames(tmp_path / "a.zarr", CLOCK, (10, 14)) as writer:
        writer.append(FRAMES)
    path = tmp_path / "a.zarr" / "zarr.json"
    path.write_text(path.read_text().replace(f'"{key}"', '"other"'))
    with pytest.raises(InputError, match=rf"a\.zarr is not a readable frames artifact: KeyError '{key}'\. Run: dvc repro extract"):
        open_frames(tmp_path / "a.zarr")


def test_sound_is_kept_to_the_byte(tmp_path):
    sound = bytes(range(256)) * 3 + b"\0"
    with create_frames(tmp_path / "a.zarr", CLOCK, (10, 14)) as writer:
        writer.append(FRAMES)
        write_sound(writer, sound)
    with create_frames(tmp_path / "silent.zarr", CLOCK, (10, 14)) as writer:
        writer.append(FRAMES)
    assert read_sound(tmp_path / "a.zarr") == sound
    assert read_sound(tmp_path / "silent.zarr") is None
    with pytest.raises(InputError, match="does not exist"):
        read_sound(tmp_path / "none.zarr")
