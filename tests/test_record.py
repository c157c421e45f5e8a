"""What DVC records is what ran: an edit of params, code or data while a stage runs is said, and the stage runs again."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walking import ROOT, STAGE, environment

from pipeline import record
from pipeline.door import run_door
from pipeline.errors import InputError
from pipeline.plan import MISSING, resolve_stage, values_of

PLAN = """stages:
  fetch:
    cmd: python -m stages.fetch --asset ${fill.name}
    deps: ["pipeline/assets/${fill.name}.yaml"]

  # between two stages
  train:
    foreach: ${targets}
    do:
      cmd: >-
        python -m stages.train --target ${key}

        --out out/${key}.txt
      deps: [
        data/code/train.sha256, "pipeline/backends/${item.matte}", "data/frames/${item.clip}.zarr", data/source.mp4,
      ]
      params: [steps, "targets.${key}.over", "targets.${key}.absent"]
      outs: ["out/${key}.txt"]
  demo:
    foreach: ${demo}
    do:
      cmd: python -m stages.demo --asset ${item}
      deps: ["pipeline/assets/${item}.yaml"]
"""
PARAMS = """steps: {number: 3, rate: 1e-3}
fill: {name: telea}
other: 1
demo: [one]
targets:
  man: {clip: walk, matte: plain, over: {}}
  woman: {clip: run, matte: fine, over: {}}
