"""What is at --out already: an artifact of the same kind is replaced, everything else is the user's and stays."""

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from figure import JOINTS, human, truth
from media import scenes

from pipeline.artifacts.experiments import write_experiments
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import write_keypoints
from pipeline.artifacts.models import save_model
from pipeline.artifacts.pictures import write_moving_picture, write_picture
from pipeline.artifacts.replacing import VIDEO_COMMENT, kind_of, tagged_png, tagged_webp
from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.artifacts.store import create_group, publish
from pipeline.door import stage_clock
from pipeline.errors import InputError
from pipeline.picture.sheets import encode
from pipeline.report.page import document
from pipeline.video.clock import NO_TIME, Clock
from pipeline.video.writing import write_video

PNG = encode(np.zeros((4, 5, 3), np.uint8))
WEBP = encode(np.zeros((4, 5, 3), np.uint8), ".webp")


def frames(path: Path, kind: str = "frames") -> None:
    with create_frames(path, NO_TIME, (4, 5), {}, kind) as writer:
        writer.append(np.zeros((1, 4, 5, 3), np.uint8))


def keypoints(path: Path, kind: str = "keypoints") -> None:
    write_keypoints(path, truth(np.zeros((2, len(JOINTS), 2), np.float32), JOINTS, human(), (4, 5), "25"), kind)


def asset(path: Path) -> None:
    with publish(path, "asset") as folder:
        folder.mkdir()
        (folder / "asset.json").write_text(json.dumps({"kind": "asset"}))


def page(path: Path) -> None:
    with publish(path, "page") as temporary:
        temporary.write_text(document("A page", ["<p>text</p>"]))


def video(path: Path) -> None:
    pictures = np.stack(scenes(2))
    with (
        publish(path, "video") as temporary,
        write_video(temporary, pictures.shape[1:3], Clock.regular("25", 2), 30, "ultrafast", {"comment": VIDEO_COMMENT}, None) as writer,
    ):
        writer.append(pictures)


def weights(path: Path) -> None:
    save_model(path, path.with_name("w.json"), {"w": torch.zeros(2)}, {})


