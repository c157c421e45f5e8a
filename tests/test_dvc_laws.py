"""Laws over dvc.yaml: what a stage is given stands among its deps or outs, what its door reads of params.yaml among its params."""

import ast
import re
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.closure import FAMILIES, family_of, listings
from pipeline.imports import ROOT, closure

PLAN = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = {name: stage.get("do", stage) for name, stage in PLAN.items()}
READERS = {"read_section": 3, "read_value": 2, "read_as": 3, "read_path": 9, "read_entries": 9}  # place of the override, if any
OURS = re.compile(r"\$\{item\.(video|labels)\}")  # values that are paths themselves


def paths(stage: dict[str, Any], *kinds: str) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for kind in kinds for entry in stage.get(kind, [])]


def given(command: str) -> list[str]:
    """The paths in a command; private scratch is nobody's business."""
    return [word for word in command.split() if ("/" in word or OURS.fullmatch(word)) and not word.startswith(".scratch/")]


def undeclared(stage: dict[str, Any]) -> list[str]:
    """Paths of a stage's command that neither are, nor lie in, nor hold what it declares."""
    declared = paths(stage, "deps", "outs", "metrics", "plots")
    return [p for p in given(stage["cmd"]) if not any(p == d or p.startswith(f"{d}/") or d.startswith(f"{p}/") for d in declared)]


@pytest.mark.parametrize("name", STAGES)
def test_every_path_of_a_command_is_declared(name):
    assert undeclared(STAGES[name]) == []


def test_an_undeclared_path_is_noticed():
    stage = {"cmd": "python -m stages.x --in data/a.zarr/part --skeleton b/c.yaml --labels ${item.labels}", "deps": ["data/a.zarr"]}
    assert undeclared(stage) == ["b/c.yaml", "${item.labels}"]


ROLES = {("redetect_poses", "frames"), ("fuse", "foreground"), ("fuse", "residuals")}  # what they are given is whatever takes the part


def options(command: str) -> list[tuple[str, str]]:
    """Option names and the paths given to them, keys left out; `driver-` and the like are said of the same artifact of another clip."""
    found, name = [], ""
    for word in command.split():
        if word.startswith("--"):
            name = re.sub(r"^--((driver|own|further|earlier)-)?", "", word)
        elif word in given(word):
            found.append((name, re.sub(r"[$][{][^}]*[}](-to-[$][{][^}]*[}])?", "*", word)))
    return found


def test_an_artifact_has_one_option_name_in_all_doors():
    """`--out` apart, which is what a stage is for."""
    names: dict[str, set[str]] = {}
    for stage in STAGES:
        for name, path in options(STAGES[stage]["cmd"]):
            if name != "out" and (stage, name) not in ROLES:
                names.setdefault(path, set()).add({"descriptions": "description"}.get(name, name))
    assert len(names) > 30
    assert {path: several for path, several in names.items() if len(several) > 1} == {}


def test_the_report_declares_every_folder_that_it_opens():
    text = "".join(path.read_text() for path in sorted((ROOT / "pipeline/report").glob("*.py")))
    opened = {f"data/{name}" for name in re.findall(r'(?:open\(f?"|data / "|metrics\(f?")(\w+)["/]', text)}
    assert {"data/demo", "data/weights", "data/frames", "data/fused", "data/metrics"} <= opened <= set(STAGES["report"]["deps"])


# --- code -------------------------------------------------------------------------------------------------------------

# which value of params chooses a stage's package of a family
CHOICE = {
    "pipeline/pose/backends": "${item.pose}", "pipeline/pose/refiners": "${item.refiner}",
    "pipeline/matting/backends": "${item.matte}", "pipeline/background/backends": "${background.fill}",
}  # fmt: skip
REDETECTION = {**CHOICE, "pipeline/pose/backends": "${item.redetect}", "pipeline/pose/refiners": "none"}


