"""Benchmarks that run stages by themselves give them what they read; they are run by hand, so that nothing else would tell."""

import json
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks import against, costs, equal_seconds, side_by_side, sizes

from pipeline.plan import MISSING, parsed, resolve_stage

ROOT = Path(__file__).resolve().parent.parent
PLAN, PARAMS = ((ROOT / name).read_text(encoding="utf-8") for name in ("dvc.yaml", "params.yaml"))
RUN = {
    "side_by_side": side_by_side.STAGES,
    "sizes": (*sizes.PREPARING, "train_appearance", *sizes.RENDERING),
    "equal_seconds": (*equal_seconds.PREPARING, "train_appearance"),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "tests/benchmarks").glob("*.py")))
def test_what_a_benchmark_imports_is_there(name):
    assert callable(import_module(f"benchmarks.{name}").main)


@pytest.mark.parametrize("stages", RUN.values(), ids=RUN)
def test_what_a_stage_reads_is_shared_or_made_before(stages: Sequence[str], tmp_path):
    (tmp_path / "before" / "meshes").mkdir(parents=True)
    (tmp_path / "before" / "meshes" / "man.parquet").touch()
    side_by_side.furnish(tmp_path, tmp_path / "before", ROOT / "params.yaml", {})
    there = {path for path in (tmp_path / "data").rglob("*") if path.is_symlink()}
    made = {"data/names.ok"}

    def is_shared(path: str) -> bool:
        return not there.isdisjoint([tmp_path / path, *(tmp_path / path).parents])

    for stage in stages:
        key = "man-to-man" if parsed(PLAN)["stages"][stage]["foreach"] == "${pairs}" else "man"
        deps = resolve_stage(f"{stage}@{key}", PLAN, PARAMS).deps
        reads = {path for path in deps if path.startswith("data/") and not path.startswith("data/code/")}  # no door opens listings
        assert not {path for path in reads - made if not is_shared(path)}, stage
        written = (word for word in side_by_side.commands(stage, "man", tmp_path) if word.startswith("data/"))
        # Of what a command names, what lies in a dependency is read, as is a folder of several.
        made |= {word for word in written if not any(f"{word}/".startswith(f"{path}/") or path.startswith(f"{word}/") for path in reads)}
        assert not {path for path in made if is_shared(path)}, stage  # what is shared is only read


def test_a_command_has_the_values_of_its_own_folder(tmp_path):
    side_by_side.furnish(tmp_path, tmp_path, ROOT / "params.yaml", {"fuse.stage": "enhanced"})
    words = side_by_side.commands("fuse", "man", tmp_path)
    assert words[:3] == ["python", "-m", "stages.fuse"]
    assert words[words.index("--residuals") + 1] == "data/foregrounds/man-to-man-enhanced.zarr"
    assert not [word for word in words if "$" in word or MISSING in word]


def test_costs_are_of_all_stages_that_have_entries():
    found = costs.commands(PARAMS, "evaluate_reconstruction")
    assert {"measure_faces", *side_by_side.STAGES} <= set(found)
    assert "continue_appearance" not in found
    assert list(found)[-1] == "evaluate_reconstruction"
    assert not [word for words in found.values() for word in words if "$" in word or MISSING in word]
    assert list(costs.commands(PARAMS, "crop_person"))[-1] == "crop_person"


@pytest.mark.parametrize("stage", against.STAGES)
def test_a_stage_beside_older_code_reads_the_project_and_writes_into_its_own_folder(stage, tmp_path):
    (tmp_path / "data").mkdir()
    wanted = Namespace(whole=False, set=[], target="man", project=tmp_path / "project")
    words = against._furnished(tmp_path, stage, wanted)
    given = dict(pairwise(words))
    assert words[:2] == ["-m", f"stages.{stage}"]
    assert given["--out"].startswith("data/")
    assert given["--frames"] == f"{tmp_path}/project/data/frames/man.zarr"
    assert not [word for word in words if word.startswith("data/") and "/weights" in word]
    assert "--hand-weights" not in words


def test_outputs_that_differ_are_named_with_their_difference(tmp_path):
    for name, score in (("one", 0.5), ("two", 0.6)):
        folder = tmp_path / name / "data" / "metrics"
        (folder / "time").mkdir(parents=True)
        (folder / "time" / "a.json").write_text(name)
        (folder / "man.json").write_text(json.dumps({"watch": {"alex": score}, "frames": [1, 2]}))
        (folder / "same.tsv").write_text("1")
    assert against._differences(tmp_path / "one", tmp_path / "two") == ["data/metrics/man.json: 0.2"]
    (tmp_path / "two" / "data" / "metrics" / "same.tsv").unlink()
    assert "data/metrics/same.tsv" in against._differences(tmp_path / "one", tmp_path / "two")