"""
FILES = {
    "dvc.yaml": PLAN,
    "params.yaml": PARAMS,
    "pipeline/errors.py": "A = 1\n",
    "pipeline/unused.py": "A = 1\n",
    "data/code/train.sha256": f"{hashlib.sha256(b'A = 1' + bytes([10])).hexdigest()}  pipeline/errors.py\n",
    "pipeline/backends/plain/__init__.py": "A = 1\n",
    "pipeline/backends/plain/__pycache__/x.pyc": "compiled",
    "pipeline/backends/fine/__init__.py": "A = 1\n",
    "data/frames/walk.zarr/c/0": "frames",
    "data/frames/run.zarr/c/0": "frames",
    "data/source.mp4": "video",
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "_noted", [])
    return tmp_path


def replace(name: str, old: str, new: str):
    def edit(root: Path) -> None:
        path = root / name
        kept = path.stat()
        path.write_text(path.read_text().replace(old, new))
        assert path.read_text() != FILES[name]
        later = int(len(old) == len(new))  # a size that differs is enough, and clocks of files are coarse
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns + later))

    return edit


def touch(name: str):
    return lambda root: os.utime(root / name, ns=(1, 1))


def write(*names: str):
    return lambda root: [(root / name).write_text("new") for name in names]


SEEN = {
    "a declared value": (replace("params.yaml", "number: 3", "number: 4"), ["params.yaml: steps"]),
    "an override that was empty": (replace("params.yaml", "plain, over: {}", "plain, over: {x: 1}"), ["params.yaml: targets.man.over"]),
    "a value that was absent": (replace("params.yaml", "plain,", "plain, absent: 1,"), ["params.yaml: targets.man.absent"]),
    "params that are no YAML": (replace("params.yaml", "demo: [one]", "demo: [one"), ["params.yaml"]),
    "no params": (lambda root: (root / "params.yaml").unlink(), ["params.yaml"]),
    "code": (replace("pipeline/errors.py", "1", "2"), ["pipeline/errors.py"]),
    "the chosen package": (replace("pipeline/backends/plain/__init__.py", "1", "22"), ["pipeline/backends/plain/__init__.py"]),
    "a module more": (write("pipeline/backends/plain/more.py"), ["pipeline/backends/plain/more.py"]),
    "data": (replace("data/frames/walk.zarr/c/0", "frames", "longer frames"), ["data/frames/walk.zarr/c/0"]),
    "data of the same size": (replace("data/source.mp4", "video", "VIDEO"), ["data/source.mp4"]),
    "data that is gone": (lambda root: shutil.rmtree(root / "data/frames/walk.zarr"), ["data/frames/walk.zarr/c/0"]),
    "two of them": (write("data/source.mp4", "pipeline/errors.py"), ["data/source.mp4", "pipeline/errors.py"]),
}  # fmt: skip
UNSEEN = {
    "nothing": lambda root: None,
    "a value of nobody": replace("params.yaml", "other: 1", "other: 2"),
    "another target's": replace("params.yaml", "fine, over: {}", "fine, over: {x: 1}"),
    "comments and order": lambda root: (root / "params.yaml").write_text("# x\nother: 1\n" + PARAMS.replace("other: 1\n", "")),
    "another target's data": write("data/frames/run.zarr/c/0"),
    "another package": write("pipeline/backends/fine/__init__.py"),
    "code that it does not import": write("pipeline/unused.py"),
    "compiled code": write("pipeline/backends/plain/__pycache__/x.pyc"),
    "code that is only touched": touch("pipeline/errors.py"),
    "data that is only touched": touch("data/source.mp4"),
    "an array of which a part is copied again": touch("data/frames/walk.zarr/c/0"),
}


@pytest.mark.parametrize("edit", SEEN)
def test_an_edit_of_what_a_stage_runs_with_is_seen(edit, project):
    noted = record.Record("train@man", project)
    change, expected = SEEN[edit]
    change(project)
    assert noted.changed() == expected


@pytest.mark.parametrize("edit", UNSEEN)
def test_an_edit_of_anything_else_is_nothing(edit, project):
    noted = record.Record("train@man", project)
    UNSEEN[edit](project)
    assert noted.changed() == []


def test_a_stage_is_resolved_for_its_item():
    deps, params = resolve_stage("sub/dvc.yaml:train@woman", PLAN, PARAMS)
    assert deps == ["data/code/train.sha256", "pipeline/backends/fine", "data/frames/run.zarr", "data/source.mp4"]
    assert params == {"steps": {"number": 3, "rate": 1e-3}, "targets.woman.over": {}, "targets.woman.absent": MISSING}
    assert resolve_stage("fetch", PLAN, PARAMS).deps == ["pipeline/assets/telea.yaml"]
    assert resolve_stage("demo@one", PLAN, PARAMS).deps == ["pipeline/assets/one.yaml"]
    assert values_of(["steps.rate", "steps.rate.x"], PARAMS) == {"steps.rate": 1e-3, "steps.rate.x": MISSING}
    for unknown in ("nothing", "train@child", "tra"):
        with pytest.raises(KeyError):
            resolve_stage(unknown, PLAN, PARAMS)


def test_a_stage_written_another_way_is_resolved_too():
    text = '{"stages": {"train": {"cmd": "x", "deps": ["${fill.name}.txt"]}}}'
    assert resolve_stage("train", text, PARAMS).deps == ["telea.txt"]


def test_a_door_says_what_changed_in_one_line(project, monkeypatch, capsys):
    monkeypatch.setenv("DVC_STAGE", "train@man")
    record.begin()
    run_door(lambda: None)
    with pytest.raises(SystemExit) as ended:
        run_door(lambda: SEEN["two of them"][0](project))
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: data/source.mp4 and 1 more changed while the stage ran, so its result is not recorded: run dvc repro again\n"
    )


def test_code_that_was_edited_since_it_was_listed_is_not_run(project, monkeypatch, capsys):
    """It would be recorded as the code that the listing has."""
    monkeypatch.setenv("DVC_STAGE", "train@man")
    touch("pipeline/errors.py")(project)
    record.begin()
    run_door(lambda: None)
    replace("pipeline/errors.py", "1", "2")(project)
    record.begin()
    with pytest.raises(SystemExit) as ended:
        run_door(lambda: (project / "ran").touch())
    assert ended.value.code == 1
    assert not (project / "ran").exists()
    assert capsys.readouterr().err == (
        "error: pipeline/errors.py is not as check_names listed it: run dvc repro, or dvc repro check_names before a single stage\n"
    )


@pytest.mark.parametrize("stage", [None, "somebody@elses"])
def test_by_hand_and_for_a_stage_of_another_plan_nothing_is_noted(stage, project, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    if stage:
        monkeypatch.setenv("DVC_STAGE", stage)
    record.begin()
    SEEN["two of them"][0](project)
    record.require_unchanged()
    assert record._noted == []


def test_a_door_notes_before_it_imports_what_takes_time(project):
    code = "import sys, stages; from pipeline import record; print(len(record._noted), 'torch' in sys.modules, 'numpy' in sys.modules)"
    env = {**environment(), "DVC_STAGE": "train@man", "PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, "-c", code], env=env, cwd=project, text=True) == "1 False False\n"
    del env["DVC_STAGE"]
    assert subprocess.check_output([sys.executable, "-c", code], env=env, cwd=project, text=True) == "0 False False\n"


def test_a_look_opens_what_is_small_and_once(project, monkeypatch):
    """Data may be a hundred gigabytes; their sizes and times are looked at."""
    folder = project / "data/frames/walk.zarr/c"
    for i in range(200):
        (folder / f"x{i}").write_bytes(b"x")
    monkeypatch.setattr(record, "SMALL_BYTES", 200)
    opened, read = [], record.digest_file
    monkeypatch.setattr(record, "digest_file", lambda path: opened.append(path.relative_to(project).as_posix()) or read(path))
    noted = record.Record("train@man", project)
    assert not [path for path in opened if "walk.zarr" in path]
    assert "data/source.mp4" in opened
    opened.clear()
    assert noted.changed() == []
    assert len(noted._files) > 200
    assert {path.split("/")[0] for path in opened} == {"pipeline"}


def lock_of(project: Path, **digests: str) -> None:
    """A dvc.lock in which an earlier stage has made the frames, and training has read the video, each with a digest."""
    outs = f"[{{path: data/frames/walk.zarr, hash: md5, md5: {digests['frames']}}}]"
    deps = f"[{{path: data/source.mp4, hash: md5, md5: {digests['video']}}}]"
    text = f"schema: '2.0'\nstages:\n  extract: {{cmd: x, outs: {outs}}}\n  train@man: {{cmd: x, deps: {deps}}}\n"
    (project / "dvc.lock").write_text(text)


# as `dvc add` writes them, of a folder with the file c/0, "frames", and of a file, "video"
FRAMES_MD5, VIDEO_MD5 = "ed3427023298d6015027790fe4e797e7.dir", "421b47ffd946ca083b65cd668c6b17e6"


class TestLargeData:
    """Their digest is the one that DVC had written down when the stage began."""

    @pytest.fixture(autouse=True)
    def small_is_nothing(self, monkeypatch):
        monkeypatch.setattr(record, "SMALL_BYTES", 0)

    def test_what_a_stage_made_is_no_other_when_touched(self, project):
        lock_of(project, frames=FRAMES_MD5, video="0" * 32)
        noted = record.Record("train@man", project)
        touch("data/frames/walk.zarr/c/0")(project)
        (project / "dvc.lock").unlink()  # what is written after the beginning is not asked
        assert noted.changed() == []
        replace("data/frames/walk.zarr/c/0", "frames", "FRAMES")(project)
        assert noted.changed() == ["data/frames/walk.zarr/c/0"]

    def test_what_was_added_is_no_other_when_touched(self, project):
        (project / "data/source.mp4.dvc").write_text(f"outs:\n- md5: {VIDEO_MD5}\n  size: 5\n  hash: md5\n  path: source.mp4\n")
        noted = record.Record("train@man", project)
        touch("data/source.mp4")(project)
        assert noted.changed() == []
        replace("data/source.mp4", "video", "VIDEO")(project)
        assert noted.changed() == ["data/source.mp4"]

    def test_what_a_stage_only_read_earlier_is_not_known(self, project):
        """It may have been edited since, and be put back while the stage runs: the record would then say what never ran."""
        lock_of(project, frames="0" * 32 + ".dir", video=VIDEO_MD5)
        noted = record.Record("train@man", project)
        touch("data/source.mp4")(project)
        touch("data/frames/walk.zarr/c/0")(project)
        assert noted.changed() == ["data/frames/walk.zarr/c/0", "data/source.mp4"]

    @pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n: [", "[]", "stages: {a: {outs: [{path: data/source.mp4, md5: 0}]}}"])
    def test_without_a_digest_a_touch_is_an_edit(self, text, project):
        (project / "dvc.lock").write_text(text)
        noted = record.Record("train@man", project)
        assert noted.changed() == []
        touch("data/source.mp4")(project)
        assert noted.changed() == ["data/source.mp4"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_is_not_waited_for(project):
    (project / "data/source.mp4").unlink()
    os.mkfifo(project / "data/source.mp4")
    assert record.Record("train@man", project).changed() == []


SLOW_STAGE = """
import sys, time
from pathlib import Path
from pipeline.door import run_door
from pipeline.params import read_value
def main():
    text = f"{read_value('params.yaml', 'n')} {Path('in.txt').read_text()}"
    Path("reading").touch()
    while Path("wait").exists():
        time.sleep(0.01)
    Path("out.txt").write_text(text)
