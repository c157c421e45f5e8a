"""The stage in real `dvc repro`: again it runs nothing, nor at a colleague's; another word of consent signs anew; a bad one in one line."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from walking import ROOT, Project, cast, edit_params, environment

from pipeline.closure import listings
from pipeline.sign.verify import verify

pytestmark = pytest.mark.slow
BOTH = ["sign@ann-to-ann", "sign@ben-to-ann"]


def git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *author, *arguments], cwd=folder, env=environment(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def first(tmp_path_factory, drawn) -> Project:
    """A project of the one stage, whose unsigned videos are there already, after its first run."""
    base = tmp_path_factory.mktemp("stage")
    folder = base / "mine"
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    (folder / ".gitignore").write_text("/data/signed/\n__pycache__/\n.scratch/\n")
    plan = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
    out = io.StringIO()
    YAML().dump({"stages": {"sign": plan["stages"]["sign"]}}, out)
    (folder / "dvc.yaml").write_text(out.getvalue())
    edit_params(folder / "params.yaml", cast())
    for path in ("data/videos", "data/consent"):
        (folder / path).mkdir(parents=True)
    (folder / "data/consent/.gitkeep").touch()
    (folder / "data/names.ok").touch()
    (folder / "data/code").mkdir()
    (folder / "data/code/sign.sha256").write_text(listings()["sign"])
    for pair in cast()["pairs"]:
        shutil.copy(drawn.video, folder / f"data/videos/{pair}.mp4")
        shutil.copy(drawn.sidecar, folder / f"data/videos/{pair}.json")
    project = Project(folder)
    git(folder, "init", "-q")
    project.dvc("init", "-q")
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    project.dvc("remote", "add", "-q", "-d", "shelf", str(base / "shelf"))
    project.ran = project.repro()
    return project


def said(project: Project) -> tuple[str, ...]:
    return verify(project.folder / "data/signed/ben-to-ann.mp4").says


def test_signed_once_and_never_again_here_or_at_a_colleagues(first, tmp_path):
    assert first.ran == BOTH
    signed = first.bytes_of("data/signed")
    assert first.repro() == []
    first.dvc("push", "-q")
    git(first.folder, "add", "-A")
    git(first.folder, "commit", "-q", "-m", "signed")
    git(tmp_path, "clone", "-q", str(first.folder), "theirs")
    colleague = Project(tmp_path / "theirs")
    colleague.dvc("pull", "-q")
    assert colleague.repro() == []
    assert colleague.bytes_of("data/signed") == signed == first.bytes_of("data/signed")


def test_consent_is_watched_and_a_bad_one_is_one_line(first, tmp_path):
    project = first.copy(tmp_path / "p")
    consent = project.folder / "data/consent/ann.txt"
    edit_params(project.folder / "params.yaml", {"targets.ann.consent": "data/consent/ann.txt"})
    failed = project.dvc("repro", check=False)
    assert [line for line in failed.stderr.splitlines() if line.startswith("error: ")] == [
        "error: data/consent/ann.txt must be a readable text file with the person's consent: No such file or directory. "
        "Put the words there, or take `consent` out of the target's params."
    ]
    consent.write_text("Yes.")
    assert project.repro() == BOTH
    assert "consent of the person shown: Yes." in said(project)
    consent.write_text("Until May.")
    assert project.repro() == BOTH
    assert "consent of the person shown: Until May." in said(project)
    assert project.repro() == []
