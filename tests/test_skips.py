"""Where skips are not allowed they fail, however a test skips; .ci/run allows none, and stops at the first command that fails."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".ci/run"
TESTS = """
import pytest

@pytest.fixture
def wanting():
    pytest.skip("no oracle here")

@pytest.mark.skipif(True, reason="no weights here")
def test_mark(): pass

def test_call(): pytest.skip("no network here")

def test_fixture(wanting): pass

def test_import(): pytest.importorskip("no_such_package")

def test_allowed(): pytest.skip("the package detectron2 is not installed")

@pytest.mark.xfail(reason="known")
def test_expected(): assert False

def test_passes(): pass
"""


@pytest.mark.parametrize(
    ("value", "counts"), [("1", "2 failed, 1 passed, 1 skipped, 1 xfailed, 3 errors"), ("0", "1 passed, 6 skipped, 1 xfailed")]
)
def test_a_skip_is_a_failure_where_it_is_not_allowed(tmp_path, value, counts):
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text('import pytest\npytest.skip("no folder here", allow_module_level=True)\n')
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", str(tmp_path)]
    environment = {**os.environ, "MOTION_COPY_NO_SKIPS": value}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1].startswith(counts)
    assert done.returncode == int(value)
    assert ("must run where MOTION_COPY_NO_SKIPS=1, but: Skipped: no weights here" in done.stdout) == (value == "1")


def test_ci_sets_what_turns_skips_into_failures_before_any_test():
    lines = RUN.read_text().splitlines()
    first_test = next(i for i, line in enumerate(lines) if line.startswith("pytest"))
    assert "set -euo pipefail" in lines[:first_test]
    assert any(line.startswith("export MOTION_COPY_NO_SKIPS=1") for line in lines[:first_test])
    assert any(line.startswith("export MOTION_COPY_ORACLES=") for line in lines[:first_test])
    assert RUN.stat().st_mode & stat.S_IXUSR


def test_ci_ends_with_its_first_failing_command(tmp_path):
    """Run with commands that do nothing but one that fails, each in turn: whatever fails, CI fails, and what follows is not run."""
    folder, oracles, bin_ = tmp_path / "project", tmp_path / "oracles", tmp_path / "bin"
    (folder / ".ci").mkdir(parents=True)
    (folder / ".ci/run").write_text(RUN.read_text())
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text("")
    for made in (oracles, bin_):
        made.mkdir()
    for name in ("chromium", "pip", "python", "ruff", "pyright", "pytest"):
        (bin_ / name).write_text('#!/bin/sh\necho "${0##*/} $*" >> log\n[ "${0##*/} $*" != "$FAILS" ]\n')
        (bin_ / name).chmod(0o755)

    def ran(fails: str, given: Path = oracles) -> tuple[int, list[str]]:
        log = folder / "log"
        log.unlink(missing_ok=True)
        environment = {"PATH": f"{bin_}:/usr/bin:/bin", "FAILS": fails, "MOTION_COPY_ORACLES": str(given)}
        done = subprocess.run(["bash", str(folder / ".ci/run")], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, log.read_text().splitlines() if log.exists() else []

    assert ran("nothing") == (1, [])  # the folder of oracles is empty
    (oracles / "metrics_golden.npz").write_bytes(b"")
    code, every = ran("nothing")
    assert code == 0
    names = [line.split(" ")[0] for line in every]
    assert names == ["pip", "python", "ruff", "pyright", "pytest", "pytest", "pytest"]
    for number, command in enumerate(every[:4], start=1):
        assert ran(command) == (1, every[:number])
    for command in every[4:]:  # the last three in any order: one runs beside the others
        code, done = ran(command)
        assert code == 1, command
        assert any("--ignore" in line for line in done) == (command != "pytest "), "the slow tests wait for the fast ones"


def test_ci_runs_every_slow_test_once_and_builds_the_drawn_project_in_one_process():
    projects = re.search(r"^projects=\((.*)\)$", RUN.read_text(), re.M)
    assert projects is not None
    named = set(projects[1].split())
    tests = ROOT.rglob("tests/**/test_*.py")
    build = {path.relative_to(ROOT).as_posix() for path in tests if re.search(r"^from walking import .*\bbuilt\b", path.read_text(), re.M)}
    assert named == build | {"tests/test_front_page.py"}
    assert 'pytest -m slow "${projects[@]}"' in RUN.read_text()
    assert 'pytest -m slow "${projects[@]/#/--ignore=}"' in RUN.read_text()
