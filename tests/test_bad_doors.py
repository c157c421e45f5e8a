"""Every door and every input of it, damaged in turn: one line that names it, an exit code, and nothing published."""

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure import human
from media import scenes, write_clip
from ruamel.yaml import YAML
from walking import ROOT, SMALL, cast

from pipeline import failures
from pipeline.artifacts.crops import write_crops
from pipeline.artifacts.faces import create_faces
from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.identities import Described, Identities, write_identities
from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.artifacts.meshes import Meshes, write_meshes
from pipeline.artifacts.references import ChosenReferences, create_references, write_chosen
from pipeline.artifacts.residuals import create_residuals
from pipeline.door import run_door
from pipeline.video.clock import NO_TIME, Clock

T, H, W, CROP_HW = 6, 32, 48, (32, 32)
CLOCK = Clock.regular("25", T)
TARGET, PAIR = {"target": "ann"}, {"pair": "ben-to-ann"}
FRAMES = {"frames": "frames.zarr", "mattes": "mattes.zarr", "keypoints": "keypoints.parquet"}
MADE, WARPED = ({name: "generated.zarr", "motion": "motion.parquet"} for name in ("generated", "warped"))
DRIVER = {"driver-frames": "frames.zarr", "driver-keypoints": "keypoints.parquet"}
ENHANCED = {"enhanced": "enhanced.zarr"}
FACES = {"meshes": "meshes.parquet", "remeasured": "meshes.parquet"}

