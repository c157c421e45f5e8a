"""Kill -9 of a stage, or of dvc itself, at several points: `dvc repro` completes, with the bytes of an undisturbed run."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from walking import Project, arrays_and_tables, built, differing

pytestmark = pytest.mark.slow

# stage, a sign that it is in the middle, who is killed; a stage's outs are missing afterwards, so those come first that nobody reads
KILLS = [
    ("fuse@ben-to-ann", "data/fused/.*partial*", "stage"),
    ("generate_foreground@ben-to-ann", "data/foregrounds/.*partial*", "dvc"),
    ("train_refiner@ann", ".scratch/train_refiner/*/checkpoint*", "stage"),
    ("segment_person@ann", "data/mattes/.*partial*", "stage"),
    ("train_appearance@ann", ".scratch/train_appearance/*/checkpoint.pt", "dvc"),
]
OUTS = {
    "fuse@ben-to-ann": ["data/fused/ben-to-ann.zarr", "data/videos/ben-to-ann.mp4", "data/videos/ben-to-ann.json"],
    "generate_foreground@ben-to-ann": ["data/foregrounds/ben-to-ann-generated.zarr"],
    "train_refiner@ann": ["data/models/ann-refiner.safetensors", "data/models/ann-refiner.json"],
    "segment_person@ann": ["data/mattes/ann.zarr"],
    "train_appearance@ann": ["data/models/ann-appearance.safetensors", "data/models/ann-appearance.json"],
}
ATTEMPTS = 8  # a quick stage may end before the blow falls
PATIENCE_S = 600.0  # on a machine that does much else


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The project after an undisturbed run."""
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def killed(undisturbed, tmp_path_factory):
    """A copy in which stages are killed; without the results that DVC would bring back from its cache instead of running them."""
    project = undisturbed.copy(tmp_path_factory.mktemp("killed") / "p")
    lock = YAML(typ="safe").load((project.folder / "dvc.lock").read_text())["stages"]
    for stage, _, _ in KILLS:
        for out in lock[stage]["outs"]:
            (project.folder / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]).unlink(missing_ok=True)
    return project


@pytest.mark.parametrize(("stage", "sign", "victim"), KILLS, ids=[stage for stage, _, _ in KILLS])
def test_a_kill_leaves_nothing_half_done_and_no_orphan(stage, sign, victim, killed):
    for _ in range(ATTEMPTS):
        struck = _strike(killed, stage, sign, victim)
        left = [out for out in OUTS[stage] if (killed.folder / out).exists()]
        if struck and not left:
            return
        assert left == OUTS[stage], "a stage that outran the blow left less than all of its outs"
    pytest.fail(f"{stage} never showed {sign} while it could still be struck")


def test_the_next_run_completes_with_the_same_bytes(undisturbed, killed):
    # a forced run that ended before the blow is remembered too; restoring it would prove nothing
    shutil.rmtree(killed.folder / ".dvc/cache/runs", ignore_errors=True)
    ran = killed.repro()
    assert {stage for stage, _, _ in KILLS} <= set(ran)
    assert differing(arrays_and_tables(undisturbed), arrays_and_tables(killed)) == []
    assert not list(killed.folder.glob(".scratch/train_*/*"))
    assert not list(killed.folder.glob("data/**/.*partial*"))
    assert killed.repro() == []


def _strike(project: Project, stage: str, sign: str, victim: str) -> bool:
    """Run one stage and kill -9 the stage or dvc once the sign shows; False when it ended before."""
    shutil.rmtree(project.folder / ".scratch" / stage.split("@")[0], ignore_errors=True)
    dvc = project.start("repro", "-f", "-s", stage)
    try:
        worker = _wait_for(lambda: _worker(project, stage), dvc.poll)
        if worker is None or _wait_for(lambda: any(project.folder.glob(sign)), dvc.poll) is None:
            return False
        os.kill(worker if victim == "stage" else dvc.pid, signal.SIGKILL)
        dvc.wait(timeout=PATIENCE_S)
    finally:
        dvc.kill()
        dvc.wait()
    gone = _wait_for(lambda: not _alive(worker), lambda: None)
    assert gone, "the stage outlived the dvc that started it"
    return dvc.returncode != 0


def _wait_for(look: Callable[[], Any], ended: Callable[[], int | None], seconds: float = PATIENCE_S) -> Any:
    """Ask again and again until something true comes; None when the process ended or time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and ended() is None:
        if found := look():
            return found
        time.sleep(0.001)
    return None


def _worker(project: Project, stage: str) -> int | None:
    """Process id of the stage's Python in this project."""
    module = f"stages.{stage.split('@')[0]}".encode()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if words[1:3] == [b"-m", module] and (entry / "cwd").readlink() == project.folder.resolve():
                return int(entry.name)
        except OSError:  # it ended while we looked
            continue
    return None


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
