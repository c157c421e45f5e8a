"""What every door does: one line for bad input, its own times."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline import failures
from pipeline.door import door_parser, stage_clock
from pipeline.errors import InputError
from pipeline.interrupts import NOTHING_KEPT

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def script(folder: Path, body: str) -> list[str]:
    path = folder / "door.py"
    path.write_text(
        "import sys, time, resource\nfrom pathlib import Path\nfrom pipeline.door import run_door\nfrom pipeline.errors import InputError\n"
        f"def main():\n{textwrap.indent(textwrap.dedent(body), '    ')}\nrun_door(main)\n"
    )
    return [sys.executable, str(path)]


def run(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(script(folder, body), env=ENVIRONMENT, cwd=folder, capture_output=True, text=True, check=False)


def test_a_door_that_works_is_silent(tmp_path):
    done = run(tmp_path, "print('made')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "made\n", "")


def test_bad_input_is_one_line_and_exit_code_1(tmp_path):
    done = run(tmp_path, "raise InputError('frames must be there,\\n  found none')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: frames must be there, found none\n")


def test_a_full_disk_is_one_line(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run(tmp_path, "Path('/dev/full').write_bytes(b'x')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: No space left on device: while writing: make room (dvc gc -w) and run it again. {NOTHING_KEPT}\n"


def test_a_file_size_limit_is_one_line(tmp_path):
    done = run(tmp_path, "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\nPath('big').write_bytes(bytes(5000))")
    assert done.returncode == 1
    remedy = "write to a disk, or under a limit (ulimit -f), that takes files of that size"
    assert done.stderr == f"error: File too large: while writing: {remedy}. {NOTHING_KEPT}\n"


def test_an_error_of_the_system_names_its_file(tmp_path):
    done = run(tmp_path, "Path('absent/file').write_text('x')")
    assert done.returncode == 1
    assert done.stderr == f"error: No such file or directory: absent/file: put it there, or correct the path. {NOTHING_KEPT}\n"


def test_a_defect_is_one_line_and_keeps_its_traceback_in_a_file(tmp_path):
    done = run(tmp_path, "return 1 / 0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: internal error: ZeroDivisionError: division by zero; details in .scratch/errors/door-")
    assert done.stderr.count("\n") == 1
    kept = list((tmp_path / ".scratch/errors").iterdir())
    assert [str(path.relative_to(tmp_path)) for path in kept] == [done.stderr.split()[-1]]
    assert "in main\n    return 1 / 0" in kept[0].read_text()


def test_a_traceback_is_not_lost_where_no_file_can_be_written(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(failures, "ERRORS", tmp_path / "file" / "errors")
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    assert failures.end_of(ZeroDivisionError("nought")) == 1
    said = capsys.readouterr().err
    assert said == "ZeroDivisionError: nought\nerror: internal error: ZeroDivisionError: nought; details in the lines above\n"


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 1, "memory must hold what this step works on, found too little (MemoryError)"),
        (OutOfMemoryError("CUDA out of memory. Tried"), 1, "(CUDA out of memory. Tried): give it more memory, or lower"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't"), 1, "give it more memory"),
        (KeyboardInterrupt(), 130, "interrupted. Nothing half-written was kept"),
        (FloatingPointError("loss gw is nan at step 3"), 1, "numbers must stay finite: loss gw is nan at step 3"),
        (RecursionError("too deep"), 1, "nested too deeply to be read (too deep): export it again"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 1, "text must be UTF-8, found other bytes"),
        (FileNotFoundError(2, "No such file", "a\nb"), 1, f"No such file: a b: put it there, or correct the path. {NOTHING_KEPT}"),
        (PermissionError(13, "Permission denied", "a"), 1, "Permission denied: a: give yourself the permission (chmod u+rwX), or name"),
        (OSError(30, "Read-only file system", "a"), 1, "Read-only file system: a: name a path on a disk that may be written to."),
        (OSError(5, "Input/output error", "a"), 1, "Input/output error: a: look after the disk, and copy the file anew."),
        (OSError(71, "Protocol error", "a"), 1, f"Protocol error: a. {NOTHING_KEPT}"),
        (OSError("cut"), 1, "internal error: OSError: cut; details in"),
        (InputError("a \x1b[31mred\r\nname"), 1, "a \\x1b[31mred name"),
    ],
)
def test_every_kind_of_failure_is_one_line(error, code, says, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(failures, "ERRORS", tmp_path)
    assert failures.end_of(error) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says in said
    assert said.endswith("\n")
    assert len(said.splitlines()) == 1


def test_a_long_line_keeps_its_beginning_and_its_remedy():
    said = failures.one_line("begins " + "x" * 10000 + " do this")
    assert len(said) < 2100
    assert said.startswith("begins ")
    assert said.endswith(" do this")


def test_a_failure_is_told_although_the_output_is_closed(tmp_path):
    late = "sys.stdout.write('x')\nraise InputError('frames must be there')"
    buffered = {**ENVIRONMENT, "PYTHONUNBUFFERED": ""}  # or the printing itself would fail first
    with subprocess.Popen(script(tmp_path, late), env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as door:
        assert door.stdout is not None
        assert door.stderr is not None
        door.stdout.close()
        assert door.stderr.read() == "error: frames must be there\n"
    assert door.returncode == 1


@pytest.mark.parametrize("body", ["print('x' * 1000000)", "print('x')\ntime.sleep(0.3)", "for _ in range(9999):\n    print('x' * 99)"])
def test_a_reader_that_leaves_is_no_error(tmp_path, body):
    with subprocess.Popen(script(tmp_path, body), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as door:
        assert door.stdout is not None
        assert door.stderr is not None
        door.stdout.close()
        said = door.stderr.read()
    assert said == ""
    assert door.returncode in (0, 1)


def test_a_clock_writes_what_a_stage_took(tmp_path):
    path = tmp_path / "time" / "stage.json"
    started = time.perf_counter()
    with stage_clock(path) as figures:
        figures["frames"] = 50
        time.sleep(0.05)
    whole = time.perf_counter() - started
    written = json.loads(path.read_text())
    assert sorted(written) == ["frames", "frames_per_s", "peak_memory_mb", "seconds"]
    assert written["frames"] == 50
    assert 0.05 <= written["seconds"] <= whole + 0.001  # which is rounded
    assert written["frames_per_s"] == pytest.approx(50 / written["seconds"], rel=0.05)
    assert 10 < written["peak_memory_mb"] < 1e6


def test_a_clock_without_frames_names_no_rate(tmp_path):
    with stage_clock(tmp_path / "stage.json"):
        pass
    assert sorted(json.loads((tmp_path / "stage.json").read_text())) == ["peak_memory_mb", "seconds"]


def test_a_failed_stage_leaves_no_time(tmp_path):
    with pytest.raises(InputError, match="no"), stage_clock(tmp_path / "stage.json"):
        raise InputError("no")
    assert not (tmp_path / "stage.json").exists()
    with stage_clock(None, frames=3):
        pass


def test_options_are_named_after_what_they_hold(capsys):
    parser = door_parser("Do it.", reads={"frames": "frames"}, writes={"out": "crops"}, optional={"sheet": "a sheet"})
    args = parser.parse_args(["--frames", "a.zarr", "--out", "b.zarr"])
    assert (args.frames, args.out, args.sheet) == (Path("a.zarr"), Path("b.zarr"), None)
    assert (args.params, args.time) == (Path("params.yaml"), None)
    with pytest.raises(SystemExit):
        parser.parse_args(["--frames", "a.zarr"])
    assert "required: --out" in capsys.readouterr().err
