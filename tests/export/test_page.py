"""The page holds all that it reads, and in a real browser draws what torch makes, from its own folder alone."""

import base64
import io
import json
import re
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import needs_browser, served_page
from drawn_stick import FULL_HW
from exporting import GENERATE, ROW, T, read_inputs

from pipeline.appearance.export.motion import Motion
from pipeline.appearance.export.page import FILES, RUNTIME, Page, write_page
from pipeline.appearance.export.write import GRAPH
from pipeline.artifacts.references import NONE
from pipeline.assets.catalogue import read_asset
from pipeline.assets.fetch import fetch_asset
from pipeline.command.export import ARCHIVE, Request, export_model
from pipeline.errors import InputError

ROOT = Path(__file__).resolve().parent.parent.parent
PLATE = (20, 90, 40)


def archive(path: Path, names: tuple[str, ...] = RUNTIME) -> Path:
    """A package that holds the names of onnxruntime-web's files."""
    with tarfile.open(path, "w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(name)
            packed.addfile(member, io.BytesIO(name.encode()))
    return path


def written(data: Path, folder: Path, runtime: Path) -> Motion:
    motion = Motion.of(read_inputs(data))
    folder.mkdir()
    write_page(folder, motion, Page(runtime, np.full((*FULL_HW, 3), PLATE, np.uint8), "ann-to-ann"))
    return motion


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """What scene.json says lies in scene.bin."""
    blob = (folder / "scene.bin").read_bytes()
    places = json.loads((folder / "scene.json").read_text())["arrays"]
    return {
        name: np.frombuffer(blob, place["type"], int(np.prod(place["shape"])), place["start"]).reshape(place["shape"])
        for name, place in places.items()
    }


def test_the_scene_is_what_the_graph_is_fed_with(data, tmp_path):
    motion = written(data, tmp_path / "page", archive(tmp_path / "ort.tgz"))
    scene = arrays(tmp_path / "page")
    assert scene["windows"].tolist() == motion.windows.tolist()
    for window in scene["windows"]:
        feed = motion.feed(window)
        ranks = scene["ranks"][window]
        there = ranks != NONE
        assert np.array_equal(scene["points"][window], feed["points"][0], equal_nan=True)
        assert np.array_equal(scene["scores"][window], feed["scores"][0])
        assert np.array_equal(scene["pictures"][ranks[there]], feed["pictures"][0][there])
        assert np.array_equal(scene["picture_points"][ranks[there]], feed["picture_points"][0][there], equal_nan=True)
        assert not feed["pictures"][0][~there].any()
    said = json.loads((tmp_path / "page/scene.json").read_text())
    assert (said["title"], said["fps"], said["crop_hw"]) == ("ann-to-ann", 25.0, [32, 48])
    assert said["generated"].startswith("This video was generated")


def test_a_crop_lies_on_the_plate_where_it_was_seen(data, tmp_path):
    """A joint at a full px lies on the small plate where the plate's own scaling takes that px."""
    motion = written(data, tmp_path / "page", archive(tmp_path / "ort.tgz"))
    scale, scene = ROW[0, 0], arrays(tmp_path / "page")
    on_plate = motion.points + scene["corners"][:, None]
    assert np.allclose(on_plate, (motion.track.points + 0.5) * scale - 0.5, atol=1e-3, equal_nan=True)
    plate = cv2.imread(str(tmp_path / "page/plate.png"))[..., ::-1]
    assert plate.shape == (45, 60, 3)
    assert (plate == PLATE).all()


def test_the_page_names_no_other_host_and_carries_licences(data, tmp_path):
    written(data, tmp_path / "page", archive(tmp_path / "ort.tgz"))
    for name in FILES:
        assert not re.findall(r"(?:https?:)?//[\w.]+\.\w+", (tmp_path / "page" / name).read_text()), name
    assert "default-src 'self'" in (tmp_path / "page/index.html").read_text()
    assert {path.name for path in (tmp_path / "page/ort").iterdir()} == {*RUNTIME, "LICENSE", "ThirdPartyNotices.txt"}
    assert "MIT License" in (tmp_path / "page/ort/LICENSE").read_text()


@pytest.mark.parametrize("names", [RUNTIME[:2], ()])
def test_another_archive_is_refused(data, tmp_path, names):
    with pytest.raises(InputError, match=r"ort\.tgz must be onnxruntime-web as npm packs it, with ort\.wasm\.min\.mjs, "):
        written(data, tmp_path / "page", archive(tmp_path / "ort.tgz", names))
    (tmp_path / "ort.tgz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"ort\.tgz must be onnxruntime-web"):
        written(data, tmp_path / "again", tmp_path / "ort.tgz")


@pytest.mark.slow
@needs_browser
def test_a_browser_draws_what_torch_makes_and_asks_nobody_else(data, params, tmp_path):
    """What the canvas shows is torch's frame over the plate, as far as a browser's resampling by a part of a pixel goes."""
    fetch_asset(read_asset("onnxruntime_web"), tmp_path / "runtime", ROOT / "data" / "incoming", ROOT / ".scratch" / "downloads")
    folder = tmp_path / "page"
    motion = written(data, folder, tmp_path / "runtime" / ARCHIVE)
    export_model(params, Request("ann", None, tmp_path / "export", False, False), data)
    (folder / GRAPH).write_bytes((tmp_path / "export" / GRAPH).read_bytes())
    found, asked = served_page(folder, tmp_path / "profile", 120)
    assert found.get("error") is None, found
    assert found["done"] == str(T)
    assert "This video was generated" in found["said"]
    needed = {f"/{name}" for name in (*FILES, GRAPH, "scene.json", "scene.bin", "plate.png")} | {f"/ort/{name}" for name in RUNTIME}
    assert needed <= set(asked) <= needed | {"/probe", "/favicon.ico"}
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(found["picture"].split(",")[1]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    frames = motion.of_windows(np.arange(3)).drawn(GENERATE)
    seen = {int(t): frame for t, frame in reversed(list(zip(motion.windows.ravel(), frames, strict=True)))}  # of two the first one
    shown = int(found["shown"])
    expected = np.broadcast_to(np.array(PLATE, float), picture.shape)
    if shown in seen:
        frame, (x, y) = seen[shown], arrays(folder)["corners"][shown]
        share = (frame.matte / np.float32(255))[..., None]
        lies = np.array([[1, 0, x], [0, 1, y]], np.float32)
        colour, share = (cv2.warpAffine(layer, lies, picture.shape[1::-1]) for layer in (frame.rgb * share, share))
        expected = colour + (1 - share[..., None]) * expected
        assert np.abs(expected - np.array(PLATE)).mean() > 5
    assert set(seen) == set(range(T)) - {5}
    assert np.abs(picture - expected).mean() < 3
