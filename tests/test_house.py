"""The rules of the house, by reading the source: who may import whom, and dvc.yaml lists what is imported."""

import ast
import re
from pathlib import Path

import pytest

from pipeline.imports import closure as closure_of
from pipeline.imports import imports

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(p.relative_to(ROOT).as_posix() for folder in ("pipeline", "stages") for p in (ROOT / folder).rglob("*.py"))
FLOOR = ["timeline", "video", "picture", "body", "training"]  # each imports those before it only
NOT_ROOMS = {"networks", "artifacts", "skeletons", *FLOOR}
LOOSE = {"__init__", "disk", "errors", "failures", "installed", "interrupts", "names", "params", "clips", "door", "progress"}
LOOSE |= {"closure", "imports", "plan", "record", "recorded", "leash", "members"}
FIRST = "stages/__init__.py"  # runs before a door imports anything: the one place where an import does something
COMMAND = "command"  # asks every room for its params
ROOMS = sorted({s.split("/")[1] for s in SOURCES if s.count("/") > 1 and s.startswith("pipeline/")} - NOT_ROOMS)
MODEL_PACKAGES = {"ai_edge_litert", "detectron2", "torchvision", "lpips", "mediapipe", "torch_fidelity", "dlib"}


def _kind(path: str) -> str:
    parts = path.split("/")
    if parts[0] == "stages":
        return "door"
    if len(parts) == 2 or parts[1] in FLOOR:
        return "floor"
    return parts[1] if parts[1] in NOT_ROOMS else "room"


def _house_imports(path: str) -> set[str]:
    return {f for f in imports(ROOT / path) if (ROOT / f).stat().st_size}


def _outside_imports(path: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_there_is_a_house():
    assert len(SOURCES) > 60
    assert {"pose", "matting", "background", "crop", "face", "appearance", "refine", "motion", "evaluation"} <= set(ROOMS)


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) in ("floor", "networks", "artifacts")])
def test_floor_networks_and_artifacts_never_look_up(path):
    allowed = {"floor": {"floor"}, "networks": {"floor", "networks"}, "artifacts": {"floor", "artifacts"}}[_kind(path)]
    upward = {f for f in _house_imports(path) if _kind(f) not in allowed}
    assert not upward


def _storey(path: str) -> int:
    """How high a floor module stands: 0 for what lies loose, then FLOOR in turn."""
    folder = path.split("/")[1]
    return 1 + FLOOR.index(folder) if folder in FLOOR else 0


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) == "floor"])
def test_the_floor_looks_down_only(path):
    assert not {f for f in _house_imports(path) if _storey(f) > _storey(path)}


def test_nothing_else_lies_loose():
    assert {Path(p).stem for p in SOURCES if p.count("/") == 1 and p.startswith("pipeline/")} == LOOSE


def test_no_stage_imports_inspect():
    assert not [p for p in SOURCES if _kind(p) == "door" and any(f.startswith("pipeline/inspect/") for f in _house_imports(p))]


def test_the_command_looks_into_every_room_and_none_at_it():
    others = [p for p in SOURCES if not p.startswith(f"pipeline/{COMMAND}/")]
    assert not [p for p in others if f"pipeline.{COMMAND}" in (ROOT / p).read_text()]


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) == "room"])
def test_no_room_imports_another(path):
    room = path.split("/")[1]
    if room == COMMAND:
        assert not {f for f in _house_imports(path) if _kind(f) == "door"}
        return
    assert not {f for f in _house_imports(path) if _kind(f) == "door" or (_kind(f) == "room" and f.split("/")[1] != room)}


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) == "door" and p != "stages/__init__.py"])
def test_a_door_opens_one_room(path):
    rooms = {f.split("/")[1] for f in _house_imports(path) if _kind(f) == "room"}
    assert len(rooms) == 1
    assert not {f for f in _house_imports(path) if _kind(f) == "door"}
    assert len((ROOT / path).read_text().splitlines()) <= 80


WHOLE = {"stages/report.py", "stages/sign.py"}  # what they read is a folder of everything, and finished files


def unopened(source: str) -> list[str]:
    """Paths that a door is given to read and hands to something else than what opens them, or its Inputs."""
    tree = ast.parse(source)
    given = [k.value for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg in ("reads", "optional")]
    names = {str(key.value).replace("-", "_") for d in given if isinstance(d, ast.Dict) for key in d.keys if isinstance(key, ast.Constant)}
    found = []
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        called = ast.unparse(call.func)
        for argument in [*call.args, *(k.value for k in call.keywords)]:
            is_given = isinstance(argument, ast.Attribute) and ast.unparse(argument.value) == "args" and argument.attr in names
            if is_given and not re.fullmatch(r"(open|read|load)_\w+|\w*Inputs|Sources|Subject|_seen_again", called):
                found.append(f"{called}({ast.unparse(argument)})")
    return found


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) == "door" and p not in WHOLE and p != FIRST])
def test_a_door_opens_what_it_reads(path):
    assert unopened((ROOT / path).read_text()) == []


