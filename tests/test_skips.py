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


@pytest.fixture
def ci(tmp_path):
    """f(command that fails, folder of oracles) → exit code of .ci/run and what it ran, where all that it runs does nothing."""
    folder, bin_ = tmp_path / "project", tmp_path / "bin"
    (folder / ".ci").mkdir(parents=True)
    (folder / ".ci/run").write_text(RUN.read_text())
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text("")
    (tmp_path / "oracles").mkdir()
    (tmp_path / "oracles/metrics_golden.npz").write_bytes(b"")
    bin_.mkdir()
    for name in ("chromium", "pip", "python", "ruff", "pyright", "pytest"):
        (bin_ / name).write_text('#!/bin/sh\necho "${0##*/} $*" >> log\n[ "${0##*/} $*" != "$FAILS" ]\n')
        (bin_ / name).chmod(0o755)

    def ran(fails: str, given: Path = tmp_path / "oracles") -> tuple[int, list[str]]:
        log = folder / "log"
        log.unlink(missing_ok=True)
        environment = {"PATH": f"{bin_}:/usr/bin:/bin", "FAILS": fails, "MOTION_COPY_ORACLES": str(given)}
        done = subprocess.run(["bash", str(folder / ".ci/run")], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, log.read_text().splitlines() if log.exists() else []

    return ran


def test_ci_ends_with_its_first_failing_command(ci, tmp_path):
    """Whatever fails, each in turn, CI fails; before the tests what follows is not run, and among the slow ones all are run to the end."""
    assert ci("nothing", tmp_path / "bin") == (1, [])  # a folder without oracles
    code, every = ci("nothing")
    assert code == 0
    assert [line.split(" ")[0] for line in every[:3]] == ["pip", "python", "ruff"]
    for number, command in enumerate(every[:3], start=1):
        assert ci(command) == (1, every[:number])
    beside = sorted(every[3:])  # in any order: two lanes take them
    assert [line for line in beside if not line.startswith("pytest -m slow ")] == ["pyright ", "pytest "]
    for command in beside:
        code, done = ci(command)
        assert code == 1, command
        if command == "pyright ":
            assert "pytest " not in done
        elif command != "pytest ":
            assert sorted(done[3:]) == beside


def test_ci_runs_every_slow_test_once_and_builds_the_drawn_project_in_one_process(ci):
    slow = [line.removeprefix("pytest -m slow ").split(" ") for line in ci("nothing")[1] if line.startswith("pytest -m slow ")]
    (others,) = [part for part in slow if part[0].startswith("--ignore=")]
    named = [name for part in slow if part is not others for name in part]
    assert sorted(f"--ignore={name}" for name in named) == sorted(others)
    assert len(set(named)) == len(named)
    assert all((ROOT / name).exists() for name in named)
    tests = ROOT.rglob("tests/**/test_*.py")
    build = {path.relative_to(ROOT).as_posix() for path in tests if re.search(r"^from walking import .*\bbuilt\b", path.read_text(), re.M)}
    assert any(build <= set(part) for part in slow)
