import json
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from pipeline.artifacts.crops import write_crops
from pipeline.artifacts.faces import FaceRow, create_faces
from pipeline.artifacts.findings import shortened, statistics
from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.artifacts.models import save_model
from pipeline.artifacts.residuals import create_residuals
from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.inspect.__main__ import main
from pipeline.inspect.look import inspect
from pipeline.video.clock import Clock

T, S = 6, 16
CLOCK = Clock.regular("25", T)
HUMAN = load_skeleton(Path(__file__).parents[2] / "pipeline/skeletons/human.yaml")
MAPS = np.tile(np.array([[1.0, 0, 0], [0, 1, 0]]), (T, 1, 1))


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def keypoints() -> Keypoints:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (T, 1, len(HUMAN.joints), 2)).astype(np.float32)
    points[2, 0, 4] = np.nan
    score = np.full(points.shape[:3], 0.5, np.float32)
    origin = np.ones(points.shape[:3], np.uint8)
    origin[1, 0, 4] = 3
    return Keypoints(points, score, origin, HUMAN, CLOCK, (100, 100), 0)


def make(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.zarr"
    present = np.ones(T, bool)
    if kind == "mattes":
        with create_mattes(path, CLOCK, (S, S)) as out:
            out.append(pixels(T, S, S))
    elif kind in ("frames", "plates", "fused"):
        with create_frames(path, CLOCK, (S, S), {"reveal": "temporal_median"}, kind) as out:
            out.append(pixels(T, S, S, 3))
    elif kind == "crops":
        blocks = [(pixels(T, S, 2 * S, 3), pixels(T, S, 2 * S), pixels(1, S, 2 * S, 3))]
        write_crops(path, blocks, MAPS, present, CLOCK, (S, 2 * S), (S, S))
    elif kind == "foregrounds":
        with create_foregrounds(path, (2 * S, S), CLOCK, MAPS, present, (S, S)) as out:
            out.append(pixels(T, 2 * S, S, 3), pixels(T, 2 * S, S))
    elif kind == "residuals":
        boxes = np.tile([1.0, 1, 9, 9], (T, 1))
        boxes[0] = np.nan
        with create_residuals(path, {"face": boxes}, {"face": ["1 frame: no joint"]}, 8, CLOCK, (S, S), T) as out:
            out.append("face", np.full((T, 8, 8, 3), -7, np.int16))
    return path


@pytest.mark.parametrize("kind", ["frames", "plates", "fused", "mattes", "crops", "foregrounds", "residuals"])
def test_arrays_show_schema_statistics_and_pictures(kind: str, tmp_path: Path) -> None:
    found = inspect(make(kind, tmp_path))
    text = found.text()
    assert f"{kind}.zarr: {kind}, version 1" in text
    assert "fps: 25" in text
    assert "clock: 6 frames, 25 fps, constant rate" in text
    assert "min" in text
    assert "mean" in text
    assert len(found.pictures) == len(found.labels) > 0


def test_residuals_show_their_signs_and_reasons(tmp_path: Path) -> None:
    text = inspect(make("residuals", tmp_path)).text()
    assert "min -7, max -7" in text
    assert "1 frame: no joint" in text
    assert "4 of 24 NaN" in text  # one box of four numbers is missing


@pytest.mark.parametrize("kind", ["keypoints", "motions"])
def test_poses_tell_joints_and_origins(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.parquet"
    write_keypoints(path, keypoints(), kind)
    found = inspect(path)
    text = found.text()
    assert f"{kind}, version 1" in text
    assert "people: 1, selected 0, in 6 of 6 frames; skeleton human" in text
    # right_wrist: one of six frames missing, one interpolated
    line = next(line for line in text.splitlines() if "right_wrist" in line and "%" in line)
    assert "83.3%" in line
    assert "measured 4" in line
    assert "interpolated 1" in line
    assert "missing 1" in line
    assert len(found.pictures) == T
    assert found.pictures[0].any()


def test_faces_show_table_and_crops(tmp_path: Path) -> None:
    table, crops = tmp_path / "f.parquet", tmp_path / "f.zarr"
    row = FaceRow(3, np.array([0.0, 0, 8, 8]), np.array([0.0, 0, 8, 8]), np.ones((6, 2)), np.ones((2, 2)), 12.5)
    with create_faces(table, crops, 8, HUMAN.face_vectors[:6], ["nose", "left_eye"]) as out:
        out.append(row, pixels(8, 8, 3), pixels(8, 8))
    assert "sharpness double" in inspect(table).text()
    assert "12.5" in inspect(table).text()
    assert "crops (1 8 8 3) uint8" in inspect(crops).text()


def test_model_shows_tensors_and_its_description(tmp_path: Path) -> None:
    import torch

    save_model(tmp_path / "m.safetensors", tmp_path / "m.json", {"w": torch.ones(2, 3)}, {"steps": 5})
    text = inspect(tmp_path / "m.safetensors").text()
    assert "model, version 1" in text
    assert "steps: 5" in text
    assert "w (2 3) float32: min 1, max 1" in text
    assert "steps: 5" in inspect(tmp_path / "m.json").text()


def test_scores_and_curves(tmp_path: Path) -> None:
    write_scores(tmp_path / "s.json", {"reconstruction": {"psnr": 26.5}})
    faces = {"frames": 9, "compared": 0, "left_out": {"no face found (result)": 9}}
    why = {"face_landmarks": "no frame has a face"}
    write_scores(tmp_path / "f.json", {"imitation": {"face_landmarks": None}, "settings": {"faces": faces, "not_computed": why}})
    text = inspect(tmp_path / "f.json").text()
    assert "imitation.face_landmarks: None" in text
    assert "settings.faces.left_out.no face found (result): 9" in text
    assert "settings.not_computed.face_landmarks: no frame has a face" in text
    write_curve(tmp_path / "c.tsv", [{"step": 0, "loss": 2.0}, {"step": 1, "loss": 1.0}])
    assert "reconstruction.psnr: 26.5" in inspect(tmp_path / "s.json").text()
    assert "loss: first 2, last 1" in inspect(tmp_path / "c.tsv").text()


def test_video_tells_frames_and_rate(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for image in pixels(10, 32, 32, 3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    found = inspect(path)
    assert "frames: 10 of 32 × 32, 0.360 s from first to last, 25 frames/s" in found.text()
    assert len(found.pictures) == 10


def test_asset_folder_shows_its_licence(tmp_path: Path) -> None:
    (tmp_path / "asset.json").write_text(json.dumps({"kind": "asset", "licence": "MIT"}))
    assert "licence: MIT" in inspect(tmp_path).text()


def test_foreign_zarr_and_parquet_are_shown_as_such(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "x.zarr"), data=np.arange(6.0))
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": ["u", "u"]}), tmp_path / "x.parquet")
    assert "not an artifact of this project" in inspect(tmp_path / "x.zarr").text()
    text = inspect(tmp_path / "x.parquet").text()
    assert "min 1, max 2" in text
    assert "u 2" in text


def test_errors_name_file_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.zarr does not exist"):
        inspect(tmp_path / "absent.zarr")
    with pytest.raises(InputError, match=r"neither Zarr .* nor an asset"):
        inspect(tmp_path)
    for name, said in [
        ("x.txt", "has no known suffix; known: .zarr"),
        ("x.parquet", "not a readable Parquet table"),
        ("x.json", "not valid JSON"),
        ("x.mp4", r"not a video or image that FFmpeg can read \(Invalid data found when processing input\)"),
        ("x.safetensors", "not a readable safetensors file"),
    ]:
        (tmp_path / name).write_text("nothing of the kind")
        with pytest.raises(InputError, match=said):
            inspect(tmp_path / name)
    (tmp_path / "y.zarr").mkdir()
    with pytest.raises(InputError, match="not a readable Zarr group or array"):
        inspect(tmp_path / "y.zarr")


def test_damaged_chunk_is_an_error(tmp_path: Path) -> None:
    path = make("frames", tmp_path)
    chunk = next(p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json")
    blob = bytearray(chunk.read_bytes())
    blob[40] ^= 255
    chunk.write_bytes(bytes(blob))
    with pytest.raises(InputError, match="is damaged at frames"):
        inspect(path)


def test_long_values_are_shortened_and_statistics_count_nan() -> None:
    assert shortened(list(range(100))) == "100 values: 0, 1, 2 … 98, 99"
    assert shortened("x" * 200).endswith("(200 characters)")
    assert statistics(np.array([1.0, 3.0, np.nan])) == "min 1, max 3, mean 2, std 1, 1 of 3 NaN"
    assert statistics(np.array([np.nan])) == "no finite value, 1 NaN"


def test_png_is_a_contact_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    path, out = make("frames", tmp_path), tmp_path / "sheet.png"
    monkeypatch.setattr(sys, "argv", ["inspect", str(path), "--png", str(out)])
    main()
    sheet = cv2.imread(str(out))
    assert sheet is not None
    assert sheet.shape[1] > 5 * 160
    assert "frames, version 1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mine.mp4", "new.jpg"])
def test_a_sheet_is_called_what_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = make("frames", tmp_path), tmp_path / name
    if name == "mine.mp4":
        out.write_bytes(b"mine")
    monkeypatch.setattr(sys, "argv", ["inspect", str(path), "--png", str(out)])
    with pytest.raises(InputError, match=rf"--png must be called \.png.*{name}"):
        main()
    assert [file.read_bytes() for file in tmp_path.glob(name)] == ([b"mine"] if name == "mine.mp4" else [])


def test_module_exits_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.inspect", str(tmp_path / "absent")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_png_is_there_although_the_reader_of_the_text_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object) -> None:
        raise BrokenPipeError

    path = make("frames", tmp_path)
    monkeypatch.setattr(sys, "argv", ["inspect", str(path), "--png", str(tmp_path / "x.png")])
    monkeypatch.setattr("builtins.print", leave)
    with pytest.raises(BrokenPipeError):
        main()
    assert cv2.imread(str(tmp_path / "x.png")) is not None


@pytest.mark.parametrize("content", ["[" * 5000 + "]" * 5000, "[1, 2]", '"text"', "NaN", "{}", '{"kind": [1]}', ""])
def test_any_json_is_shown_or_refused(content: str, tmp_path: Path) -> None:
    for name in ("x.json", "m.json"):
        (tmp_path / name).write_text(content)
    save_model(tmp_path / "m.safetensors", tmp_path / "other.json", {}, {})
    for path in (tmp_path / "x.json", tmp_path / "m.safetensors"):
        try:
            assert inspect(path).text().startswith(str(path))
        except InputError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017 - which of them are shown is not the point
