"""What must hold of a project before anything of it goes to workers."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.cluster.entries import write_entries
from pipeline.cluster.plan import read_plan
from pipeline.cluster.project import changed_here, publish, require_commit, require_known, require_remote, require_sources
from pipeline.cluster.work import in_clone
from pipeline.errors import InputError

PLAN = """\
stages:
  score:
    cmd: python -m stages.x
    deps: [code, data/source/a.mkv, data/frames]
    outs: [scores.txt]
    metrics: [{numbers.json: {cache: false}}]
  frames:
    cmd: python -m stages.y
    deps: [code/x.py]
    outs: [data/frames/a]
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A committed project of two stages."""
    from dvc.repo import Repo

    folder = tmp_path / "p"
    for name, text in (("dvc.yaml", PLAN), ("code/x.py", "1"), ("data/source/a.mkv", "a clip"), ("numbers.json", "{}")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q")
    Repo.init(os.fspath(folder)).close()
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "1")
    monkeypatch.chdir(folder)
    return folder


def opened(folder: Path):
    from dvc.repo import Repo

    return Repo(os.fspath(folder))


def test_the_commit_is_what_lies_there(project):
    assert require_commit(project, ["numbers.json"]) == git(project, "rev-parse", "HEAD").strip()
    write_entries(project, {"score": {"cmd": "x"}})
    (project / "numbers.json").write_text("{1}")
    (project / "untracked").touch()
    require_commit(project, ["numbers.json"])  # what stages write may differ
    (project / "code/x.py").write_text("2")
    with pytest.raises(InputError, match=r"code/x\.py must be as committed, since workers clone the commit, found changes"):
        require_commit(project, ["numbers.json"])


def test_without_a_commit_there_is_nothing_to_clone(tmp_path):
    with pytest.raises(InputError, match=r"must have a Git commit, .* Run: git init && git add -A && git commit"):
        require_commit(tmp_path, [])
    git(tmp_path, "init", "-q")
    with pytest.raises(InputError, match="must have a Git commit"):
        require_commit(tmp_path, [])


def test_what_workers_would_lack_is_told(project):
    with opened(project) as repo:
        require_known(project, repo, read_plan(repo))
    git(project, "rm", "-q", "--cached", "data/source/a.mkv")
    git(project, "commit", "-qm", "2")
    with opened(project) as repo:
        plan = read_plan(repo)
        with pytest.raises(InputError, match=r"data/source/a\.mkv must be known to Git or DVC, .*dvc add data/source/a\.mkv && git add"):
            require_known(project, repo, plan)
        repo.add("data/source/a.mkv")
    with opened(project) as repo:
        plan = read_plan(repo)
        assert plan.sources() == ["data/source/a.mkv.dvc"]
        with pytest.raises(InputError, match=r"data/source/a\.mkv\.dvc must be known to Git or DVC"):
            require_known(project, repo, plan)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "3")
    with opened(project) as repo:
        require_known(project, repo, plan)
    require_sources(changed_here(project, plan.sources()), plan)
    (project / "data/source/a.mkv").unlink()
    (project / "data/source/a.mkv").write_text("another clip")
    with pytest.raises(InputError, match=r"data/source/a\.mkv must be as it was added to DVC, found changes"):
        require_sources(changed_here(project, plan.sources()), plan)


def test_a_path_outside_the_project_is_read_where_it_lies(project, tmp_path):
    (project / "dvc.yaml").write_text(PLAN.replace("data/source/a.mkv", str(tmp_path / "a.mkv")))
    (tmp_path / "a.mkv").touch()
    with opened(project) as repo:
        require_known(project, repo, read_plan(repo))


def test_the_remote_is_the_default_one_and_a_folder_is_told_whole(project):
    with opened(project) as repo, pytest.raises(InputError, match="found no default one: dvc remote add -d NAME URL"):
        require_remote(repo)
    for url, told in (("../../store", str(project.parent / "store")), ("s3://bucket/x", "")):
        (project / ".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n")
        with opened(project) as repo:
            assert require_remote(repo) == {"name": "store", "url": told}


def test_what_is_published_can_be_cloned(project, tmp_path):
    commit = require_commit(project, [])
    repository = publish(project, commit, tmp_path / "shared")
    (tmp_path / "scratch").mkdir()
    job = {"run": "r", "repository": repository, "commit": commit, "scratch": str(tmp_path / "scratch")}
    seen = in_clone(tmp_path / "worker", job, lambda clone, *_: (clone / "code/x.py").read_text(), print)  # pyright: ignore
    assert seen == "1"
