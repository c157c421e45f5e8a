"""A drawn target by two workers, one of which is killed while it trains: the bytes of a serial run, nothing left to do.

Some six minutes of a core: `pytest -m slow tests/by_hand/cluster_walk.py`.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest
from spreading import Spread, commit, processes, works_at
from walking import Project, built, differing

from pipeline.cluster.entries import read_entries, write_entries

pytestmark = pytest.mark.slow
HERE = ("check_names", "fetch_")  # stages that run at the head: kept, since they are no worker's
TARGET = "train_appearance@ann"
STEPS = 6


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Project:
    """The project after `dvc repro`."""
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def spread(serial, tmp_path_factory) -> Project:
    """A committed copy with a remote and without any result of what workers run."""
    base = tmp_path_factory.mktemp("spread")
    project = serial.copy(base / "p")
    lock = read_entries(project.folder)
    kept = {name: entry for name, entry in lock.items() if name.startswith(HERE)}
    cache = project.folder / ".dvc" / "cache"
    objects = {path for entry in kept.values() for out in entry["outs"] for path in objects_of(cache / "files/md5", out["md5"])}
    for name in lock.keys() - kept.keys():
        for out in lock[name]["outs"]:
            path = project.folder / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    cache.rename(base / "earlier")
    for path in objects:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(base / "earlier" / path.relative_to(cache), path)
    shutil.rmtree(base / "earlier")
    (project.folder / "dvc.lock").unlink()
    project.dvc("remote", "add", "-d", "store", str(base / "store"))
    commit(project.folder)
    write_entries(project.folder, kept)
    return project


def objects_of(cache: Path, digest: str) -> list[Path]:
    """The files of an out in a cache."""
    path = cache / digest[:2] / digest[2:]
    inside = json.loads(path.read_text()) if digest.endswith(".dir") else []
    return [path, *(cache / file["md5"][:2] / file["md5"][2:] for file in inside)]


def test_a_worker_that_is_killed_in_training_costs_nothing_but_time(spread, serial):
    command = Spread(spread.folder, "-m", "pipeline.command", "spread", "--workers", "2", TARGET)
    command.until(lambda: list(spread.folder.glob(".scratch/train_appearance/*/checkpoint.pt")))
    stage = training(spread.folder)
    worker = next(p for p in stage.parents() if works_at(p, "pipeline.cluster.stage")).parent()
    assert worker is not None
    worker.kill()
    assert list(spread.folder.glob(".scratch/train_appearance/*/checkpoint.pt")), "it ended before the blow"
    assert command.ends() == 0, command.said()
    said = command.said()
    assert said.count("train_appearance@ann: begun ") == 2
    steps = set(re.findall(r"train_appearance: (\d+)/\1 steps", said))  # its last line, which may be shown several times
    assert len(steps) == 1
    assert int(*steps) < STEPS
    entries = read_entries(spread.folder)
    assert {"extract_frames@ann", "segment_person@ann", "keep_references@ann", TARGET} <= entries.keys()
    assert comparable(entries) == comparable({name: entry for name, entry in read_entries(serial.folder).items() if name in entries})
    ours = spread.bytes_of("data/models", "data/crops", "data/keypoints/ann.parquet")
    theirs = serial.bytes_of("data/models", "data/crops", "data/keypoints/ann.parquet")  # and a refiner's, which was not asked for
    assert differing(ours, {name: theirs[name] for name in ours}) == []
    assert any(name.endswith("-appearance.safetensors") for name in ours)


def test_afterwards_nothing_is_left_to_do_and_nothing_lies_about(spread):
    assert "up to date" in spread.dvc("status", "--with-deps", TARGET).stdout
    assert spread.repro(TARGET) == []
    assert not list(spread.folder.glob(".scratch/spread"))
    assert not list(spread.folder.glob(".scratch/train_*/*"))
    store = spread.folder.parent / "store"
    digests = [out["md5"] for name, entry in read_entries(spread.folder).items() if not name.startswith(HERE) for out in entry["outs"]]
    assert len(digests) > 10
    assert all((store / "files/md5" / digest[:2] / digest[2:]).exists() for digest in digests)
    assert list(store.glob("runs/*/*")), "no run was pushed"


def comparable(entries: dict[str, Any]) -> dict[str, str]:
    """Digests of outs by path, without the times."""
    outs = [out for entry in entries.values() for out in entry["outs"]]
    return {out["path"]: out["md5"] for out in outs if not out["path"].startswith("data/metrics/time/")}


def training(folder: Path) -> psutil.Process:
    """The stage that trains in one of the project's clones."""
    return next(p for p in processes(folder) if works_at(p, "stages.train_appearance"))
