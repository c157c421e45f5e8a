"""How doors start: nobody waits for a library that takes long to import, unless the door cannot do without."""

import ast
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.door import run_door
from pipeline.imports import ROOT

SLOW = {"torch", "torchvision", "scipy", "skimage", "pandas", "h5py", "ai_edge_litert", "ot", "torch_fidelity", "dvc"}  # 0.2 s and more
LEARNERS = {"train_appearance", "train_refiner", "generate_foreground", "refine_regions"}
DOORS = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))


def imported_at_once(file: Path) -> set[str]:
    """Dotted names that a file imports before anything of it is called."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def started_with(door: str) -> dict[str, str]:
    """Every library that a door imports at its start, with the file that does so."""
    found: dict[str, str] = {}
    waiting, seen = [f"stages/{door}.py", "stages/__init__.py"], set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported_at_once(ROOT / file):
            path = name.replace(".", "/")
            own = [candidate for candidate in (f"{path}.py", f"{path}/__init__.py") if (ROOT / candidate).is_file()]
            waiting += own
            if not own and name.partition(".")[0] not in ("pipeline", "stages"):
                found.setdefault(name.partition(".")[0], file)
    return found


@pytest.mark.parametrize("door", DOORS)
def test_a_door_starts_without_what_takes_long(door):
    found = started_with(door)
    assert "numpy" in found or door in ("check_names", "fetch_assets", "sign", "report")
    assert {name: file for name, file in found.items() if name in SLOW - ({"torch"} if door in LEARNERS else set())} == {}


@pytest.mark.parametrize("door", sorted(LEARNERS))
def test_a_door_that_learns_is_seen_to_need_torch(door):
    assert "torch" in started_with(door)


@pytest.mark.parametrize(("started", "collected"), [("-m", False), ("-c", True)])
def test_garbage_waits_while_a_door_imports_and_nobody_elses_does(started, collected):
    said = f"import gc, sys; sys.argv[0] = {started!r}; import stages; print(gc.isenabled())"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{collected}\n"


def test_a_python_without_the_packages_is_told_in_one_line():
    """As where dvc is called by its path: `python` in a stage's command is then the system's."""
    done = subprocess.run([sys.executable, "-S", "-m", "stages.check_names"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {sys.executable} has not the packages of this project, ruamel is missing: activate")
    assert done.stderr.count("\n") == 1


def test_a_door_that_begins_collects_garbage():
    seen = []
    gc.disable()
    try:
        run_door(lambda: seen.append(gc.isenabled()))
    finally:
        gc.enable()
    assert seen == [True]
