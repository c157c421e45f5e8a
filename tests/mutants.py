"""Do the fast tests notice a fault? Each of planted/ is put into a copy of the sources, one at a time, and its tests are run there.

By hand, from the project's root: python tests/mutants.py [--only WORD] [--limit-s 300]. The sources themselves are never edited. Says of
each fault whether it was noticed, and ends with 1 when more than --allowed went unnoticed.
"""

import argparse
import importlib
import json
import os
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from planted import FAULTS, Fault

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("pipeline", "stages", "tests", "params.yaml", "dvc.yaml", "pyproject.toml")
UNCHANGED = "the unchanged sources"
TIMES = "times.json"
HEAVY = ("torch", "torchvision", "cv2", "av", "zarr", "pyarrow.parquet", "pandas", "scipy.optimize", "pydantic", "skimage")
PATIENCE = 10  # times as long as its limit of CPU time may a run take: other programs may be running
TAIL = 15  # lines of a run's output that are shown when it failed though nothing was planted


def copy_sources(root: Path, to: Path, copy: Callable[[str, str], object] = shutil.copy2) -> None:
    """Copy what the fast tests read, compiled modules included: times are kept, so that these stay valid. copy: os.link is quicker."""
    to.mkdir(parents=True)
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, copy_function=copy)
        else:
            copy(str(root / name), str(to / name))


def plant(fault: Fault, folder: Path) -> None:
    """Put a fault into a copy, whose file may be a link; ValueError where its text does not occur exactly once: sources have moved on."""
    path = folder / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        found = text.count(fault.old)
        raise ValueError(f"{fault.name}: {fault.old!r} must occur once in {fault.file}, found {found} times: see tests/planted")
    path.unlink()
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


class FastestFirst:
    """A plugin of pytest: modules, and the tests of each, in the order of what they took before; notes in a file what they take."""

    def __init__(self, path: Path) -> None:
        self.path, self.taken = path, dict[str, float]()
        self.known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Modules stay whole, or what their tests share would be made again and again."""
        modules: dict[Path, float] = {}
        for item in items:
            modules[item.path] = modules.get(item.path, 0) + self.known.get(item.nodeid, 0)
        items.sort(key=lambda item: (modules[item.path], item.path, self.known.get(item.nodeid, 0)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What a test's fixtures take is its own where it is the first that asks for them."""
        self.taken[report.nodeid] = self.taken.get(report.nodeid, 0) + report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Only what all of them took says which are the fastest."""
        if exitstatus == 0:
            self.path.write_text(json.dumps({**self.known, **self.taken}), encoding="utf-8")


def run_tests(folder: Path, tests: str, limit_s: float) -> tuple[int | None, str]:
    """Exit code of pytest in a copy, None where it took longer than limit_s of CPU time, and what it printed.

    In a fork of this process, which has imported what takes seconds to import and nothing of the sources.
    """
    said = folder.with_suffix(".log")
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s) + 5))
        _become_pytest(folder, tests, said)
    deadline = time.monotonic() + PATIENCE * limit_s
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGXCPU else code, said.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, ""


def _become_pytest(folder: Path, tests: str, said: Path) -> NoReturn:
    """Run tests of a copy as this process, its output in a file; ends with pytest's exit code."""
    os.setpgid(0, 0)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() not in (ROOT, ROOT / "tests"))]
    for name in [name for name, module in sys.modules.items() if str(getattr(module, "__file__", None)).startswith(str(ROOT / "tests"))]:
        del sys.modules[name]
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)], [FastestFirst(folder.parent / TIMES)])
    sys.stdout.flush()
    os._exit(int(code))


def noticed_by(output: str) -> str:
    """The first failed test that pytest's output names."""
    return next((line.split()[1] for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))), "?")


def try_faults(faults: list[Fault], limit_s: float) -> list[str]:
    """Names of the faults that no test noticed; SystemExit when tests fail, or take too long, where nothing is planted."""
    survivors, passing = [], set()
    for name in HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        clean = Path(place) / "clean"
        copy_sources(ROOT, clean)
        for number, fault in enumerate(faults):
            if fault.tests not in passing:
                code, output = run_tests(clean, fault.tests, limit_s)
                if code != 0:
                    said = "\n".join(output.splitlines()[-TAIL:]) if code is not None else f"they took longer than {limit_s:g} s"
                    raise SystemExit(f"{fault.tests} must pass on {UNCHANGED}:\n{said}")
                passing.add(fault.tests)
            folder = Path(place) / str(number)
            copy_sources(clean, folder, os.link)
            plant(fault, folder)
            started = time.monotonic()
            code, output = run_tests(folder, fault.tests, limit_s)
            shutil.rmtree(folder)
            if code in (1, 2):  # a test failed, or could not be collected
                said = f"noticed by {noticed_by(output)}"
            else:
                survivors.append(fault.name)
                why = {0: "", None: ": no test failed within the limit"}.get(code, f": pytest ended with {code}")
                said = f"SURVIVED{why}"
            print(f"{number + 1}/{len(faults)} {time.monotonic() - started:.0f} s {fault.name}: {said}", flush=True)
    return survivors


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose name or file contains this")
    parser.add_argument("--limit-s", type=float, default=300, help="seconds of CPU time that a fault's tests may take")
    parser.add_argument("--allowed", type=int, default=5, help="faults that may go unnoticed")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in f"{fault.name} {fault.file}"]
    if not faults:
        parser.error(f"no fault has {options.only!r} in its name or file")
    survivors = try_faults(faults, options.limit_s)
    print(f"{len(faults) - len(survivors)} of {len(faults)} noticed")
    for name in survivors:
        print(f"not noticed: {name}")
    return int(len(survivors) > options.allowed)


if __name__ == "__main__":
    sys.exit(main())