# What each door reads, its other options, and what it writes.
DOORS: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]] = {
    "crop_person": ({**FRAMES, "plate": "plate.zarr"}, TARGET, ("out",)),
    "enhance_faces": ({**WARPED, "faces": "faces.parquet", "face-crops": "faces.zarr"}, PAIR, ("out",)),
    "estimate_poses": ({"frames": "frames.zarr", "skeleton": "human.yaml"}, {"clip": "ann"}, ("out",)),
    "evaluate": ({**MADE, **DRIVER, **FACES, "driver-meshes": "meshes.parquet", "identities": "identities.parquet", "fused": "fused.zarr",
                  "crops": "crops.zarr", "redetected": "keypoints.parquet"}, {"weights": "weights"}, ("out",)),
    "evaluate_external": ({**MADE, **DRIVER, "crops": "crops.zarr"}, {"weights": "weights", "external": "other"}, ("out",)),
    "evaluate_reconstruction": ({**FRAMES, **ENHANCED, **FACES, "fused": "fused.zarr", "generated": "generated.zarr",
                                 "warped": "generated.zarr", "refined": "enhanced.zarr", "plate": "plate.zarr", "crops": "crops.zarr"},
                                {"weights": "weights"}, ("out", "frame-scores", "watched")),
    "find_references": ({"motion": "motion.parquet", "keypoints": "keypoints.parquet", "references": "references.zarr"}, PAIR, ("out",)),
    "fuse": ({"foreground": "generated.zarr", "generated": "generated.zarr", "plate": "plate.zarr", "driver-frames": "frames.zarr",
              "residuals": "enhanced.zarr"}, {}, ("out", "sidecar", "fused")),
    "generate_foreground": ({"model": "model.safetensors", "description": "model.json", "motion": "motion.parquet", "crops": "crops.zarr",
                             "references": "references.zarr", "chosen": "chosen.parquet"}, {}, ("out",)),
    "index_faces": (FRAMES, {}, ("out", "face-crops")),
    "inpaint_background": (FRAMES, {}, ("out",)),
    "keep_references": ({**FRAMES, "plate": "plate.zarr"}, TARGET, ("out",)),
    "measure_faces": ({"frames": "frames.zarr", "keypoints": "keypoints.parquet"}, {"weights": "weights"}, ("out",)),
    "refine_regions": ({**WARPED, **ENHANCED, "model": "model.safetensors", "description": "model.json"}, PAIR, ("out",)),
    "remeasure_faces": ({**MADE, **ENHANCED, "warped": "generated.zarr", "refined": "enhanced.zarr", "plate": "plate.zarr",
                         "fused": "fused.zarr", "frames": "frames.zarr", "keypoints": "keypoints.parquet", "meshes": "meshes.parquet"},
                        {"weights": "weights"}, ("out", "identities")),
    "retarget_motion": ({**DRIVER, "frames": "frames.zarr", "keypoints": "keypoints.parquet"}, PAIR, ("out", "sheet")),
    "segment_person": ({"frames": "frames.zarr", "keypoints": "keypoints.parquet"}, TARGET, ("out",)),
    "train_appearance": ({"crops": "crops.zarr", "keypoints": "keypoints.parquet", "references": "references.zarr"},
                         {**TARGET, "features": "weights"}, ("model", "description", "curve", "discriminators")),
    "train_refiner": ({**FRAMES, **ENHANCED, "warped": "generated.zarr"}, TARGET, ("model", "description", "curve")),
    "warp_references": ({**MADE, "references": "references.zarr"}, {}, ("out", "where")),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a small artifact of every kind that belongs to the others, and params.yaml."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (T, H, W, 3), np.uint8)
    mattes = np.zeros((T, H, W), np.uint8)
    mattes[:, 4:28, 12:36] = 255
    skeleton = human()
    joints = len(skeleton.joints)
    points = rng.uniform(8, 28, (T, 1, joints, 2)).astype(np.float32)
    seen = np.ones((T, 1, joints))
    table = Keypoints(points, seen.astype(np.float32), seen.astype(np.uint8), skeleton, CLOCK, (H, W), 0)
    write_keypoints(folder / "keypoints.parquet", table)
    write_keypoints(folder / "motion.parquet", table, "motions")
    for name, kind in (("frames", "frames"), ("fused", "fused")):
        with create_frames(folder / f"{name}.zarr", CLOCK, (H, W), {"images": None}, kind) as out:
            out.append(images)
    with create_frames(folder / "plate.zarr", NO_TIME, (H, W), {}, "plates") as out:
        out.append(images[:1])
    with create_mattes(folder / "mattes.zarr", CLOCK, (H, W)) as out:
        out.append(mattes)
    crop, present = np.tile(np.array([[1.0, 0, -8], [0, 1, 0]]), (T, 1, 1)), np.ones(T, bool)
    small = images[:, :, 8:40], mattes[:, :, 8:40]
    write_crops(folder / "crops.zarr", [(*small, small[0][:1])], crop, present, CLOCK, CROP_HW, (H, W), {"mode": "fixed"})
    with create_foregrounds(folder / "generated.zarr", CROP_HW, CLOCK, crop, present, (H, W)) as out:
        out.append(*small)
    with create_residuals(folder / "enhanced.zarr", {}, {}, 32, CLOCK, (H, W), T):
        pass
    write_meshes(folder / "meshes.parquet", Meshes(np.zeros((T, 0, 3)), np.zeros((T, 0)), np.zeros(T), (H, W), ("nobody looked",)))
    write_identities(folder / "identities.parquet", Identities(Described.nothing(), Described.nothing()))
    with create_references(folder / "references.zarr", (8, 8), np.arange(2), np.zeros((2, 2)), points[:2, 0], (H, W)) as out:
        for _ in range(2):
            out.append(images[0, :8, :8], mattes[0, :8, :8])
    first = (np.zeros((T, 1), kind) for kind in (int, int, float))
    write_chosen(folder / "chosen.parquet", ChosenReferences(*first, {}, np.zeros((T, 4), bool)))
    with create_faces(folder / "faces.parquet", folder / "faces.zarr", 8, skeleton.face_vectors, ["nose"]):
        pass
    shutil.copy(ROOT / "pipeline/skeletons/human.yaml", folder)
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "model.json").write_text(json.dumps({"kind": "model", "version": 1, "weights_sha256": "0" * 64}))
    write_clip(folder / "frames.mp4", scenes(T, H, W))
    (folder / "weights").mkdir()
    (folder / "weights/vgg_shift_tolerant.pth").write_bytes(b"none")
    (folder / "params.yaml").write_text(json.dumps(params()))
    return folder


