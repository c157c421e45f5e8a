"""Artifacts of several clips read as one: order, whose they are, and the model that the last one led to."""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.faces import ELSEWHERE, FaceIndex, join_faces, own_faces
from pipeline.artifacts.further import JoinedArray, read_clips, read_descriptions, read_last_model, write_clips
from pipeline.artifacts.references import References, create_references, join_references, open_all_references, open_references
from pipeline.errors import InputError

BASE = Path("m/ann-appearance.safetensors"), Path("m/ann-appearance.json")


def references(path: Path, frames: list[int], hw: tuple[int, int], joints: int = 2) -> References:
    points = np.full((len(frames), joints, 2), frames[0], np.float32)
    with create_references(path, hw, np.array(frames), np.zeros((len(frames), 2), np.int64), points, (90, 160)) as writer:
        for t in frames:
            writer.append(np.full((*hw, 3), t, np.uint8), np.full(hw, t, np.uint8))
    return open_references(path)


def test_pictures_of_several_arrays_are_one_and_the_smaller_ones_are_filled_up():
    rng = np.random.default_rng(0)
    parts = [rng.integers(1, 256, (n, h, w, 3)).astype(np.uint8) for n, h, w in ((2, 4, 5), (1, 6, 3), (3, 2, 2))]
    joined = JoinedArray(parts)
    assert joined.shape == (6, 6, 5, 3)
    assert len(joined) == 6
    for i, (part, row) in enumerate(((0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2))):
        picture, (h, w) = joined[i], parts[part].shape[1:3]
        assert picture.shape == (6, 5, 3)
        assert (picture[:h, :w] == parts[part][row]).all()
        assert picture.sum() == parts[part][row].sum()
    assert np.array_equal(joined[1:4], np.stack([joined[1], joined[2], joined[3]]))
    assert joined[4:4].shape == (0, 6, 5, 3)
    for beyond in (6, -1):
        with pytest.raises(IndexError, match="of 6"):
            joined[beyond]


def test_the_last_further_clip_has_the_model_that_is_taken(tmp_path):
    assert read_last_model(*BASE, None) == BASE
    write_clips(tmp_path, [])
    assert read_last_model(*BASE, tmp_path) == BASE
    write_clips(tmp_path, ["garden", "stage"])
    assert read_clips(tmp_path) == ["garden", "stage"]
    assert read_last_model(*BASE, tmp_path) == (tmp_path / "stage-appearance.safetensors", tmp_path / "stage-appearance.json")
    assert read_descriptions(tmp_path) == [tmp_path / "garden-appearance.json", tmp_path / "stage-appearance.json"]


def test_a_list_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"_clips.json is not a readable list of further clips.*Run: dvc repro list_footage"):
        read_clips(tmp_path)
    (tmp_path / "_clips.json").write_text('{"kind": "model", "version": 1, "clips": []}')
    with pytest.raises(InputError, match="must be a list of further clips of version 1, found model"):
        read_clips(tmp_path)


def test_references_of_further_clips_stand_behind_the_own_and_are_not_own(tmp_path):
    own = references(tmp_path / "ann.zarr", [1, 2, 3], (4, 5))
    assert own.transient.shape == (3, 4, 5)
    assert not own.transient[0:3].any()
    references(tmp_path / "ann" / "garden.zarr", [7, 9], (6, 3))
    write_clips(tmp_path / "ann", [])
    alone = open_all_references(tmp_path / "ann.zarr", tmp_path / "ann")
    assert alone.are_own.all()
    assert (alone.frames == own.frames).all()
    write_clips(tmp_path / "ann", ["garden"])
    both = open_all_references(tmp_path / "ann.zarr", tmp_path / "ann")
    assert both.frames.tolist() == [1, 2, 3, 7, 9]
    assert both.are_own.tolist() == [True, True, True, False, False]
    assert both.points[:, 0, 0].tolist() == [1, 1, 1, 7, 7]
    assert [int(both.mattes[i].max()) for i in range(5)] == [int(both.colours[i].max()) for i in range(5)] == [1, 2, 3, 7, 9]
    with pytest.raises(InputError, match="one skeleton, found poses of \\[2, 3\\] joints"):
        join_references([own, references(tmp_path / "x.zarr", [1], (4, 5), joints=3)])


def test_what_is_transient_is_told_of_every_picture_or_of_none(tmp_path):
    points, corner = np.zeros((3, 2, 2), np.float32), np.zeros((3, 2), np.int64)
    for marks in (3, 2, 4):
        path = tmp_path / f"{marks}.zarr"
        wrong = contextlib.nullcontext() if marks == 3 else pytest.raises(ValueError, match=f"marks of {marks} pictures for 3")
        with wrong, create_references(path, (4, 5), np.arange(3), corner, points, (90, 160)) as writer:
            for _ in range(3):
                writer.append(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8))
            for value in range(marks):
                writer.mark(np.full((4, 5), value, np.uint8))
        assert path.exists() == (marks == 3)
    assert [int(layer.max()) for layer in open_references(tmp_path / "3.zarr").transient[0:3]] == [0, 1, 2]
    shutil.rmtree(tmp_path / "3.zarr" / "transient")  # as those had it that were kept before
    with pytest.raises(InputError, match=r"no readable array transient.*Run: dvc repro keep_references find_references"):
        open_references(tmp_path / "3.zarr")


def test_faces_of_further_clips_are_neighbours_of_no_frame_of_the_own():
    def index(n: int, px: int = 8) -> FaceIndex:
        many = np.arange(n * 12, dtype=np.float64)
        pictures = np.full((n, px, px, 3), n, np.uint8)
        boxes = many[: n * 4].reshape(n, 4)
        arrays = np.arange(n), boxes, boxes, many.reshape(n, 6, 2), many[: n * 6].reshape(n, 3, 2)
        return FaceIndex(*arrays, ("nose", "left_eye", "right_eye"), many[:n], pictures, pictures[..., 0], px, {})  # type: ignore[arg-type]

    both = join_faces([index(3), index(2)])
    assert both.frame.tolist() == [0, 1, 2, ELSEWHERE, ELSEWHERE]
    for name in ("box", "seen", "vectors", "landmarks", "sharpness", "crops", "mattes"):
        assert len(getattr(both, name)) == 5
    assert both.crops[3:5].max() == 2
    assert len(own_faces(both)) == len(own_faces(both).landmarks) == 3
    assert own_faces(both).frame.tolist() == [0, 1, 2]
    assert dataclasses.asdict(join_faces([index(3)])).keys() == dataclasses.asdict(index(3)).keys()
    with pytest.raises(InputError, match="one size and one skeleton, found 8 px, 6 vectors and 9 px, 6 vectors"):
        join_faces([index(1), index(1, px=9)])
