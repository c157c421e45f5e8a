"""No module needs what only Unix has: each imports where `fcntl`, `resource` and their kind do not exist."""

import ast
import os
import subprocess
import sys

import pytest

from pipeline import door
from pipeline.imports import ROOT

UNIX = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix"}
SOURCES = sorted(p.relative_to(ROOT) for folder in ("pipeline", "stages") for p in (ROOT / folder).rglob("*.py"))
IMPORT_ALL = """
import importlib, sys
foreign = ["torch", "torchvision", "torch.distributed", "torch.multiprocessing.spawn", "zarr", "zarr.storage", "cv2", "av", "pandas",
           "pyarrow.parquet", "scipy", "skimage.metrics", "ot", "safetensors.torch", "filelock", "psutil", "ruamel.yaml", "pydantic",
           "asyncio", "multiprocessing.spawn", "subprocess", "tempfile"]
for name in foreign:
    importlib.import_module(name)
for name in sys.argv[1].split(","):
    sys.modules[name] = None
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""


def unguarded(text: str) -> set[str]:
    """Modules of Unix alone that a source imports without a plan for their absence."""
    tree = ast.parse(text)
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    tries = [node for node in tries if any(h.type and "ImportError" in ast.unparse(h.type) for h in node.handlers)]
    planned = {id(inner) for node in tries for statement in node.body for inner in ast.walk(statement)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) not in planned and isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found |= UNIX & {name.split(".")[0] for name in names}
    return found


def test_no_source_imports_what_only_unix_has():
    assert len(SOURCES) > 100
    assert {str(path): found for path in SOURCES if (found := unguarded((ROOT / path).read_text()))} == {}


def test_such_an_import_is_noticed():
    assert unguarded("def f():\n    import fcntl\nfrom resource import getrusage\nimport os.path") == {"fcntl", "resource"}
    assert unguarded("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n") == set()
    assert unguarded("try:\n    import fcntl\nexcept OSError:\n    pass\n") == {"fcntl"}


@pytest.mark.slow
def test_every_module_imports_without_them():
    """In a process of its own; what other packages do with such modules they have done before these are hidden."""
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in SOURCES if path.name != "__main__.py"]
    env = {**{k: v for k, v in os.environ.items() if k != "DVC_STAGE"}, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(sorted(UNIX - {"posix"}))],
        input="\n".join(names), env=env, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


@pytest.mark.parametrize("hidden", [False, True])
def test_peak_memory_is_told_with_and_without_resource(hidden, monkeypatch):
    if hidden:
        monkeypatch.setitem(sys.modules, "resource", None)
    before = door._peak_memory_mb()
    held = bytearray(os.urandom(1000)) * 100_000
    after = door._peak_memory_mb()
    assert 20 < before <= after < 1e6
    assert after >= len(held) / 2**20
    if not hidden and sys.platform.startswith("linux"):
        with open("/proc/self/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert after >= peak / 1024 - 1
