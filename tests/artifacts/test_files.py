"""Face indices, models, scores and curves; and looking into whatever there is."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from pipeline.artifacts.faces import FaceRow, create_faces, open_faces
from pipeline.artifacts.models import load_model, save_model
from pipeline.artifacts.peek import peek_parquet, peek_zarr
from pipeline.artifacts.scores import read_curve, read_scores, write_curve, write_scores
from pipeline.errors import InputError

VECTORS = [("left_eye", "nose"), ("nose", "left_ear")]
LANDMARKS = ["nose", "left_eye", "left_ear"]


def face(i: int) -> FaceRow:
    landmarks = np.array([[i, 1.0], [2.0, 3.0], [np.nan, np.nan]])
    box = np.array([1.0, 2.0, 21.5 + i, 22.5 + i])
    return FaceRow(10 * i, box, box + np.array([-4, -4, 4, 4]), np.array([[0.5, i], [np.nan, np.nan]]), landmarks, 100.5 * i)


def make_faces(folder, n: int = 3):
    paths = folder / "f.parquet", folder / "f.zarr"
    with create_faces(*paths, 8, VECTORS, LANDMARKS, {"note": 1}) as writer:
        for i in range(n):
            writer.append(face(i), np.full((8, 8, 3), i, np.uint8), np.full((8, 8), 200 + i, np.uint8))
    return paths


@pytest.mark.parametrize("n", [0, 3])
def test_faces_come_back_with_their_gaps(tmp_path, n):
    index = open_faces(*make_faces(tmp_path, n))
    assert len(index) == n
    assert index.frame.tolist() == [10 * i for i in range(n)]
    assert index.size_px == pytest.approx([20.5 + i for i in range(n)])
    assert (index.vectors.shape, index.landmarks.shape, index.crop_px) == ((n, 2, 2), (n, 3, 2), 8)
    assert index.landmark_names == tuple(LANDMARKS)
    np.testing.assert_array_equal(index.seen, index.box + np.array([-4, -4, 4, 4]))
    for i in range(n):
        np.testing.assert_array_equal(index.vectors[i], face(i).vectors)
        np.testing.assert_array_equal(index.landmarks[i], face(i).landmarks)
        assert (index.crops[i] == i).all()
        assert (index.mattes[i] == 200 + i).all()


def test_pandas_opens_the_table_of_faces(tmp_path):
    table = pd.read_parquet(make_faces(tmp_path)[0])
    assert list(table.columns[:5]) == ["frame", "x0", "y0", "x1", "y1"]
    assert table.nose_x.tolist() == [0, 1, 2]


def test_faces_that_do_not_belong_together_are_noticed(tmp_path):
    (tmp_path / "b").mkdir()
    table, crops = make_faces(tmp_path)
    other_table, other_crops = make_faces(tmp_path / "b", 2)
    with pytest.raises(InputError, match=r"has 2 faces, .* has 3\. Run: dvc repro index_faces"):
        open_faces(table, other_crops)
    with pytest.raises(InputError, match=r"f\.parquet does not exist"):
        open_faces(tmp_path / "c" / "f.parquet", crops)
    with pytest.raises(InputError, match=r"f\.zarr does not exist"):
        open_faces(table, tmp_path / "c" / "f.zarr")
    good = other_table.read_bytes()
    other_table.write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match=r"is not a readable face index: .*Run: dvc repro index_faces"):
        open_faces(other_table, other_crops)
    pd.read_parquet(table).drop(columns="sharpness").to_parquet(table)
    with pytest.raises(InputError, match="is not a readable face index"):
        open_faces(table, crops)


def test_a_failed_index_leaves_nothing(tmp_path):
    paths = tmp_path / "f.parquet", tmp_path / "f.zarr"
    with pytest.raises(RuntimeError), create_faces(*paths, 8, VECTORS, LANDMARKS) as writer:  # noqa: PT012
        writer.append(face(0), np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


STATE = {"b.weight": torch.arange(6.0).reshape(2, 3).T, "a": torch.tensor([1, 2]), "c": torch.ones(2, dtype=torch.bfloat16)}


def make_model(folder, name="m"):
    paths = folder / f"{name}.safetensors", folder / f"{name}.json"
    save_model(*paths, STATE, {"network": "n", "params": {"x": 1.5}})
    return paths


def test_a_model_comes_back(tmp_path):
    state, description = load_model(*make_model(tmp_path))
    assert sorted(state) == sorted(STATE)
    for name, tensor in STATE.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    assert description["params"] == {"x": 1.5}


def test_a_model_has_the_same_bytes_each_time(tmp_path):
    first, second = make_model(tmp_path), make_model(tmp_path, "n")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_damaged_or_foreign_model_is_refused(tmp_path):
    weights, description = make_model(tmp_path)
    good, text = weights.read_bytes(), description.read_text()
    for blob in (b"", good[:20], good[:-1]):
        weights.write_bytes(blob)
        with pytest.raises(InputError, match=r"m\.safetensors is not a readable safetensors file: .*Run: dvc repro"):
            load_model(weights, description)
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(InputError, match=r"m\.safetensors is not the file that .*m\.json describes"):
        load_model(weights, description)
    weights.write_bytes(good)
    for broken in ("{", "[]", text.replace("weights_sha256", "sha")):
        description.write_text(broken)
        with pytest.raises(InputError, match=r"m\.json is not a readable description of a model"):
            load_model(weights, description)
    description.write_text(text.replace('"kind": "model"', '"kind": "scores"'))
    with pytest.raises(InputError, match="does not describe a model of version 1"):
        load_model(weights, description)
    description.unlink()
    with pytest.raises(InputError, match=r"m\.json does not exist"):
        load_model(weights, description)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_model_whose_file_or_description_may_not_be_replaced_stays_as_it_was(tmp_path, kept):
    paths = make_model(tmp_path)
    paths[kept].write_bytes(b"mine\n")
    before = [path.read_bytes() for path in paths]
    with pytest.raises(InputError, match="was not made here"):
        save_model(*paths, {"w": torch.ones(1)}, {})
    assert [path.read_bytes() for path in paths] == before


def test_scores_are_sorted_and_rounded(tmp_path):
    path = tmp_path / "deep" / "s.json"
    write_scores(path, {"b": {"psnr": np.float32(26.0), "frames": 20}, "a": 1 / 3, "names": ["x"], "ok": True})
    assert json.loads(path.read_text()) == {"a": 0.333333, "b": {"frames": 20, "psnr": 26.0}, "names": ["x"], "ok": True}
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert read_scores(path)["b"]["psnr"] == 26.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), [1.0, float("-inf")]])
def test_a_score_that_was_not_computed_has_no_number(tmp_path, value):
    with pytest.raises(ValueError, match="a score must be finite"):
        write_scores(tmp_path / "s.json", {"a": {"b": value}})
    assert list(tmp_path.iterdir()) == []


def test_damaged_scores_are_noticed(tmp_path):
    with pytest.raises(InputError, match=r"s\.json does not exist\. Run: dvc repro evaluate"):
        read_scores(tmp_path / "s.json")
    for text in ('{"a": ', "3", ""):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(InputError, match=r"s\.json is not a readable JSON of scores"):
            read_scores(tmp_path / "s.json")


def test_curves_come_back(tmp_path):
    path = tmp_path / "c.tsv"
    write_curve(path, [{"step": 1, "loss": 0.123456789}, {"step": 2, "loss": 1e-9}])
    assert path.read_text() == "step\tloss\n1\t0.123457\n2\t1e-09\n"
    assert read_curve(path) == {"step": [1.0, 2.0], "loss": [0.123457, 1e-9]}
    write_curve(path, [])
    assert read_curve(path) == {"step": []}
    with pytest.raises(InputError, match=r"none\.tsv does not exist"):
        read_curve(tmp_path / "none.tsv")
    for text in ("", "step\tloss\n1\n", "step\nx\n"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"c\.tsv is not a readable table"):
            read_curve(path)


def test_any_group_can_be_looked_into(tmp_path):
    _, crops = make_faces(tmp_path)
    attributes, arrays = peek_zarr(crops)
    assert attributes["kind"] == "faces"
    assert sorted(arrays) == ["crops", "mattes"]
    zarr.save_array(tmp_path / "lone.zarr", np.arange(4))
    assert peek_zarr(tmp_path / "lone.zarr")[1]["array"][:].tolist() == [0, 1, 2, 3]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is not a readable Zarr group or array"):
        peek_zarr(tmp_path / "empty")


def test_any_table_can_be_looked_into(tmp_path):
    table = peek_parquet(make_faces(tmp_path)[0])
    assert table.rows == 3
    assert table.attributes["kind"] == "faces"
    assert table.types["frame"] == "int32"
    pd.DataFrame({"name": ["a", "b"], "x": [1.0, np.nan]}).to_parquet(tmp_path / "p.parquet")
    assert peek_parquet(tmp_path / "p.parquet").columns["name"] == ["a", "b"]
    (tmp_path / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"p\.parquet is not a readable Parquet table"):
        peek_parquet(tmp_path / "p.parquet")
