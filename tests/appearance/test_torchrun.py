"""The door of the training under torchrun: what one process gives, a kill that is one line, a resume."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from appearance.test_references import LEARN, filmed
from drawn_stick import SMALL
from ruamel.yaml import YAML
from safetensors.torch import load_file

from pipeline.appearance import train as training
from pipeline.artifacts.keypoints import motion_of, write_keypoints
from pipeline.training.processes import LostProcess
from stages import train_appearance as door

ROOT = Path(__file__).resolve().parents[2]
MADE = ("m.safetensors", "m.json", "m.tsv", "d.safetensors")
NETS = ("m.safetensors", "d.safetensors")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, stick, features_folder) -> list[str]:
    """What the door reads, in the folder where it runs, as its options."""
    folder = tmp_path_factory.mktemp("inputs")
    track, *_ = filmed(folder, stick, 6)
    write_keypoints(folder / "k.parquet", motion_of(track))
    params = {
        "appearance": {**SMALL, "checkpoint_s": 0.0, "optimiser": {**SMALL["optimiser"], "generator_rate": 0.00005}},
        "split": {"hold_out_fraction": 0.0},
        "reference": {"enabled": True, "learn": LEARN.model_dump(), "find": {"count": 2}},
        "targets": {"stick": {"appearance": {}, "reference": {}}},
    }
    YAML().dump(params, folder / "params.yaml")
    paths = {"crops": "crops.zarr", "keypoints": "k.parquet", "references": "r.zarr", "params": "params.yaml"}
    return [f"--{name}={folder / path}" for name, path in paths.items()] + [f"--features={features_folder}", "--target=stick"]


def outs(folder: Path) -> list[str]:
    names = {"model": "m.safetensors", "description": "m.json", "curve": "m.tsv", "discriminators": "d.safetensors", "time": "time.json"}
    return [f"--{name}={folder / file}" for name, file in names.items()]


def here(folder: Path, inputs: list[str], monkeypatch, processes: int) -> Path:
    """What the door makes in so many processes that it starts itself, or in this one."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(training, "count_processes", lambda *_: processes)
    monkeypatch.setattr(sys, "argv", ["door", *inputs, *outs(folder)])
    door.main()
    return folder


def torchrun(folder: Path, *command: str) -> tuple[int, dict[str, list[str]]]:
    """Exit code of a run of two processes in folder, and the lines that each of them said, by its rank."""
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run += ["--tee=3", f"--log-dir={folder}.logs", *command]
    ended = subprocess.run(run, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=900)
    said: dict[str, list[str]] = {"0": [], "1": []}
    for rank, line in re.findall(r"^\[default(\d)\]:(.*)$", ended.stdout + ended.stderr, re.MULTILINE):
        said[rank].append(line)
    return ended.returncode, said


def test_killed_and_started_again_by_torchrun_it_is_what_one_process_gives(tmp_path, inputs, monkeypatch):
    """Of two processes the second is killed after the second step's checkpoint; the first says so in the one line of error."""
    folder = tmp_path / "torchrun"
    code, said = torchrun(folder, str(ROOT / "tests" / "killed_member.py"), *inputs, *outs(folder))
    assert code != 0
    assert said["0"][-1] == f"error: {LostProcess(2)}"
    assert "Traceback" not in "".join(said["0"])
    assert said["1"] == []
    assert not [path for path in folder.iterdir() if path.name != ".scratch"]
    code, said = torchrun(folder, "-m", "stages.train_appearance", *inputs, *outs(folder))
    assert code == 0, said
    assert sum("2 processes share the 2 windows of a step" in line for line in said["0"]) == 1
    assert any("2/2 steps" in line for line in said["0"])  # the other two were done before the kill
    assert said["1"] == []
    assert sorted(path.name for path in folder.iterdir()) == sorted([".scratch", "time.json", *MADE])
    assert not list((folder / ".scratch/train_appearance").iterdir())

    two = here(tmp_path / "two", inputs, monkeypatch, 2)
    assert {name: (two / name).read_bytes() for name in MADE} == {name: (folder / name).read_bytes() for name in MADE}
    one = here(tmp_path / "one", inputs, monkeypatch, 1)
    for name in NETS[:1]:
        weights, others = load_file(one / name), load_file(folder / name)
        assert weights.keys() == others.keys()
        for key, value in weights.items():
            torch.testing.assert_close(others[key], value, atol=1e-5, rtol=0, msg=lambda told, key=key: f"{key}: {told}")
