"""Where checkpoints wait: beside the project, for a copy of it too."""

import os
import subprocess
import sys

import pytest

from pipeline.training.scratch import scratch_root


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of DVC in which we stand."""
    (tmp_path / "project" / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path / "project"


def test_by_hand_it_lies_here(project):
    assert str(scratch_root()) == ".scratch"


def test_under_repro_it_lies_here(project, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert str(scratch_root()) == ".scratch"


def test_in_the_copy_of_an_experiment_it_lies_in_the_project(project, tmp_path, monkeypatch):
    (tmp_path / "copy" / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert scratch_root() == project / ".scratch"


def test_a_folder_that_is_no_project_counts_for_nothing(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "gone"))
    assert str(scratch_root()) == ".scratch"


def test_dvc_names_the_project_to_the_stages_of_a_queued_experiment(tmp_path):
    """What the place stands on: a real experiment in a copy, whose stage says where it is and what DVC_ROOT says."""
    script = "import os; print(os.environ['DVC_ROOT'], os.getcwd(), sep='\\n', file=open('said.txt', 'w'))"
    (tmp_path / "say.py").write_text(script)
    (tmp_path / "params.yaml").write_text("n: 1\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {say: {cmd: python say.py, params: [n], deps: [say.py], outs: [{said.txt: {cache: false}}]}}\n"
    )
    for command in (["git", "init"], ["dvc", "init"], ["git", "add", "."], ["git", "commit", "-m", "1"]):
        run(tmp_path, *command)
    run(tmp_path, "dvc", "exp", "run", "--temp", "--name", "other", "-S", "n=2")
    revision = run(tmp_path, "git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/other").strip()
    root, here = run(tmp_path, "git", "show", f"{revision}:said.txt").splitlines()
    assert root == str(tmp_path)
    assert here.startswith(f"{tmp_path}/.dvc/tmp/exps/")


def run(folder, *command):
    program = [sys.executable, "-m", "dvc", *command[1:]] if command[0] == "dvc" else command
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(program, cwd=folder, env={**os.environ, **who, "PATH": path}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
