"""README says what is there: stages, files, params, commands."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.appearance.params import AppearanceParams
from pipeline.body.skeleton import load_skeleton
from pipeline.crop.crop import CropParams
from pipeline.params import read_section
from pipeline.refine.params import RefineParams

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PARAMS = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
MADE_BY_STAGES = {line.strip("/").split("/")[1] for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/data/")}
SECTIONS = set(PARAMS) - {"demo", "clips", "targets", "pairs"}


def _block(start: str) -> str:
    """The fenced block whose fence is followed by `start`."""
    match = re.search(rf"```{start}(.*?)```", TEXT, re.S)
    assert match, start
    return match[1]


def _tree() -> list[str]:
    """Paths of the tree, from the indentation of its lines."""
    paths, folders = [], [""]
    for line in _block("\nREADME.md").splitlines()[1:]:
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folders[depth + 1 :] = [f"{folders[depth]}{name}"]
        paths.append(folders[depth] + name)
    return paths


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_in_the_drawing(stage):
    assert re.search(rf"\b{stage}\b", _block("mermaid"))


def test_the_drawing_has_no_other_stage():
    drawn = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", _block("mermaid")))
    assert drawn <= set(STAGES)


def test_every_section_is_in_the_table_of_reruns():
    table = re.search(r"<!-- reruns -->(.*)<!-- /reruns -->", TEXT, re.S)
    assert table
    assert not {name for name in SECTIONS if f"`{name}" not in table[1]}


def test_what_the_tree_names_exists():
    assert not [path for path in _tree() if not (ROOT / path).exists()]


def test_the_tree_leaves_nothing_out():
    named = {path.rstrip("/").split("/")[0] for path in ["README.md", *_tree()]}
    rooms = {path.rstrip("/") for path in _tree()}
    here = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.suffix != ".egg-info"}
    assert here - named <= {"dvc.lock", "build"}
    inside = {f"pipeline/{p.name}" for p in (ROOT / "pipeline").iterdir() if not p.name.startswith("__")}
    assert not inside - rooms


def test_params_in_backticks_exist():
    named = {key for key in re.findall(r"`(\w+(?:\.\w+)+)(?::[^`]*)?`", TEXT) if key.split(".")[0] in SECTIONS}
    assert len(named) > 10
    for key in named:
        node = PARAMS
        for part in key.split("."):
            assert isinstance(node, dict), f"{key}: no such parameter"
            assert part in node, f"{key}: no such parameter"
            node = node[part]


def test_folders_of_data_are_those_of_the_stages():
    named = set(re.findall(r"`data/(\w+)/", TEXT))
    assert named <= MADE_BY_STAGES | {"source", "incoming", "metrics", "experiments"}


def test_example_params_have_the_keys_of_the_real_ones():
    example = YAML(typ="safe", pure=True).load(_block("yaml"))
    for kind, entries in ((k, v) for k, v in example.items() if k != "demo"):
        keys = set(next(iter(PARAMS[kind].values())))
        assert all(set(entry) == keys for entry in entries.values()), kind
    assert all(pair == f"{p['driver']}-to-{p['target']}" for pair, p in example["pairs"].items())
    assert {f"{target}-to-{target}" for target in example["targets"]} <= set(example["pairs"])


def test_the_animals_example_is_read_as_it_stands(tmp_path):
    example = YAML(typ="safe", pure=True).load(re.findall(r"```yaml\n(.*?)```", TEXT, re.S)[1])
    for name, clip in example["clips"].items():
        assert set(clip) - {"joint_map"} == set(next(iter(PARAMS["clips"].values())))
        joints = load_skeleton(ROOT / f"pipeline/skeletons/{clip['skeleton']}.yaml").joints
        assert {joint for joint in clip.get("joint_map", {}).values() if joint} <= set(joints), name
    for kind in ("targets", "pairs"):
        assert all(set(entry) == set(next(iter(PARAMS[kind].values()))) for entry in example[kind].values())
    path = tmp_path / "params.yaml"
    YAML(typ="safe", pure=True).dump({**PARAMS, **example}, path)
    for target in example["targets"]:
        read_section(path, "crop", CropParams, f"targets.{target}.crop")
        read_section(path, "appearance", AppearanceParams, f"targets.{target}.appearance")
        assert not read_section(path, "refine", RefineParams, f"targets.{target}.refine").enabled
        assert f"{target}-to-{target}" in example["pairs"]


@pytest.mark.parametrize("word", [r"\.\./shared", r"\bissues?\b", r"/work/", r"/home/", r"/root/", r"/tmp/", r"\bhelpers?\b"])
def test_nothing_of_the_workshop_is_told(word):
    assert not re.search(word, TEXT, re.I)


@pytest.mark.parametrize("block", ["reruns", "results", "speed", "memory"])
def test_blocks_that_are_filled_in_are_marked(block):
    assert TEXT.count(f"<!-- {block} -->") == TEXT.count(f"<!-- /{block} -->") == 1


@pytest.mark.parametrize(
    "command",
    [
        "python3 -m venv .venv && . .venv/bin/activate && pip install -e . && dvc repro",
        "pip install -e '.[test]' && pytest",
    ],
)
def test_the_two_commands_stand_there(command):
    assert f"    {command}\n" in TEXT


def test_links_inside_the_page_lead_somewhere():
    heads = {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in re.findall(r"^#+ (.+)$", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= heads


@pytest.mark.parametrize("script", ["speed", "memory"])
def test_benchmarks_named_exist(script):
    assert f"python tests/benchmarks/{script}.py" in TEXT
    assert (ROOT / "tests" / "benchmarks" / f"{script}.py").is_file()


def test_every_backend_is_told():
    backends = {p.name for kind in ("backends", "refiners") for p in (ROOT / "pipeline").glob(f"*/{kind}/[a-z]*") if p.is_dir()}
    assert not {name for name in backends if not re.search(rf"\b{name}\b", TEXT)}


def test_every_licence_is_told():
    for asset in (ROOT / "pipeline" / "assets").glob("*.yaml"):
        licence = YAML(typ="safe", pure=True).load(asset.read_text(encoding="utf-8"))["licence"]
        assert licence.split(" (")[0].split("'")[0] in TEXT or licence in ("none stated", "that of this project"), asset.name
