"""An export is a folder that holds what passed: a graph that other programs run as torch does, described, and nothing by halves."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exporting import GENERATE, JOINTS, K, read_inputs, save_generator

from pipeline.appearance.export import write
from pipeline.appearance.export.graph import INPUTS, OUTPUTS, graph_of
from pipeline.appearance.export.motion import Motion
from pipeline.appearance.export.window import Window
from pipeline.artifacts.replacing import require_replaceable
from pipeline.command.__main__ import main
from pipeline.command.export import Request, export_model
from pipeline.errors import InputError


def request(out: Path | None = None, pair: str | None = None, dynamic: bool = False) -> Request:
    return Request("ann", pair, out, dynamic, page=False)


@pytest.fixture(scope="module")
def exported(data, params) -> tuple[Path, list[str]]:
    """The folder of an export, and what was said of it."""
    said = export_model(params, request(), data)
    return data / "exports/ann", said


def test_the_folder_holds_the_graph_and_its_description(exported):
    folder, said = exported
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "export.json"}
    assert said[0].startswith(f"{folder / 'model.onnx'}: 3 windows of ann-to-ann by onnxruntime are torch's ")
    assert said[1].startswith("frames a second on 1 CPU threads: torch ")
    described = json.loads((folder / "export.json").read_text())
    assert described["joints"] == list(JOINTS)
    assert described["generated"].startswith("This video was generated")
    graph = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert {entry.key: json.loads(entry.value) for entry in graph.metadata_props} == {"motion_copy": described}
    assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx"}  # what every runtime knows
    for kind, values in (("inputs", graph.graph.input), ("outputs", graph.graph.output)):
        shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in values}
        assert shapes == {name: tensor["shape"] for name, tensor in described[kind].items()}
    assert tuple(described["inputs"]) == tuple(sorted(INPUTS))


def test_the_graph_follows_poses_that_it_was_not_made_from(exported, data):
    """Joints that are missing elsewhere, another order of references, one missing: still what torch makes."""
    session = onnxruntime.InferenceSession(exported[0] / "model.onnx", providers=["CPUExecutionProvider"])
    motion = Motion.of(read_inputs(data))
    window = Window(motion.model, GENERATE, motion.seen)
    draw, made = np.random.default_rng(4), []
    for _ in range(4):
        feed = motion.feed(motion.windows[0])
        feed["points"] += draw.normal(0, 3, feed["points"].shape).astype(np.float32)
        feed["points"][draw.random(feed["points"].shape[:3]) < 0.3] = np.nan
        feed["pictures"], feed["picture_points"] = feed["pictures"][:, :, ::-1].copy(), feed["picture_points"][:, :, ::-1].copy()
        feed["picture_points"][0, draw.integers(K), 1] = np.nan
        colours, mattes = session.run(list(OUTPUTS), feed)
        with torch.inference_mode():
            expected = window(*(torch.from_numpy(feed[name]) for name in INPUTS))
        for found, true in zip((colours, mattes), expected, strict=True):
            assert np.abs(found - true.numpy()).max() < 1 / 255
        made.append(colours)
    assert np.ptp(np.stack(made), axis=0).max() > 0.1


def test_an_export_takes_the_place_of_its_own_kind_alone(exported, data, params, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match="is a folder; only export may be replaced there"):
        export_model(params, request(mine), data)
    assert [path.name for path in mine.iterdir()] == ["keep.txt"]
    require_replaceable(exported[0], "export")


@pytest.mark.slow
def test_an_export_is_the_same_bytes_each_time_and_nothing_of_the_one_before(exported, data, params):
    folder, _ = exported
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "stale").touch()
    export_model(params, request(), data)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_graph_that_is_not_as_torch_is_leaves_no_file(exported, data, params, tmp_path, monkeypatch):
    """The graph of other weights stands in for one that a runtime gets wrong."""
    shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("exports"))
    save_generator(tmp_path / "data", seed=1)
    graph = (exported[0] / "model.onnx").read_bytes()
    monkeypatch.setattr(write, "graph_of", lambda *_: graph)
    with pytest.raises(InputError, match=r"was not written: frames by onnxruntime must lie within 1/255 of torch's, found \d+/255 in 3"):
        export_model(params, request(), tmp_path / "data")
    assert list((tmp_path / "data/exports").iterdir()) == []


@pytest.mark.parametrize(
    ("target", "pair", "says"),
    [
        ("bob", None, "bob must be a target, there are: ann"),
        ("ann", "ann-to-ben", "--pair must name a pair of the target ann, found ann-to-ben; there are: ann-to-ann"),
    ],
)
def test_other_names_are_refused(params, data, target, pair, says):
    with pytest.raises(InputError, match=says):
        export_model(params, Request(target, pair, None, False, False), data)


def test_a_missing_package_is_named(params, data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"needs the package onnxscript\. Run: pip install -e '\.\[export\]'"):
        export_model(params, request(), data)


def test_the_command_says_what_to_do_where_nothing_is_trained(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["motion-copy", "export", "model", "nobody", "--to", "onnx", "--out", str(tmp_path / "x")])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    assert "nobody must be a target, there are: man" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_one_graph_serves_any_number_of_windows_and_references_of_any_size(data):
    """At two other sizes than it was made from, as torch does at each; and it says which of its sides are free."""
    motion = Motion.of(read_inputs(data))
    window, feed = Window(motion.model, GENERATE, motion.seen), motion.feed(motion.windows[0])
    session = onnxruntime.InferenceSession(graph_of(window, feed, {}, dynamic=True), providers=["CPUExecutionProvider"])
    height, width = feed["pictures"].shape[-2:]
    for windows, size_hw in ((1, (height, width)), (3, (height + 9, width - 7)), (5, (height - 4, 2 * width))):
        fed = {name: np.concatenate([motion.feed(motion.windows[i % 3])[name] for i in range(windows)]) for name in feed}
        grown = np.zeros((*fed["pictures"].shape[:4], *size_hw), np.uint8)
        rows, columns = min(height, size_hw[0]), min(width, size_hw[1])
        grown[..., :rows, :columns] = fed["pictures"][..., :rows, :columns]
        fed["pictures"] = grown
        made = session.run(list(OUTPUTS), fed)
        with torch.inference_mode():
            expected = window(*(torch.from_numpy(fed[name]) for name in INPUTS))
        for found, true in zip(made, expected, strict=True):
            assert found.shape == true.shape
            assert np.abs(found - true.numpy()).max() < 1 / 255
    free = {value.name: [side for side in value.shape if isinstance(side, str)] for value in session.get_inputs()}
    assert {name: len(sides) for name, sides in free.items()} == {"points": 1, "scores": 1, "pictures": 3, "picture_points": 1}