@pytest.mark.parametrize("name", [name for name in STAGES if name != "check_names"])
def test_a_stage_depends_on_its_doors_code_and_on_the_package_that_params_choose(name):
    door = Path(door_of(STAGES[name]))
    met = {folder for file in closure(str(door), ROOT) if (folder := family_of(file))}
    chosen = REDETECTION if name == "redetect_poses" else CHOICE
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith(("data/code/", "pipeline/", "stages/")) and not dep.endswith(".yaml")}
    assert code == {f"data/code/{door.stem}.sha256", *(f"{folder}/{chosen[folder]}" for folder in met)}
    assert f"data/code/{door.stem}.sha256" in STAGES["check_names"]["outs"]


def test_the_listings_stand_for_all_code_and_nothing_else():
    assert STAGES["check_names"]["deps"] == ["pipeline", "stages"]
    listed = {out for out in STAGES["check_names"]["outs"] if out.startswith("data/code/")}
    assert listed == {f"data/code/{door}.sha256" for door in listings()}
    assert set(CHOICE) == set(FAMILIES)


# --- params -----------------------------------------------------------------------------------------------------------


class Reads(ast.NodeVisitor):
    """Dotted keys that a function reads, `*` for what only a run knows; of `args.x` alternatives those that a command takes."""

    def __init__(self, command: str, names: dict[str, str]) -> None:
        self.command, self.names, self.found = command, names, set[str]()
        self.values: dict[str, list[ast.expr]] = {}

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.values.setdefault(target.id, [])[:] = [node.value]  # the last one before the use
        self.visit(node.value)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        for branch in self._taken(node.test, [node.body], [node.orelse]):
            self.visit(branch)

    def visit_If(self, node: ast.If) -> None:
        for branch in self._taken(node.test, node.body, node.orelse):
            self.visit(branch)

    def _taken(self, test: ast.expr, then: list[Any], otherwise: list[Any]) -> list[Any]:
        if isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name) and test.value.id == "args":
            return then if f"--{test.attr.replace('_', '-')} " in self.command else otherwise
        return [test, *then, *otherwise]

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in READERS:
            over = [k.value for k in node.keywords if k.arg == "override"] + node.args[READERS[name] : READERS[name] + 1]
            self.found |= set(chain.from_iterable(self._texts(part) for part in [node.args[1], *over]))
        elif name in self.names and any("params" in (text := ast.unparse(argument)) or text == "args" for argument in node.args):
            self.found |= reads_of(self.names[name], name, self.command)
        self.generic_visit(node)

    def _texts(self, node: ast.expr) -> set[str]:
        if isinstance(node, ast.Constant):
            return {str(node.value)} - {"None"}
        if isinstance(node, ast.JoinedStr):
            texts = {""}
            for part in node.values:
                known = {"*"}
                if isinstance(part, ast.Constant):
                    known = {str(part.value)}
                elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
                    known = self._texts(part.value)
                texts = {text + more for text in texts for more in known}
            return texts
        if isinstance(node, ast.IfExp):
            return set(chain.from_iterable(map(self._texts, self._taken(node.test, [node.body], [node.orelse]))))
        if isinstance(node, ast.Name) and node.id in self.values:
            return set(chain.from_iterable(map(self._texts, self.values[node.id])))
        return {"*"}


def reads_of(file: str, function: str, command: str) -> set[str]:
    """Dotted keys that a function of a source file reads of params.yaml, those of the functions that it hands the file to included."""
    tree = ast.parse((ROOT / file).read_text())
    imported = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module and n.module.startswith("pipeline.")]
    names = {alias.name: f"{n.module.replace('.', '/')}.py" for n in imported if n.module for alias in n.names}
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    names |= dict.fromkeys(functions, file)
    names = {name: path for name, path in names.items() if not name[0].isupper() and (ROOT / path).is_file()}
    if function not in functions:
        return set()
    reads = Reads(command, names)
    for statement in functions[function].body:
        reads.visit(statement)
    return reads.found


