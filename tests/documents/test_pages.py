"""README and docs say what is there: links, stages, files, params, commands, backends, licences."""

import importlib.util
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.appearance.params import AppearanceParams
from pipeline.body.skeleton import load_skeleton
from pipeline.crop.crop import CropParams
from pipeline.params import read_section
from pipeline.refine.params import RefineParams

ROOT = Path(__file__).resolve().parent.parent.parent
FRONT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = {page: (ROOT / page).read_text(encoding="utf-8") for page in FRONT} | {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))
}
TEXT = "\n".join(PAGES.values())
LINK = re.compile(r"\]\(([^)\s]+)\)")
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = set(PARAMS) - {"demo", "clips", "targets", "footage", "pairs"}
MADE_BY_STAGES = {line.strip("/").split("/")[1] for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/data/")}
TREE = PAGES["docs/explanation/house.md"].split("## The tree")[1].split("```")[1]
DRAWING = PAGES["docs/reference/reruns.md"].split("```mermaid")[1].split("```")[0]


def _heads(text: str) -> set[str]:
    """Anchors of a page, as GitHub makes them of its headings."""
    outside = re.sub(r"```.*?```", "", text, flags=re.S)
    heads = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head) for head in re.findall(r"^#+ (.+)$", outside, re.M)]
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def _links(page: str) -> set[str]:
    """Where a page's links inside the project lead, paths from the root, with their anchors."""
    inside = [link for link in LINK.findall(PAGES[page]) if "://" not in link]
    found = set()
    for link in inside:
        path, _, anchor = link.partition("#")
        there = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert there.is_relative_to(ROOT), f"{page}: {link} leads out of the project"
        found.add(there.relative_to(ROOT).as_posix() + (f"#{anchor}" if anchor else ""))
    return found


def _block(page: str, kind: str = "yaml", number: int = 0) -> str:
    return re.findall(rf"```{kind}\n(.*?)```", PAGES[page], re.S)[number]


def _tree() -> list[str]:
    """Paths of the tree, from the indentation of its lines."""
    paths, folders = [], [""]
    for line in TREE.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folders[depth + 1 :] = [f"{folders[depth]}{name}"]
        paths.append(folders[depth] + name)
    return paths


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in _links(page):
        path, _, anchor = link.partition("#")
        assert (ROOT / path).exists(), f"{page}: {link}"
        assert not anchor or anchor in _heads(PAGES[path]), f"{page}: {link} has no such heading"


def test_a_broken_link_would_be_noticed():
    assert _heads("# One, two\n## `Three` [four](x.md)\n```\n# not one\n```\n") == {"one-two", "three-four"}
    assert "docs/tutorial.md#your-own-two-videos" in _links("docs/how-to/own-videos.md")
    assert sum(map(len, map(_links, PAGES))) > 80


def test_every_page_can_be_reached_from_the_front():
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting += [path for path in (link.partition("#")[0] for link in _links(page)) if path in PAGES and path not in reached]
    assert set(PAGES) - reached <= {"docs/README.md"}  # GitHub shows it with the folder
    assert {link.partition("#")[0] for link in _links("docs/README.md")} >= {p for p in PAGES if p.startswith("docs/")} - {"docs/README.md"}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_in_the_drawing(stage):
    assert re.search(rf"\b{stage}\b", DRAWING)


def test_the_drawing_has_no_other_stage():
    drawn = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", DRAWING))
    assert drawn <= set(STAGES)


def test_every_section_is_in_the_table_of_reruns():
    table = re.search(r"<!-- reruns -->(.*)<!-- /reruns -->", PAGES["docs/reference/reruns.md"], re.S)
    assert table
    assert not {name for name in SECTIONS if f"`{name}" not in table[1]}


def test_what_the_tree_names_exists():
    assert not [path for path in _tree() if not (ROOT / path).exists()]


def test_files_that_the_tree_names_in_passing_exist():
    for line in TREE.splitlines():
        if match := re.match(r"  (\w+)/ +(.*)", line):
            folders = [ROOT / "pipeline" / match[1], ROOT / "tests" / match[1]]
            named = set(re.findall(r"\b(\w+\.(?:py|yaml))\b", match[2])) - {"params.yaml"}
            missing = [name for name in named if not any(True for folder in folders for _ in folder.rglob(name))]
            assert not missing, f"{match[1]}: {missing}"