def params() -> dict[str, Any]:
    """The shipped params with the drawn cast, as JSON, which is YAML."""
    tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for dotted, value in SMALL.items():
        section, *rest, last = dotted.split(".")
        node = tree[section]
        for part in rest:
            node = node[part]
        node[last] = value
    external = {"other": {"driver": "ben", "target": "ann", "video": "frames.mp4", "shows": "full", "first_frame": 0}}
    return {**tree, **cast(), "external": external}


@pytest.fixture
def project(made, monkeypatch):
    """The same folder, in which doors run; what a test adds is called bad-something, and is gone after it."""
    monkeypatch.chdir(made)
    yield made
    for path in [*made.glob("bad-*"), *(made / name for name in ("out", "data", failures.ERRORS))]:
        if path.exists() or path.is_symlink():
            _gone(path)


def line_of(capsys: pytest.CaptureFixture[str], stage: str, arguments: list[str]) -> str:
    """Run a door in this process; the one line by which it refuses."""
    main = importlib.import_module(f"stages.{stage}").main
    before, sys.argv = sys.argv, [f"stages/{stage}.py", *arguments]
    capsys.readouterr()
    try:
        with pytest.raises(SystemExit) as ended:
            run_door(main)
    finally:
        sys.argv = before
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert ended.value.code not in (0, None), said
    assert [line for line in said if line.startswith("error: ")] == said[-1:], said
    kept = list(failures.ERRORS.glob("*")) if failures.ERRORS.exists() else []
    assert not kept, kept[0].read_text()
    assert "internal error" not in said[-1]
    assert [path for path in Path("out").rglob("*") if path.suffix != ".lock"] == []
    return said[-1]


def arguments_of(stage: str, changed: dict[str, str] | None = None) -> list[str]:
    reads, others, writes = DOORS[stage]
    options = {**reads, **others, **{name: f"out/{name}" for name in writes}, **(changed or {})}
    return [part for name, value in options.items() for part in (f"--{name}", value)]


# --- artifacts --------------------------------------------------------------------------------------------------------


def _gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _empty(path: Path) -> None:
    _gone(path)
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    _gone(path)
    path.mkdir()


def _noise(path: Path) -> None:
    _gone(path)
    path.write_bytes(np.random.default_rng(1).bytes(3000))


def _pipe(path: Path) -> None:
    _gone(path)
    os.mkfifo(path)