WRITERS = {
    "a.zarr": (frames, "frames"),
    "a.parquet": (keypoints, "keypoints"),
    "b.parquet": (lambda path: write_experiments(path, [], {}), "experiments"),
    "a.json": (lambda path: write_scores(path, {"psnr": 0.123456789}), "scores"),
    "a.tsv": (lambda path: write_curve(path, [{"step": 1, "loss": 0.1234567}, {"step": 2, "loss": float("nan")}]), "table by step"),
    "a.safetensors": (weights, "model"),
    "a.png": (lambda path: write_picture(path, PNG), "sheet"),
    "a.webp": (lambda path: write_moving_picture(path, WEBP), "moving picture"),
    "a.html": (page, "page"),
    "a.mp4": (video, "video"),
    "asset": (asset, "asset"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_artifact_of_the_same_kind_is_replaced(name, tmp_path):
    write, kind = WRITERS[name]
    write(tmp_path / name)
    assert kind_of(tmp_path / name) == kind
    write(tmp_path / name)
    if name != "a.zarr" and name != "asset":
        (tmp_path / name).write_bytes(b"")
        assert kind_of(tmp_path / name) is None
        write(tmp_path / name)
    assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize("name", WRITERS)
def test_what_the_user_keeps_is_left_alone(name, tmp_path):
    write, _ = WRITERS[name]
    mine = tmp_path / "mine" / name
    mine.mkdir(parents=True)
    (mine / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is a folder.*name another path to write to, or move it away yourself"):
        write(mine)
    assert (mine / "letter.txt").read_text() == "mine"
    file = tmp_path / name
    file.write_bytes(b"mine\n")
    with pytest.raises(InputError, match="is a file that was not made here") as caught:
        write(file)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == b"mine\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"mine", name})


def foreign(folder: Path) -> dict[str, bytes]:
    """Sound files of a user's own, of the formats that are written here."""
    pq.write_table(pa.table({"a": [1]}), folder / "own.parquet")
    ok, png = cv2.imencode(".png", np.zeros((4, 5, 3), np.uint8))
    assert ok
    with write_video(folder / "own.mp4", (64, 96), Clock.regular("25", 1), 30, "ultrafast", {"title": "Holidays"}, None) as writer:
        writer.append(np.zeros((1, 64, 96, 3), np.uint8))
    import safetensors.torch

    return {
        "own.parquet": (folder / "own.parquet").read_bytes(),
        "own.mp4": (folder / "own.mp4").read_bytes(),
        "own.png": png.tobytes(),
        "own.webp": WEBP,
        "own.json": b'{"psnr": 1}\n',
        "own.tsv": b"name\tage\nAna\t3\n",
        "own.html": b"<!doctype html><html><head><title>Mine</title></head></html>",
        "own.safetensors": safetensors.torch.save({"w": torch.zeros(2)}),
        "own.md": b"# Notes\n",
        "own.ok": b"fine\n",
    }


def test_sound_files_of_others_are_not_taken_for_ours(tmp_path):
    (tmp_path / "from").mkdir()
    for name, content in foreign(tmp_path / "from").items():
        path = tmp_path / name
        path.write_bytes(content)
        assert kind_of(path) is None, name
        with pytest.raises(InputError, match="was not made here"), publish(path) as temporary:
            temporary.write_bytes(b"new")
        assert path.read_bytes() == content


def test_an_artifact_of_another_kind_is_left_alone(tmp_path):
    frames(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=r"a\.zarr is an artifact of the kind frames; only plates may be replaced there"):
        frames(tmp_path / "a.zarr", "plates")
    keypoints(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="of the kind keypoints; only motions"):
        keypoints(tmp_path / "a.parquet", "motions")
    weights(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="of the kind model; only scores"):
        write_scores(tmp_path / "w.json", {})
    write_curve(tmp_path / "a.tsv", [{"frame": 1.0}])
    with pytest.raises(InputError, match="table by frame; only table by step"):
        write_curve(tmp_path / "a.tsv", [{"step": 1.0}])
    assert kind_of(tmp_path / "a.zarr") == "frames"
    assert kind_of(tmp_path / "a.parquet") == "keypoints"


def test_refusal_comes_before_any_work(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match="is a folder"), create_group(tmp_path / "a.zarr", "frames", {}):
        raise AssertionError("begun")
    assert list((tmp_path / "a.zarr").iterdir()) == []


@pytest.mark.parametrize("name", ["data/source", "data/source/ana.parquet", "data/incoming/x.zarr", "data/frames/../source/b.zarr"])
def test_nothing_is_written_among_the_users_files(name, tmp_path, monkeypatch):
    keypoints(tmp_path / "data/source/ana.parquet")  # labels that were made by this project, and are the user's now
    before = (tmp_path / "data/source/ana.parquet").read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"lies in data/\w+, which is yours and only read"), publish(Path(name)):
        raise AssertionError("begun")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "data/source/ana.parquet"]
    assert (tmp_path / "data/source/ana.parquet").read_bytes() == before


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    frames(tmp_path / "there.zarr")
    (tmp_path / "a.zarr").symlink_to(tmp_path / "there.zarr")
    frames(tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").is_symlink()
    assert kind_of(tmp_path / "there.zarr") == "frames"


def test_scratch_is_ours(tmp_path):
    sheet = tmp_path / ".scratch" / "tracks" / "ana.png"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(PNG)
    write_picture(sheet, PNG)
    assert kind_of(sheet) == "sheet"


@pytest.mark.parametrize("tagged", [tagged_png(PNG), tagged_webp(WEBP)], ids=["png", "webp"])
def test_a_tagged_picture_is_a_sound_picture(tagged):
    picture = cv2.imdecode(np.frombuffer(tagged, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (4, 5, 3)


def test_times_replace_times_only(tmp_path):
    path = tmp_path / "time.json"
    for _ in range(2):
        with stage_clock(path):
            pass
    for mine in ("{}", "[1]", "3", "mine"):
        path.write_text(mine)
        with pytest.raises(InputError, match="is not a file of times that was made here"), stage_clock(path):
            raise AssertionError("begun")
        assert path.read_text() == mine
    path.write_text("")
    with stage_clock(path):
        pass
    assert "seconds" in path.read_text()
    with pytest.raises(InputError, match="not a file of times"), stage_clock(tmp_path):
        pass
