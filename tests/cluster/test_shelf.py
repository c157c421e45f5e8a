"""A project of small stages by real workers: a worker killed in the middle, a stage that fails, Ctrl-C, a second run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spreading import Spread, commit, processes, works_at
from walking import ROOT, environment

from pipeline.cluster.entries import read_entries, write_entries

pytestmark = pytest.mark.slow
STAGE = '''"""Counts to three, with a checkpoint of each count; waits after the first where a file says so."""
import os, sys, time
from pathlib import Path

name, out, *needs = sys.argv[1:]
text = "".join(Path(path).read_text() for path in needs)
if name == Path("broken.txt").read_text().strip():
    sys.exit("error: the clip must have frames, found none")
checkpoint = Path(".scratch") / name
count = int(checkpoint.read_text()) if checkpoint.exists() else 0
print(f"{name}: from {count}", flush=True)
while count < 3:
    count += 1
    checkpoint.write_text(str(count))
    while count == 1 and (Path(".scratch") / f"hold-{name}").exists():
        time.sleep(0.05)
Path(out).parent.mkdir(parents=True, exist_ok=True)
Path(out).write_text(f"{text}{name} {count}\\n")
checkpoint.unlink()
'''
PLAN = """\
stages:
  check_names: {cmd: python -m stages.check_names names data/names.ok, deps: [stages], outs: [data/names.ok]}
  frames:
    foreach: [a, b]
    do:
      cmd: python -m stages.extract_frames frames-${item} data/${item}.txt data/names.ok
      deps: [stages, data/names.ok]
      outs: ["data/${item}.txt"]
  train:
    cmd: python -m stages.train_appearance train data/model.txt data/a.txt
    deps: [stages, broken.txt, data/a.txt]
    outs: [data/model.txt]
  score:
    cmd: python -m stages.evaluate score scores.json data/model.txt data/b.txt
    deps: [data/model.txt, data/b.txt]
    metrics: [{scores.json: {cache: false}}]
  report:
    cmd: python -m stages.report report data/report.txt scores.json data/b.txt
    deps: [scores.json, data/b.txt]
    outs: [data/report.txt]
"""
SPREAD = """
import sys
from pathlib import Path
from pipeline.cluster.clusters import Choice
from pipeline.cluster.run import spread_project
from pipeline.door import run_door

def main():
    project = Path.cwd()
    sys.exit(0 if spread_project(project, [], Choice(None, False, 2), project / ".scratch") else 1)

if __name__ == "__main__":
    run_door(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose training fails."""
    return make_shelf(tmp_path_factory.mktemp("shelf"), SPREAD, broken="train")


def make_shelf(base: Path, script: str, broken: str) -> Path:
    """A committed project with a remote, whose stages count; broken: the one that fails."""
    folder = base / "p"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "stages").mkdir()
    (folder / "stages/__init__.py").write_text("from pipeline import leash\n\nleash.hold()\n")
    for door in ("check_names", "extract_frames", "train_appearance", "evaluate", "report"):
        (folder / f"stages/{door}.py").write_text(STAGE)
    texts = {"dvc.yaml": PLAN, "broken.txt": f"{broken}\n", "spread.py": script, ".gitignore": "/data/\n.scratch/\n*.pyc\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / ".dvcignore").write_text((ROOT / ".dvcignore").read_text())
    (folder / ".scratch").mkdir()
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True, env=environment(), capture_output=True)
    config = (ROOT / ".dvc/config").read_text().replace("[core]\n", "[core]\n    remote = store\n", 1)
    (folder / ".dvc/config").write_text(f"{config}['remote \"store\"']\n    url = {folder.parent / 'store'}\n")
    commit(folder)
    return folder


def nothing_is_left(folder: Path) -> bool:
    """Whether no process and no clone of a spread is there, soon."""
    end = time.monotonic() + 30
    while (processes(folder) or list(folder.glob(".scratch/spread"))) and time.monotonic() < end:
        time.sleep(0.1)
    return not processes(folder) and not list(folder.glob(".scratch/spread"))


def dvc(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout


def test_a_failed_stage_stops_those_alone_that_wait_for_it(project):
    spread = Spread(project, "spread.py")
    assert spread.ends() == 1
    assert set(read_entries(project)) == {"check_names", "frames@a", "frames@b"}
    assert "error: train: the clip must have frames, found none. Its last lines: .scratch/errors/train-" in spread.said()
    assert "Traceback" not in spread.said()
    assert (project / "data/b.txt").read_text() == "names 3\nframes-b 3\n"
    assert nothing_is_left(project)
    (project / "broken.txt").write_text("nobody\n")
    commit(project)


def test_ctrl_c_leaves_nothing_behind_but_checkpoints(project):
    (project / ".scratch/hold-train").touch()
    spread = Spread(project, "spread.py")
    spread.until((project / ".scratch/train").exists)
    os.killpg(spread.process.pid, signal.SIGINT)
    assert spread.ends() == 130, spread.said()
    assert spread.said().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in spread.said()
    assert nothing_is_left(project)
    assert (project / ".scratch/train").read_text() == "1"


def test_the_stage_of_a_killed_worker_goes_on_from_its_checkpoint_on_another(project):
    spread = Spread(project, "spread.py")
    spread.until(lambda: "train: from 1" in spread.said() or [p for p in processes(project) if works_at(p, "stages.train_appearance")])
    stage = next(p for p in processes(project) if works_at(p, "stages.train_appearance"))
    worker = next(p for p in stage.parents() if works_at(p, "pipeline.cluster.stage")).parent()
    assert worker is not None
    worker.kill()
    spread.until(lambda: not stage.is_running())
    (project / ".scratch/hold-train").unlink()
    assert spread.ends() == 0, spread.said()
    said = spread.said()
    assert "frames@a: begun" not in said
    assert said.count("train: begun ") == 2
    assert "train: begun again on " in said
    assert (project / "data/model.txt").read_text() == "names 3\nframes-a 3\ntrain 3\n"
    assert (project / "data/report.txt").read_text().endswith("score 3\nnames 3\nframes-b 3\nreport 3\n")
    assert nothing_is_left(project)


def test_afterwards_dvc_has_nothing_to_do_nor_has_a_colleague(project):
    assert "up to date" in dvc(project, "status")
    assert "Running" not in dvc(project, "repro")
    commit(project)
    theirs = project.parent / "theirs"
    subprocess.run(["git", "clone", "-q", str(project), str(theirs)], check=True, env=environment())
    dvc(theirs, "pull")
    assert "up to date" in dvc(theirs, "status")
    assert len(list((project.parent / "store/runs").glob("*/*/*"))) == 3  # of train and frames; scores are not cached


def test_what_ran_once_for_the_same_is_taken_from_the_remote(project):
    """dvc.lock forgets a stage: a worker, which knows nothing but the remote, finds its run there; nothing else is asked."""
    entries = read_entries(project)
    write_entries(project, {name: entry for name, entry in entries.items() if name != "train"}, keep=False)
    commit(project)
    spread = Spread(project, "spread.py")
    assert spread.ends() == 0, spread.said()
    assert "train: done" in spread.said()
    assert "train: from" not in spread.said()
    assert "frames@a: begun" not in spread.said()
    assert read_entries(project) == entries
