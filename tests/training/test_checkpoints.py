"""Seeds, averages and checkpoints."""

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import nn

from pipeline.disk import digest_file
from pipeline.errors import InputError
from pipeline.imports import ROOT
from pipeline.training.checkpoints import ABANDONED_DAYS, MARK, Scratch
from pipeline.training.device import choose_dtype
from pipeline.training.digests import digest_arrays, digest_code, fingerprint
from pipeline.training.steps import MovingAverage, check_finite, seed_step, step_generator

CPU = torch.device("cpu")


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_step_draws_the_same_whatever_came_before():
    seed_step(1, 0, 5)
    first = draws()
    seed_step(1, 0, 4)
    draws()
    seed_step(1, 0, 5)
    assert draws() == first
    seed_step(1, 1, 5)
    assert draws() != first


def test_generators_differ_by_key():
    a, b, c = (step_generator(*keys).random() for keys in [(1, 2, 3), (1, 2, 3), (1, 2, 4)])
    assert a == b != c


def test_ema_warms_up():
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    ema = MovingAverage(network, 0.5)
    with torch.no_grad():
        network.weight.fill_(1.0)
    ema.update(network)  # decay min(0.5, 1/10): 0.1 * 0 + 0.9 * 1
    assert ema.module.weight.item() == pytest.approx(0.9)
    ema.update(network)  # decay min(0.5, 2/11)
    assert ema.module.weight.item() == pytest.approx(1 - 0.1 * 2 / 11)
    copy = MovingAverage(network, 0.5)
    copy.load_state_dict(ema.state_dict())
    for average in (ema, copy):
        average.update(network)
    assert torch.equal(copy.module.weight, ema.module.weight)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the sources, to be edited."""
    copy = tmp_path_factory.mktemp("checkout").resolve()
    shutil.copytree(ROOT / "pipeline", copy / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize(
    ("training", "inside", "outside"),
    [
        (
            "pipeline/appearance/train.py",
            ["body/pose_maps.py", "timeline/windows.py", "training/steps.py", "appearance/systems/edn.py", "networks/edn.py", "imports.py"],
            ["appearance/generate.py", "appearance/renderers/sequence.py", "networks/local_gan.py", "evaluation/settings.py"],
        ),
        (
            "pipeline/refine/train.py",
            ["body/regions.py", "timeline/sampling.py", "refine/patches.py", "networks/local_gan.py"],
            ["refine/apply.py", "body/pose_maps.py", "networks/generator.py"],
        ),
    ],
)
def test_a_training_is_told_by_the_code_it_runs_on_and_no_other(checkout, training, inside, outside):
    before = fingerprint(digest_code(checkout / training, checkout))
    for name in [*inside, *outside]:
        path = checkout / "pipeline" / name
        text = path.read_text()
        path.write_text(text + "\nEDITED = True\n")
        assert (fingerprint(digest_code(checkout / training, checkout)) != before) == (name in inside), name
        path.write_text(text)
    assert fingerprint(digest_code(checkout / training, checkout)) == before


def test_code_is_told_by_its_whole_path(checkout):
    found = digest_code(checkout / "pipeline/appearance/train.py", checkout)
    assert {"pipeline/appearance/systems/edn.py", "pipeline/networks/edn.py"} <= found.keys()
    assert found["pipeline/appearance/systems/edn.py"] == digest_file(checkout / "pipeline/appearance/systems/edn.py")
    assert found["pipeline/appearance/systems/edn.py"] != found["pipeline/networks/edn.py"]


def test_the_code_is_that_of_the_checkout_that_runs():
    from pipeline.appearance import train

    assert digest_code(train.__file__) == digest_code(ROOT / "pipeline/appearance/train.py", ROOT)


def test_fingerprint_ignores_order_and_sees_values():
    assert fingerprint({"a": 1, "b": [2.5]}) == fingerprint({"b": [2.5], "a": 1}) != fingerprint({"a": 1, "b": [2.6]})


def test_digest_sees_dtype_shape_and_values():
    a = np.arange(6, dtype=np.int32)
    digests = {digest_arrays([x]) for x in (a, a.reshape(2, 3), a.astype(np.int64), a[::-1])}
    assert len(digests) == 4
    assert digest_arrays([a]) == digest_arrays([a.copy()])


def test_a_loss_that_is_not_finite_is_named():
    with pytest.raises(FloatingPointError, match="loss pixel is nan at step 7, windows 3"):
        check_finite({"gw": 0.0, "pixel": math.nan}, 7, "windows 3")


def test_precision_is_resolved():
    assert choose_dtype("float32", CPU) == torch.float32
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("auto", CPU) in (torch.float32, torch.bfloat16)


def test_scratch_keeps_the_last_whole_checkpoint(tmp_path):
    with Scratch("stage", "abc", tmp_path) as scratch:
        assert scratch.load() is None
        scratch.save({"step": 1, "weights": torch.ones(3)})
        scratch.save({"step": 2, "weights": torch.zeros(3)})
        (scratch.folder / "checkpoint.pt.part").write_bytes(b"cut off by a kill")
    with Scratch("stage", "abc", tmp_path) as scratch:
        state = scratch.load()
        assert state is not None
        assert state["step"] == 2
        scratch.delete()
        assert not scratch.folder.exists()


def test_scratch_belongs_to_one_process(tmp_path):
    with Scratch("stage", "abc", tmp_path), pytest.raises(InputError, match="locked by another"):
        Scratch("stage", "abc", tmp_path).__enter__()


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path):
    with Scratch("stage", "abc", tmp_path) as first:
        first.delete()
        with Scratch("stage", "abc", tmp_path), pytest.raises(InputError, match="locked by another"):
            Scratch("stage", "abc", tmp_path).__enter__()


def leave(root: Path, name: str, days: float, age: Callable[[Path, float], None]) -> Path:
    """A folder that an interrupted run left so many days ago."""
    with Scratch("stage", name, root) as scratch:
        scratch.save({"step": 1})
    age(scratch.folder, days)
    return scratch.folder


@pytest.fixture
def age() -> Callable[[Path, float], None]:
    def age(folder: Path, days: float) -> None:
        for path in (folder, *folder.iterdir()):
            os.utime(path, times=(path.stat().st_mtime - days * 86400,) * 2)

    return age


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "stage").iterdir())


def look(root: Path) -> None:
    """A run of other params begins and ends."""
    with Scratch("stage", "new", root) as scratch:
        scratch.delete()


def test_what_nobody_took_up_again_is_removed_in_the_end(tmp_path, age):
    for name, days in (("old", ABANDONED_DAYS + 1), ("recent", ABANDONED_DAYS - 1), ("running", ABANDONED_DAYS + 1)):
        leave(tmp_path, name, days, age)
    look(tmp_path)
    look(tmp_path)
    assert left(tmp_path) == ["old", "recent", "running"]  # one look is not believed, nor two at once
    for name in ("old", "recent", "running"):
        age(tmp_path / "stage" / name, ABANDONED_DAYS + 1)
    with FileLock(tmp_path / "stage/running/lock"):
        look(tmp_path)
        assert left(tmp_path) == ["recent", "running"]


def test_a_clock_that_jumps_ahead_removes_nothing(tmp_path, age, monkeypatch):
    leave(tmp_path, "mine", 1, age)
    now = time.time()
    for days_ahead in (15, 0, 40, 15, 0):
        monkeypatch.setattr(time, "time", lambda days=days_ahead: now + days * 86400)
        look(tmp_path)
        assert left(tmp_path) == ["mine"]
    assert not (tmp_path / "stage/mine" / MARK).exists()


def test_a_mark_of_a_clock_that_was_ahead_is_made_anew(tmp_path, age, monkeypatch):
    folder = leave(tmp_path, "mine", ABANDONED_DAYS + 1, age)
    now = time.time()
    for days_ahead in (1000, 0):
        monkeypatch.setattr(time, "time", lambda days=days_ahead: now + days * 86400)
        look(tmp_path)
        assert (folder / MARK).stat().st_mtime == pytest.approx(now + days_ahead * 86400, abs=1)


def test_what_is_taken_up_again_is_abandoned_no_more(tmp_path, age):
    folder = leave(tmp_path, "mine", ABANDONED_DAYS + 1, age)
    look(tmp_path)
    assert (folder / MARK).exists()
    with Scratch("stage", "mine", tmp_path) as scratch:
        assert scratch.load() == {"step": 1}
        assert not (folder / MARK).exists()
    age(folder, 1)
    look(tmp_path)
    assert not (folder / MARK).exists()


def test_a_stray_file_or_link_is_left_alone_and_blocks_nothing(tmp_path):
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "notes.txt").write_text("mine")
    (tmp_path / "stage" / "link").symlink_to(tmp_path)
    (tmp_path / "stray").write_text("mine")
    look(tmp_path)
    assert left(tmp_path) == ["link", "notes.txt"]


DAMAGES = {
    "a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "cut": lambda data: data[:-1],
    "emptied": lambda data: b"",
    "another's": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_said_and_not_taken_up(damage, tmp_path, capsys):
    with Scratch("stage", "abc", tmp_path) as scratch:
        scratch.save({"step": 1, "weights": torch.arange(1000.0)})
        good = scratch.checkpoint.read_bytes()
        scratch.checkpoint.write_bytes(DAMAGES[damage](good))
        assert scratch.load() is None
        said = capsys.readouterr().err
        assert said == f"{scratch.checkpoint} is damaged or was not written by this version: the training starts anew\n"
        scratch.save({"step": 2})
        assert scratch.load() == {"step": 2}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("bit", range(8))
def test_any_bit_counts(bit, tmp_path):
    with Scratch("stage", "abc", tmp_path) as scratch:
        scratch.save({"step": 1})
        good = scratch.checkpoint.read_bytes()
        for position in range(bit, len(good), 97):
            scratch.checkpoint.write_bytes(good[:position] + bytes([good[position] ^ (1 << bit)]) + good[position + 1 :])
            assert scratch.load() is None


def test_a_checkpoint_without_its_digest_counts_for_nothing(tmp_path):
    with Scratch("stage", "abc", tmp_path) as scratch:
        scratch.save({"step": 1})
        (scratch.folder / "checkpoint.sha256").unlink()
        assert scratch.load() is None


def test_a_kill_between_digest_and_checkpoint_loses_nothing(tmp_path, monkeypatch):
    replace = os.replace
    with Scratch("stage", "abc", tmp_path) as scratch:
        scratch.save({"step": 1})
        for _ in range(2):  # killed twice at the same place
            monkeypatch.setattr(os, "replace", lambda source, target: replace(source, target) if "sha256" in str(target) else 1 / 0)
            with pytest.raises(ZeroDivisionError):
                scratch.save({"step": 2})
            assert scratch.load() == {"step": 1}
        monkeypatch.setattr(os, "replace", replace)
        scratch.save({"step": 2})
        assert scratch.load() == {"step": 2}


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from pipeline.training.checkpoints import Scratch\n"
        "Scratch('stage', 'abc', Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    with Scratch("stage", "abc", tmp_path) as scratch:
        assert scratch.load() is None
