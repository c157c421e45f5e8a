"""What a worker does for a job: a clone of its own for each job at a time, clean but for DVC's cache; and how it ends."""

import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import psutil
import pytest
from walking import ROOT

from pipeline.cluster.entries import Done
from pipeline.cluster.work import PREFIX, StageError, failure_of, in_clone, run_in_process, stop

NOTHING = Done({}, {})


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository of two commits."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    for text in ("first", "second"):
        (folder / "code.py").write_text(text)
        (folder / ".gitignore").write_text("/data/\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", text)
    return folder


@pytest.fixture
def job(repository, tmp_path) -> dict[str, Any]:
    (tmp_path / "scratch").mkdir()
    first = git(repository, "rev-parse", "HEAD~1").strip()
    return {"run": "r1", "address": "s@a", "repository": str(repository), "commit": first, "scratch": str(tmp_path / "scratch")}


def test_a_job_runs_in_a_clone_of_its_commit_with_the_shared_scratch(job, tmp_path):
    told = []

    def run(clone: Path, given: dict[str, Any], tell) -> Done:
        assert given is job
        assert (clone / "code.py").read_text() == "first"
        (clone / ".scratch" / "checkpoint").write_text("kept")
        tell("a line")
        return Done({"cmd": "x"}, {})

    assert in_clone(tmp_path / "w", job, run, told.append) == Done({"cmd": "x"}, {})
    assert told == ["a line"]
    assert (tmp_path / "scratch" / "checkpoint").read_text() == "kept"


def test_the_next_job_finds_the_cache_and_nothing_else(job, repository, tmp_path):
    clones = []

    def messy(clone: Path, *_) -> Done:
        clones.append(clone)
        for name in ("data/frames/a", ".dvc/cache/files/x", "data.ok"):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_text("left")
        (clone / "code.py").write_text("edited")
        return NOTHING

    def look(clone: Path, *_) -> Done:
        clones.append(clone)
        assert (clone / "code.py").read_text() == "second"
        assert sorted(p.name for p in clone.iterdir()) == [".dvc", ".git", ".gitignore", ".scratch", "code.py"]
        assert (clone / ".dvc/cache/files/x").read_text() == "left"
        return NOTHING

    in_clone(tmp_path / "w", job, messy, print)
    (tmp_path / "scratch" / "checkpoint").write_text("kept")
    in_clone(tmp_path / "w", {**job, "commit": git(repository, "rev-parse", "HEAD").strip()}, look, print)
    assert clones[0] == clones[1]
    assert (tmp_path / "scratch" / "checkpoint").exists()


def test_jobs_at_the_same_time_have_clones_of_their_own_and_free_them(job, tmp_path):
    clones = []

    def inner(clone: Path, *_) -> Done:
        clones.append(clone)
        raise StageError("broken", "")

    def outer(clone: Path, *_) -> Done:
        clones.append(clone)
        with pytest.raises(StageError):
            in_clone(tmp_path / "w", job, inner, print)
        return NOTHING

    in_clone(tmp_path / "w", job, outer, print)
    assert clones[0] != clones[1]
    with pytest.raises(StageError):
        in_clone(tmp_path / "w", job, inner, print)
    assert clones[2] == clones[0]


def test_a_commit_that_is_not_there_is_told(job, tmp_path):
    with pytest.raises(StageError) as told:
        in_clone(tmp_path / "w", {**job, "commit": "0" * 40}, lambda *_: NOTHING, print)
    assert told.value.line.startswith("git -C: ") or "0000" in told.value.line


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (["Running", "error: a clip must have frames", "error: failed to reproduce"], "a clip must have frames"),
        (["Running", "Traceback", "ValueError: x", ""], "ValueError: x"),
        ([], "it ended without a word"),
    ],
)
def test_why_a_stage_failed(log, line):
    assert failure_of(deque(log)) == line


CHILD = """
import json, sys, time
path = sys.argv[1]
job = json.load(open(path))
print("begun", flush=True)
if job["address"] == "bad":
    print("error: it must be good, found bad", flush=True)
    sys.exit(1)
if job["address"] == "long":
    time.sleep(600)
json.dump({"entry": {"cmd": job["address"]}, "files": {}}, open(path, "w"))
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """A clone whose stage.py does as it is told."""
    clone = tmp_path / f"{PREFIX}r1-0" / "project"
    (clone / ".dvc").mkdir(parents=True)
    (clone / "pipeline/cluster").mkdir(parents=True)
    (clone / "pipeline/cluster/stage.py").write_text(CHILD)
    for package in ("pipeline", "pipeline/cluster"):
        (clone / package / "__init__.py").touch()
    return clone


def test_the_clones_own_code_runs_and_hands_its_entry_back(clone):
    assert run_in_process(clone, {"address": "good"}, print) == Done({"cmd": "good"}, {})


def test_a_failure_is_told_with_its_last_lines(clone):
    with pytest.raises(StageError) as told:
        run_in_process(clone, {"address": "bad"}, print)
    assert told.value.line == "it must be good, found bad"
    assert told.value.log == "begun\nerror: it must be good, found bad"


def test_stopping_ends_the_process_and_removes_the_clones_of_that_run(clone):
    folder = clone.parent.parent
    (folder / f"{PREFIX}r2-0").mkdir()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=clone)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=folder)
    try:
        (folder / f"{PREFIX}r1-1").mkdir()
        (folder / f"{PREFIX}r1-1" / "pid").write_text(str(stranger.pid))  # a number that another process has by now
        (clone.parent / "pid").write_text(str(process.pid))
        stop(folder, "r1")
        assert process.wait(timeout=20) != 0
        assert stranger.poll() is None
        assert [path.name for path in folder.iterdir()] == [f"{PREFIX}r2-0"]
    finally:
        process.kill()
        stranger.kill()


def test_the_process_of_a_stage_ends_with_its_worker(tmp_path):
    """stage.py's own watch, in a process whose parent is killed."""
    begin = "import os, sys, time; from pipeline.cluster.stage import _end_with; _end_with(os.getppid()); "
    child = begin + "print('up', flush=True); time.sleep(600)"
    worker = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    parent = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    (stage,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    stage.wait(timeout=20)
    assert not stage.is_running()