def _half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _described(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Change the attributes of a Zarr group."""

    def damage(path: Path) -> None:
        tree = json.loads((path / "zarr.json").read_text())
        change(tree["attributes"])
        tree.pop("consolidated_metadata", None)
        (path / "zarr.json").write_text(json.dumps(tree))

    return damage


def _rubbish_description(path: Path) -> None:
    (path / "zarr.json").write_text("[" * 5000)


def _older_format(path: Path) -> None:
    _folder(path)
    (path / ".zgroup").write_text('{"zarr_format": 2}')


def _linked_elsewhere(path: Path) -> None:
    _gone(path)
    path.symlink_to("/dev/zero")


FILE = {"gone": _gone, "empty": _empty, "a folder": _folder, "noise": _noise, "a pipe": _pipe, "a device": _linked_elsewhere}
TABLE = {**FILE, "half": _half}
STORE = {
    "gone": _gone, "a file": _noise, "an empty folder": _folder, "a pipe": _pipe, "rubbish": _rubbish_description, "older": _older_format,
    "another kind": _described(lambda a: a.update(kind="soup")), "another version": _described(lambda a: a.update(version="1")),
    "no attributes": _described(lambda a: [a.pop(key) for key in list(a) if key not in ("kind", "version")]),
    "sizes of text": _described(lambda a: a.update(size_hw=["a", "b"], crop_hw=None, crop_px="x")),
}  # fmt: skip
CLOCKED = {
    "no rate": _described(lambda a: a.update(fps="0/0")), "time stands": _described(lambda a: a.update(pts=[0] * T)),
    "time for fewer": _described(lambda a: a.update(pts=[0, 1])),
    "another size": _described(lambda a: a.update(size_hw=[7, 7], crop_hw=[7, 7])),
}  # fmt: skip
WITH_CLOCK = ("frames.zarr", "mattes.zarr", "fused.zarr", "crops.zarr", "generated.zarr")


def damages_of(name: str) -> dict[str, Callable[[Path], None]]:
    if name.endswith(".zarr"):
        return {**STORE, **(CLOCKED if name in WITH_CLOCK else {})}
    return TABLE if name.endswith(".parquet") else FILE


READ_FROM_THE_TABLE = {"no attributes", "sizes of text", "another size"}  # for the pictures of a face index they stand there
A_TURN = 3  # damages of an input at one door; all come up at one door or another


def _cases() -> list[tuple[str, str, str]]:
    """Each input of each door with some of the damages that its kind can have, taken in turn over the doors."""
    turn = {name: 0 for reads, _, _ in DOORS.values() for name in reads.values()}
    cases = []
    for stage, (reads, _, _) in DOORS.items():
        for option, name in reads.items():
            damages = [damage for damage in damages_of(name) if name != "faces.zarr" or damage not in READ_FROM_THE_TABLE]
            for _ in range(A_TURN):
                cases.append((stage, option, damages[turn[name] % len(damages)]))
                turn[name] += 1
    return cases


CASES = _cases()


def test_there_is_a_case_for_every_door():
    written = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    others = {"check_names", "extract_frames", "fetch_assets", "list_footage", "report", "sign"}  # below, or in the tests of their rooms
    assert set(DOORS) | others == written
    assert len(CASES) > 150
    assert {damage for _, _, damage in CASES} == {*TABLE, *STORE, *CLOCKED}


@pytest.mark.parametrize(("stage", "option", "damage"), CASES)
def test_a_damaged_input_is_named(stage, option, damage, project, capsys):
    name = DOORS[stage][0][option]
    path = project / f"bad-{name}"
    (shutil.copytree if (project / name).is_dir() else shutil.copy)(project / name, path)
    damages_of(name)[damage](path)
    assert path.name in line_of(capsys, stage, arguments_of(stage, {option: path.name}))


# --- params -----------------------------------------------------------------------------------------------------------

TEXTS = {
    "missing": None, "empty": "", "a list": "[1, 2]", "a word": "x", "open": "a: [", "bytes": b"\xff\xfe\x00a", "deep": "[" * 400,
    "a date that is none": "a: 2020-13-45", "no section": "{}", "itself": "a: &a [*a]", "two bytes a letter": "a: 1".encode("utf-16"),
    "a tab": "a:\n\tb: 1", "a key twice": "a: 1\na: 2", "two documents": "a: 1\n---\na: 2\n",
}  # fmt: skip


READERS = [*(stage for stage in DOORS if stage != "warp_references"), "report"]


@pytest.mark.parametrize(("text", "stage"), [(text, READERS[(i + k) % len(READERS)]) for i, text in enumerate(TEXTS) for k in (0, 7, 13)])
def test_params_that_are_none(text, stage, project, capsys):
    content = TEXTS[text]
    if content is not None:
        Path("bad-params.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = ["--data", ".", "--out", "out/x"] if stage == "report" else arguments_of(stage)
    assert "bad-params.yaml" in line_of(capsys, stage, [*arguments, "--params", "bad-params.yaml"])


WRONG = [
    ("report", "pairs", None), ("report", "pairs", {"x": None}), ("report", "pairs", {"x": {"driver": 1, "target": "ann"}}),
    ("report", "targets", []), ("report", "external", "x"), ("report", "report", None),
    ("estimate_poses", "clips", None), ("estimate_poses", "clips.ann", None), ("estimate_poses", "clips.ann", "x"),
    ("estimate_poses", "clips.ann.labels", None), ("estimate_poses", "clips.ann.pose", ["imported"]),
    ("estimate_poses", "clips.ann.refiner", None),
    ("estimate_poses", "clips.ann.select", {"frame": "x"}), ("estimate_poses", "clips.ann.joint_map", [1]),
    ("estimate_poses", "pose.openpose", None), ("estimate_poses", "split.hold_out_fraction", "half"),
    ("extract_frames", "clips.ann.video", None), ("extract_frames", "clips.ann.video", ["a"]), ("extract_frames", "clips.ann.video", ""),
    ("extract_frames", "clips.ann.span", "1-3"), ("extract_frames", "clips.ann.span", [3, 1]),
    ("extract_frames", "frames.images_fps", "0/0"),
    ("extract_frames", "frames.images_fps", 0), ("extract_frames", "frames.max_height_px", 1e9),
    ("train_appearance", "appearance.optimiser.betas", [2, 2]), ("train_appearance", "appearance.optimiser.betas", [0.5]),
    ("train_appearance", "appearance.losses", dict.fromkeys(("perceptual", "gw", "pixel", "matte", "quality", "temporal"), 0.0)),
    ("train_appearance", "appearance.discriminators.dilations", [-1, 0]), ("train_appearance", "reference.enabled", "no"),
    ("train_appearance", "reference.find.count", "one"), ("train_appearance", "appearance.perceptual.layers", [-1.0] * 5),
    ("train_refiner", "refine.losses", {"pixel": 0.0, "perceptual": 0.0, "adversarial": 0.0}),
    ("train_refiner", "refine.regions", "some"),
    ("keep_references", "reference.enabled", 1), ("segment_person", "targets.ann.matte", None),
    ("segment_person", "targets.ann.matting", "x"),
    ("enhance_faces", "pairs.ben-to-ann.target", None), ("enhance_faces", "pairs.ben-to-ann", []),
    ("refine_regions", "targets.ann", None),
    ("remeasure_faces", "evaluation.metrics", "face_identity"), ("remeasure_faces", "face_mesh.network", "other"),
    ("evaluate", "evaluation.metrics", "psnr"), ("evaluate", "evaluation.metrics", ["psnr", 1]), ("evaluate", "evaluation.flow", None),
    ("evaluate_external", "external.other.video", None), ("evaluate_external", "external.other.first_frame", -1),
    ("fetch_assets", "evaluation.metrics", "psnr"), ("fetch_assets", "evaluation.flow", []), ("fuse", "fuse.mark", "ä"),
    ("retarget_motion", "motion.smoothing_frames", 4), ("crop_person", "targets.ann.crop", {"margin": "wide"}),
    ("check_names", "pairs", None), ("check_names", "clips.ann.video", None), ("check_names", "targets", {"ann": 3}),
    ("check_names", "demo", "x"),
]  # fmt: skip
OTHERS = {
    "report": ["--data", "."], "extract_frames": ["--clip", "ann"], "check_names": ["--code", "out/code"],
    "fetch_assets": ["--for-evaluation"],
}  # fmt: skip


@pytest.mark.parametrize(("stage", "key", "value"), WRONG)
def test_a_value_of_another_shape_is_named(stage, key, value, project, capsys):
    tree = node = json.loads(Path("params.yaml").read_text())
    *parents, last = key.split(".")
    for part in parents:
        node = node[part]
    node[last] = value
    if stage not in ("train_appearance", "report"):
        tree.pop("appearance")  # the longest section; YAML is read slowly
    Path("bad-params.yaml").write_text(json.dumps(tree))
    arguments = [*OTHERS[stage], "--out", "out/x"] if stage in OTHERS else arguments_of(stage)
    assert last in line_of(capsys, stage, [*arguments, "--params", "bad-params.yaml"])


# --- footage and labels, by their doors -------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [*FILE, "a playlist"])
def test_footage_that_is_none(damage, project, capsys):
    path = project / "data/source/ann.mkv"
    path.parent.mkdir(parents=True)
    path.write_text("#EXTM3U\nother.ts\n")
    FILE.get(damage, lambda path: None)(path)
    assert "data/source/ann.mkv" in line_of(capsys, "extract_frames", ["--clip", "ann", "--out", "out/x.zarr"])


@pytest.mark.parametrize("damage", TABLE)
def test_labels_that_are_none(damage, project, capsys):
    path = project / "data/source/ann.parquet"
    path.parent.mkdir(parents=True)
    shutil.copy(project / "keypoints.parquet", path)
    TABLE[damage](path)
    assert "data/source/ann.parquet" in line_of(capsys, "estimate_poses", arguments_of("estimate_poses"))


def test_a_report_of_nowhere(project, capsys):
    assert "nowhere must be the folder" in line_of(capsys, "report", ["--data", "nowhere", "--out", "out/x.html"])
