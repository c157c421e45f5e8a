"""A queued experiment whose processes are all killed in training: queued again, it goes on, and ends with the same weights."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from walking import Project, built, environment

pytestmark = pytest.mark.slow
PATIENCE_S = 900.0
STEPS = 16
SETTINGS = {"appearance.steps": STEPS, "appearance.checkpoint_s": 0, "appearance.seed": 5, "refine.seed": 5}
LIST = f"""\
question: Does it go on?
target: ann
stage: train_appearance@{{target}}
base: {{appearance.steps: {STEPS}, appearance.checkpoint_s: 0}}
seeds: [5]
metrics: [psnr]
reference: all
baselines: []
rows: {{all: {{doc: all}}}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A committed project after its first run, with a list of one experiment."""
    made = built(tmp_path_factory.getbasetemp()).copy(tmp_path_factory.mktemp("experiments") / "p")
    (made.folder / "pipeline" / "experiments" / "toy.yaml").write_text(LIST)
    for command in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=made.folder, check=True, env=environment())
    for key, value in (("user.name", "a"), ("user.email", "a@b")):
        subprocess.run(["git", "config", key, value], cwd=made.folder, check=True, env=environment())
    return made


@pytest.fixture(scope="module")
def undisturbed(project, tmp_path_factory) -> bytes:
    """Weights of the same training by a plain `dvc repro` that nobody disturbs."""
    other = project.copy(tmp_path_factory.mktemp("undisturbed") / "p")
    other.set(**{key.replace(".", "__"): value for key, value in SETTINGS.items()})
    assert other.repro("-s", "train_appearance@ann") == ["train_appearance@ann"]
    return (other.folder / "data/models/ann-appearance.safetensors").read_bytes()


def test_a_killed_experiment_goes_on_and_ends_alike(project, undisturbed):
    queued = said(project, "queue", "toy")
    assert "0 of 1 done, 1 queued now" in queued
    start_worker(project)
    checkpoints = project.folder / ".scratch" / "train_appearance"
    assert until(lambda: list(checkpoints.glob("*/checkpoint.pt"))), "no checkpoint in the project that it was queued from"
    for process in processes(project):
        os.kill(process, signal.SIGKILL)
    assert until(lambda: not processes(project)), "a process outlived its parents"
    assert list(checkpoints.glob("*/checkpoint.pt")), "the training ended before the blow: more STEPS"

    assert "1 running without a worker" in said(project, "queue", "toy")
    assert "0 of 1 done, 0 queued now" in said(project, "queue", "toy")
    start_worker(project)
    assert until(lambda: finished(project)), project.dvc("queue", "status").stdout
    assert "1 of 1 done, 0 queued now" in said(project, "queue", "toy")
    assert until(lambda: not processes(project))

    lock = YAML(typ="safe").load(git(project, "show", f"{finished(project)}:dvc.lock"))["stages"]["train_appearance@ann"]
    digest = next(out["md5"] for out in lock["outs"] if out["path"].endswith("-appearance.safetensors"))
    assert (project.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).read_bytes() == undisturbed
    assert steps_after_the_kill(project) < STEPS
    assert not list(checkpoints.glob("*"))
    assert git(project, "diff", "HEAD", "--stat") == ""


def finished(project: Project) -> str:
    """The ref of the finished experiment, empty before."""
    return git(project, "for-each-ref", "--format=%(refname)", "refs/exps/*/*/toy-all-s5-*").strip()


def start_worker(project: Project) -> None:
    """Start the queue's worker; its output goes to a file, since it would hold a pipe open for as long as it lives."""
    assert project.start("queue", "start").wait(PATIENCE_S) == 0


def said(project: Project, *arguments: str) -> str:
    """What `python -m pipeline.experiments` prints in the project."""
    command = [sys.executable, "-m", "pipeline.experiments", *arguments]
    done = subprocess.run(command, cwd=project.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps_after_the_kill(project: Project) -> int:
    """Steps that the last run trained, by its own last line."""
    name = finished(project).rsplit("/", 1)[1]
    return int(re.findall(r"train_appearance: (\d+)/\1 steps", project.dvc("queue", "logs", name).stdout)[-1])


def git(project: Project, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project.folder, check=True, capture_output=True, text=True).stdout


def processes(project: Project) -> list[int]:
    """Everything that works for the project: worker, experiment, stage."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            inside = entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(project.folder.resolve())
            if inside and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
                found.append(int(entry.name))
        except OSError:  # it ended while we looked
            continue
    return found


def until(look: Callable[[], object]) -> object:
    """Ask again and again until something true comes; None when patience ends."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    return None