def covered(read: str, declared: str) -> bool:
    """Whether a declared key holds what is read: the key itself or one above it."""
    a, b = read.split("."), re.sub(r"\$\{[^}]*\}", "*", declared).split(".")
    return len(b) <= len(a) and all(x == y or "*" in (x, y) for x, y in zip(a, b))


def door_of(stage: dict[str, Any]) -> str:
    match = re.search(r"-m stages\.(\w+)", stage["cmd"])
    assert match
    return f"stages/{match[1]}.py"


@pytest.mark.parametrize("name", STAGES)
def test_every_section_that_a_door_reads_is_among_its_params(name):
    stage = STAGES[name]
    read = reads_of(door_of(stage), "main", " ".join(stage["cmd"].split()))
    assert {key for key in read if not any(covered(key, declared) for declared in stage.get("params", []))} == set()
    reads = any(f"{reader}(" in (ROOT / door_of(stage)).read_text() for reader in READERS)
    assert bool(read) == bool(reads and "--asset" not in stage["cmd"])


def test_a_path_that_a_door_reads_of_params_is_among_its_deps():
    found = {}
    for name, stage in STAGES.items():
        read = reads_of(door_of(stage), "main", " ".join(stage["cmd"].split()))
        if users := {key.split(".")[2] for key in read if re.fullmatch(r"\w+\.\*\.(video|labels)", key)}:
            found[name] = users
            assert {f"${{item.{key}}}" for key in users} <= set(stage["deps"]), name
    assert found["extract_frames"] == {"video"}
    assert found["estimate_poses"] == {"labels"}


def test_what_a_door_reads_is_found():
    command = " ".join(STAGES["estimate_poses"]["cmd"].split())
    assert reads_of("stages/estimate_poses.py", "main", command) == {
        "pose", "clips.*.pose", "clips.*.refiner", "clips.*", "clips.*.labels", "split",
    }  # fmt: skip
    command = " ".join(STAGES["redetect_poses"]["cmd"].split())
    assert reads_of("stages/estimate_poses.py", "main", command) == {"pose", "pairs.*.redetect"}
    assert {"reference.find.count", "targets.*.reference.find.count"} <= reads_of("stages/train_appearance.py", "main", "")


def test_every_reader_of_params_is_known():
    tree = ast.parse((ROOT / "pipeline/params.py").read_text())
    public = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("read_")}
    assert public - {"read_all"} == set(READERS)  # that one is for what reads the whole file


def test_a_key_covers_what_lies_under_it_only():
    assert covered("targets.*.crop.margin", "targets.${key}.crop")
    assert covered("split", "split")
    assert not covered("split", "split.hold_out_fraction")
    assert not covered("targets.*.matte", "targets.${key}.crop")


def test_the_report_prints_all_params_and_declares_them_all():
    sections = set(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))
    assert "read_text" in (ROOT / "stages/report.py").read_text()
    assert set(STAGES["report"]["params"]) == sections


# --- what is shared ---------------------------------------------------------------------------------------------------


def test_what_dvc_caches_is_no_concern_of_git_and_the_rest_is(tmp_path):
    """After `git clone` and `dvc pull` every out is there: from the one or from the other."""
    cached, kept = [], []
    for name, stage in STAGES.items():
        for entry in (e for kind in ("outs", "metrics", "plots") for e in stage.get(kind, [])):
            path, how = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
            (kept if how.get("cache") is False else cached).append(f"{name} {re.sub(r'[$][{][^}]*[}]', 'x', path)}")
    assert any("data/metrics/time/" in entry for entry in cached)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    assert [entry for entry in cached if not ignored(tmp_path, entry)] == []
    assert [entry for entry in kept if ignored(tmp_path, entry)] == []


def ignored(folder: Path, entry: str) -> bool:
    return subprocess.run(["git", "check-ignore", "-q", entry.split()[1]], cwd=folder, check=False).returncode == 0