run_door(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), [("params.yaml", "n: 2\n"), ("in.txt", "b"), ("stages/say.py", SLOW_STAGE + "# edited\n")])
def test_dvc_runs_a_stage_again_that_was_edited_under_it(name, text, tmp_path):
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages/__init__.py", tmp_path / "stages")
    (tmp_path / "stages/say.py").write_text(SLOW_STAGE)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  say:\n    cmd: python -m stages.say\n    deps: [in.txt, stages/say.py]\n    params: [n]\n    outs: [out.txt]\n"
    )
    (tmp_path / "params.yaml").write_text("n: 1\n")
    (tmp_path / "in.txt").write_text("a")
    (tmp_path / "wait").touch()
    run = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], **run, check=True)
    with subprocess.Popen([*dvc, "repro"], **run) as first:
        while not (tmp_path / "reading").exists():
            assert first.poll() is None
            time.sleep(0.01)
        (tmp_path / name).write_text(text)
        (tmp_path / "wait").unlink()
        said = first.communicate()[0]
    assert first.returncode != 0
    assert "changed while the stage ran" in said
    second = subprocess.run([*dvc, "repro"], **run, check=True).stdout
    assert STAGE.findall(second) == ["say"], second
    now = "2 a" if name == "params.yaml" else "1 b" if name == "in.txt" else "1 a"
    assert (tmp_path / "out.txt").read_text() == now
    assert STAGE.findall(subprocess.run([*dvc, "repro"], **run, check=True).stdout) == []


def test_an_unchanged_stage_raises_nothing(project, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train@man")
    record.begin()
    record.require_unchanged()
    (project / "data/source.mp4").write_text("another")
    with pytest.raises(InputError, match=r"^data/source\.mp4 changed while the stage ran"):
        record.require_unchanged()
