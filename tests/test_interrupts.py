"""Ctrl+C is one line from a door's first import on, and raises again where somebody catches it."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pipeline import interrupts

ROOT = Path(__file__).resolve().parent.parent
TOLD = "error: interrupted. Nothing half-written was kept. Run it again\n"
SIGINT = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def interrupted_at(library: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python, which is interrupted while it imports a library."""
    (folder / f"{library}.py").write_text(SIGINT)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    # tests that run in the background ignore Ctrl+C, and so would what they start
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=heeds
    )


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("ruamel", ("-m", "stages.check_names", "--help")),  # what every door imports first
        ("av", ("-m", "stages.extract_frames", "--help")),
    ],
)
def test_an_interrupt_while_a_door_imports_is_one_line(tmp_path, library, command):
    done = interrupted_at(library, tmp_path, *command)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", TOLD)


def test_whoever_imports_a_door_keeps_own_ways(tmp_path):
    done = interrupted_at("zarr", tmp_path, "-c", "try:\n import stages.crop_person\nexcept KeyboardInterrupt:\n print('mine')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "mine\n", "")


def test_an_interrupt_that_is_ignored_stays_so(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(sys, "argv", ["-m"])
        interrupts.hold()
        interrupts.release()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_raises_again_where_it_is_caught(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(sys, "argv", ["-m"])
        interrupts.hold()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        interrupts.release()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
