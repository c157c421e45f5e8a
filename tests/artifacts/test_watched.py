import numpy as np
import pytest

from pipeline.artifacts.watched import open_watched, write_watched
from pipeline.errors import InputError


def test_pictures_come_back_with_their_frames(tmp_path):
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (3, 20, 10, 3)).astype(np.uint8) for name in ("truth", "plate")}
    for name in ("a", "b"):
        write_watched(tmp_path / f"{name}.zarr", [4, 7, 9], pictures)
    watched = open_watched(tmp_path / "a.zarr")
    assert watched.frames.tolist() == [4, 7, 9]
    assert list(watched.pictures) == ["truth", "plate"]
    assert all(np.array_equal(watched.pictures[name][:], pictures[name]) for name in pictures)
    files = [{f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()} for folder in tmp_path.iterdir()]
    assert files[0] == files[1]


def test_nothing_scored_is_an_artifact_too(tmp_path):
    write_watched(tmp_path / "none.zarr", [], {})
    watched = open_watched(tmp_path / "none.zarr")
    assert len(watched.frames) == 0
    assert watched.pictures == {}


def test_what_does_not_fit_or_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="2 pictures of truth, 3 frames"):
        write_watched(tmp_path / "w.zarr", [1, 2, 3], {"truth": np.zeros((2, 8, 8, 3), np.uint8)})
    with pytest.raises(InputError, match=r"w\.zarr does not exist\. Run: dvc repro evaluate_reconstruction"):
        open_watched(tmp_path / "w.zarr")