READS_NO_ARTIFACT = {"check_names", "extract_frames", "fetch_assets", "list_footage", "sign"}


def gathered(source: str) -> list[str]:
    """What a door calls its inputs: the kinds of which it makes one and gives it the name `inputs`."""
    assigned = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "inputs"]
    return [ast.unparse(n.value.func) for n in assigned if isinstance(n.value, ast.Call)]


@pytest.mark.parametrize("path", [p for p in SOURCES if _kind(p) == "door" and p != FIRST and Path(p).stem not in READS_NO_ARTIFACT])
def test_a_door_has_one_inputs(path):
    found = gathered((ROOT / path).read_text())
    assert len(found) == 1
    assert found[0].endswith("Inputs")


def test_inputs_by_another_name_are_noticed():
    assert gathered("inputs = Inputs(1)\nif a:\n    inputs = MoreInputs(2)\nothers = Inputs(3)") == ["Inputs", "MoreInputs"]


def test_a_path_handed_on_is_noticed():
    door = 'door_parser("x", reads={"frames": "", "face-crops": ""}, writes={})\nopen_frames(args.frames)\ncrop(args.face_crops, args.out)'
    assert unopened(door) == ["crop(args.face_crops)"]


@pytest.mark.parametrize("path", SOURCES)
def test_stores_and_foreign_models_have_their_places(path):
    outside = _outside_imports(path)
    if _kind(path) != "artifacts" and path != "pipeline/inspect/look.py":
        assert not outside & {"zarr", "pyarrow"}
    if _kind(path) != "networks" and "/backends/" not in path and "/refiners/" not in path:
        assert not outside & MODEL_PACKAGES


@pytest.mark.parametrize("path", SOURCES)
def test_imports_are_absolute_and_packages_are_empty(path):
    tree = ast.parse((ROOT / path).read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
    adapter = re.search(r"/(backends|refiners)/\w+/__init__\.py$", path)
    if path == FIRST:
        first = ["from pipeline import installed, interrupts", "interrupts.hold()", "installed.require()"]
        assert [ast.unparse(n) for n in tree.body[1:]] == [*first, "from pipeline import leash, record", "leash.hold()", "record.begin()"]
    elif path.endswith("__init__.py") and not adapter:
        assert not tree.body
    if adapter:
        public = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
        assert public == ["load"]


@pytest.mark.parametrize("path", [p for p in SOURCES if p != FIRST])
def test_nothing_happens_on_import(path):
    calls = [
        n for n in ast.parse((ROOT / path).read_text()).body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)
    ]
    assert not calls


@pytest.mark.parametrize("path", SOURCES)
def test_files_stay_small(path):
    assert len((ROOT / path).read_text().splitlines()) <= 330


def test_every_module_says_what_it_is():
    silent = [p for p in SOURCES if (ROOT / p).stat().st_size and not ast.get_docstring(ast.parse((ROOT / p).read_text()))]
    assert not silent


def test_drawing_is_no_part_of_training_nor_training_of_drawing():
    """An edit of a renderer trains nothing, and one of a system in training draws nothing."""
    trains, draws = (closure_of(f"stages/{door}.py", ROOT) for door in ("train_appearance", "generate_foreground"))
    systems, renderers = ({p for p in SOURCES if p.startswith(f"pipeline/appearance/{folder}/")} for folder in ("systems", "renderers"))
    assert systems <= trains
    assert renderers <= draws
    assert not {p for p in systems & draws | renderers & trains if (ROOT / p).stat().st_size}


def test_one_place_chooses_the_system_that_trains_and_one_that_draws():
    """A system's name is written down where it is legal, where it is chosen, and nowhere else."""
    named = set()
    for path in (p for p in SOURCES if p.startswith("pipeline/appearance/")):
        tree = ast.parse((ROOT / path).read_text())
        if any(isinstance(node, ast.Constant) and node.value == "fakevideo" for node in ast.walk(tree)):
            named.add(path.removeprefix("pipeline/appearance/"))
    assert named == {"params.py", "systems/chosen.py", "renderers/chosen.py"}


def test_no_params_model_has_defaults():
    for path in SOURCES:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Section" for b in node.bases):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and field.value is not None:
                        source = ast.unparse(field.value)
                        assert "default" not in source, f"{path}: {node.name}.{ast.unparse(field.target)}"
                        assert source.startswith("Field("), f"{path}: {node.name}.{ast.unparse(field.target)}"