def test_the_tree_leaves_nothing_out():
    named = {path.rstrip("/").split("/")[0] for path in _tree()}
    rooms = {path.rstrip("/") for path in _tree()}
    here = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.suffix != ".egg-info"}
    assert here - named <= {"dvc.lock", "build"}
    inside = {f"pipeline/{p.name}" for p in (ROOT / "pipeline").iterdir() if not p.name.startswith("__")}
    assert not inside - rooms


@pytest.mark.parametrize("page", PAGES)
def test_params_in_backticks_exist(page):
    named = {key for key in re.findall(r"`(\w+(?:\.\w+)+)(?::[^`]*)?`", PAGES[page]) if key.split(".")[0] in SECTIONS}
    for key in named:
        node = PARAMS
        for part in key.split("."):
            assert isinstance(node, dict), f"{key}: no such parameter"
            assert part in node, f"{key}: no such parameter"
            node = node[part]


def test_params_are_named_at_all():
    assert sum(key.split(".")[0] in SECTIONS for key in re.findall(r"`(\w+(?:\.\w+)+)(?::[^`]*)?`", TEXT)) > 300


def test_folders_of_data_are_those_of_the_stages():
    named = set(re.findall(r"`data/(\w+)/", TEXT))
    assert named <= MADE_BY_STAGES | {"source", "incoming", "consent", "metrics", "experiments"}
    assert len(named) > 10


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_example_params_have_the_keys_of_the_real_ones(page):
    example = YAML(typ="safe", pure=True).load(_block(page))
    for kind, entries in ((k, v) for k, v in example.items() if k != "demo"):
        keys = set(next(iter(PARAMS[kind].values())))
        assert all(set(entry) == keys for entry in entries.values()), kind
    assert all(pair == f"{p['driver']}-to-{p['target']}" for pair, p in example["pairs"].items())
    assert {f"{target}-to-{target}" for target in example["targets"]} <= set(example["pairs"])


def test_the_animals_example_is_read_as_it_stands(tmp_path):
    example = YAML(typ="safe", pure=True).load(_block("docs/how-to/animals.md"))
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
    assert not [page for page, text in PAGES.items() if re.search(word, text, re.I)]


@pytest.mark.parametrize("block", ["reruns", "results", "speed", "memory"])
def test_blocks_that_are_filled_in_are_marked(block):
    page = {"reruns": "reference/reruns", "memory": "reference/costs"}.get(block, "explanation/results")
    assert TEXT.count(f"<!-- {block} -->") == TEXT.count(f"<!-- /{block} -->") == 1
    assert re.search(rf"<!-- {block} -->\n\|.*<!-- /{block} -->", PAGES[f"docs/{page}.md"], re.S)


def test_modules_that_are_to_be_run_exist():
    modules = {name.rstrip(".") for name in re.findall(r"python -m ((?:pipeline|stages|docs)\.[\w.]+)", TEXT)} - {"stages.NAME"}
    assert len(modules) > 6
    for name in modules:
        spec = importlib.util.find_spec(name)
        assert spec, name
        source = Path(str(spec.origin)).with_name("__main__.py") if spec.submodule_search_locations else Path(str(spec.origin))
        assert 'if __name__ == "__main__":' in source.read_text(encoding="utf-8"), name


def test_benchmarks_that_are_named_exist():
    named = set(re.findall(r"tests/benchmarks/(\w+\.py)", TEXT))
    assert {"speed.py", "costs.py"} <= named
    assert not {name for name in named if not (ROOT / "tests/benchmarks" / name).is_file()}


def test_every_backend_is_told():
    backends = {p.name for kind in ("backends", "refiners") for p in (ROOT / "pipeline").glob(f"*/{kind}/[a-z]*") if p.is_dir()}
    prose = "\n".join(text for page, text in PAGES.items() if page != "docs/reference/params.md")
    assert not {name for name in backends if not re.search(rf"\b{name}\b", prose)}


def test_every_licence_is_told():
    told = PAGES["docs/reference/licences.md"] + PAGES["docs/how-to/paper-networks.md"]
    for asset in (ROOT / "pipeline" / "assets").glob("*.yaml"):
        licence = YAML(typ="safe", pure=True).load(asset.read_text(encoding="utf-8"))["licence"]
        assert licence.split(" (")[0].split("'")[0] in told or licence in ("none stated", "that of this project"), asset.name
