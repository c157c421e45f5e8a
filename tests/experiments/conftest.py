import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
PARAMS = """\
threshold: null  # told
steps: 8
seed: 0
appearance: {seed: 0}
refine: {seed: 0}
face: {alpha: 0.5, beta: 1 - alpha}
layers: [1.0, 2.0]
clips:
  ann: {video: data/source/ann.mkv, labels: data/source/ann.mkv}
  eve: {video: data/demo/eve.mp4, labels: data/demo/eve.mp4}
targets:
  ann: {clip: ann, appearance: {}}
  eve: {clip: eve, appearance: {}}
pairs: {}
"""


class Tiny:
    """A project of one stage under Git and DVC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str) -> str:
        program = [sys.executable, "-m", "dvc", *command[1:]] if command[0] == "dvc" else list(command)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **WHO, "PATH": path}
        done = subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed project of one stage, made once; nobody changes it."""
    project = Tiny(tmp_path_factory.mktemp("committed") / "project")
    project.write("params.yaml", PARAMS)
    project.write("data/source/ann.mkv", "a clip")
    project.write("dvc.yaml", "stages: {score: {cmd: 'echo {} > scores.json', params: [steps, appearance], outs: [scores.json]}}\n")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "add", "."], ["git", "commit", "-qm", "1"]):
        project.run(*command)
    return project.folder


@pytest.fixture
def tiny(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A copy of the committed project, for one test."""
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    return Tiny(Path(shutil.copytree(committed, tmp_path / "project")))
