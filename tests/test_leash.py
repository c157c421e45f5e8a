"""A stage ends with the dvc that started it, however early that dies; started by hand it lives on."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import leash

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if k != "DVC_STAGE"}, "PYTHONPATH": str(ROOT)}
STAGE = """
import os, time
from pathlib import Path
Path("pid.part").write_text(str(os.getpid()))
Path("pid.part").rename("started")
while not Path("go").exists():
    time.sleep(0.005)
import stages
Path("held").touch()
time.sleep(120)
"""
DVC = """
import json, os, subprocess
from pathlib import Path
holder = {"pid": os.getpid(), "cmd": "dvc repro"}
Path(".dvc/tmp").mkdir(parents=True)
Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {"out": holder}, "read": {"in": [holder]}}))
"""


class Started:
    """A stage-like process below a dvc-like one, with a shell between."""

    def __init__(self, folder: Path, between: str = "{}", under_dvc: bool = True) -> None:
        self.folder = folder
        (folder / "stage.py").write_text(STAGE)
        command = between.format(shlex.join([sys.executable, "stage.py"]))
        run = f"subprocess.run({command!r}, shell=True)"
        environment = {**ENVIRONMENT, **({"DVC_STAGE": "make@man"} if under_dvc else {})}
        self.dvc = subprocess.Popen([sys.executable, "-c", DVC + run], env=environment, cwd=folder, stderr=subprocess.DEVNULL)
        wait(lambda: (folder / "started").exists())
        self.stage = int((folder / "started").read_text())

    def go(self) -> None:
        (self.folder / "go").touch()

    def kill_dvc(self) -> None:
        self.dvc.kill()
        self.dvc.wait()

    def kill(self) -> None:
        self.kill_dvc()
        if lives(self.stage):
            os.kill(self.stage, 9)


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Started]]:
    running: list[Started] = []

    def start(**how) -> Started:
        running.append(Started(tmp_path, **how))
        return running[-1]

    yield start
    for each in running:
        each.kill()


SHELLS = pytest.mark.parametrize("between", ["{}", "exec {}", "{}; true"], ids=["a shell", "a shell's own process", "a shell that stays"])


@SHELLS
def test_a_stage_dies_with_dvc(between, start, tmp_path):
    run = start(between=between)
    run.go()
    wait(lambda: (tmp_path / "held").exists())
    assert lives(run.stage)
    run.kill_dvc()
    wait(lambda: not lives(run.stage))


@SHELLS
def test_a_dvc_that_dies_before_the_stage_looks_is_missed(between, start, tmp_path):
    run = start(between=between)
    run.kill_dvc()
    run.go()
    wait(lambda: not lives(run.stage))
    assert not (tmp_path / "held").exists()


def test_a_stage_started_by_hand_lives_on(start, tmp_path):
    run = start(between="nohup {} &", under_dvc=False)
    run.kill_dvc()
    run.go()
    wait(lambda: (tmp_path / "held").exists())
    time.sleep(3 * leash.WATCH_S)
    assert lives(run.stage)


def test_the_holders_of_dvcs_lock_are_its_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(leash, "WATCH_S", 0.0)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert leash._running_dvc(inner) is None
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    assert leash._running_dvc(inner) is None
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    for text in ('{"write": {"out"', '{"write": 3}'):  # half-written, and of some other version
        lock.write_text(text)
        assert leash._running_dvc(inner) is None
    lock.write_text(json.dumps({"write": {"o": {"pid": 7, "cmd": ""}}, "read": {"i": [{"pid": 8, "cmd": ""}, {"pid": 9, "cmd": ""}]}}))
    assert leash._running_dvc(inner) == {7, 8, 9}
    lock.write_text("{}")
    assert leash._running_dvc(inner) == set()


def wait(happened: Callable[[], bool]) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened in 30 s")


def lives(pid: int) -> bool:
    """Whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
