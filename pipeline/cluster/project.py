"""The project at the head: what workers can be given of it, and what DVC does here before and after them."""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cluster.entries import LOCK
from pipeline.cluster.plan import Plan
from pipeline.cluster.transfer import pull_outs, push_outs
from pipeline.errors import InputError

BRANCH = "spread"


@dataclass(frozen=True)
class Shared:
    """What workers get to know: the commit, the repository that they clone it from, the remote, the shared scratch folder."""

    commit: str
    repository: str
    remote: dict[str, str]
    scratch: str


def require_commit(project: Path, outs: Iterable[str]) -> str:
    """The commit that is checked out; InputError when there is none, or the working tree differs from it.

    outs: paths that stages write, which may differ, as dvc.lock may.
    """
    if not (project / ".git").exists() or _git(project, "rev-parse", "--verify", "-q", "HEAD", check=False)[0]:
        raise InputError(f"{project} must have a Git commit, which workers clone, found none. Run: git init && git add -A && git commit")
    changed = _git(project, "diff", "--name-only", "-z", "HEAD")[1].split("\0")[:-1]
    written = {LOCK, *outs}
    if mine := [name for name in changed if name not in written]:
        more = f" and {len(mine) - 1} more" if mine[1:] else ""
        raise InputError(f"{mine[0]}{more} must be as committed, since workers clone the commit, found changes. Run: git commit -am …")
    return _git(project, "rev-parse", "HEAD")[1].strip()


def require_known(project: Path, repo: Any, plan: Plan) -> None:
    """InputError when a file that a stage of the plan reads is known neither to the commit nor to DVC.

    A path outside the project is read where it lies, by every worker.
    """
    committed = _git(project, "ls-tree", "-r", "--name-only", "-z", "HEAD")[1].split("\0")[:-1]
    outs = [os.path.relpath(out.fs_path, project) for stage in repo.index.stages for out in stage.outs if out.protocol == "local"]
    known = {folder.as_posix() for name in (*committed, *outs) for folder in (Path(name), *Path(name).parents)}
    missing = [name for name in plan.sources() if Path(name).as_posix() not in known]
    stages = {stage.addressing: stage for stage in repo.index.stages}
    for task in plan.at("worker"):
        for dep in stages[task.address].deps:
            path = dep.def_path
            inside = not os.path.isabs(path) and not path.startswith("..") and dep.protocol == "local"
            if inside and path not in known and not any(path.startswith(f"{out}/") for out in outs):
                missing.append(path)
    if missing:
        path = missing[0]
        more = f" (and {len(set(missing)) - 1} more)" if len(set(missing)) > 1 else ""
        add = f"git add {path}" if path.endswith(".dvc") else f"dvc add {path} && git add {path}.dvc"
        raise InputError(f"{path}{more} must be known to Git or DVC, since workers get nothing else. Run: {add} && git commit")


def require_remote(repo: Any) -> dict[str, str]:
    """Name of the project's default DVC remote, and its folder where it is one on a file system; InputError when there is none."""
    name = repo.config["core"].get("remote")
    settings = repo.config["remote"].get(name) if name else None
    if not settings:
        raise InputError("workers hand results on through a DVC remote, found no default one: dvc remote add -d NAME URL, then git commit.")
    url = str(settings["url"])
    return {"name": name, "url": url if os.path.isabs(url) else ""}


def publish(project: Path, commit: str, folder: Path) -> str:
    """A bare repository with the commit in a folder that workers see; returns its path."""
    repository = folder / "project.git"
    folder.mkdir(parents=True)
    _git(project, "init", "-q", "--bare", os.fspath(repository))
    _git(project, "push", "-q", os.fspath(repository), f"{commit}:refs/heads/{BRANCH}")
    _git(repository, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    return os.fspath(repository)


def repro_here(project: Path, addresses: list[str], alone: bool) -> None:
    """Have DVC run stages here, one after the other, going on after a failure; alone: without what they need."""
    if addresses:
        options = ["--keep-going", *(["--single-item"] if alone else [])]
        subprocess.run([sys.executable, "-m", "dvc", "repro", *options, *addresses], cwd=project, check=False, stdin=subprocess.DEVNULL)


def require_sources(changed: Iterable[str], plan: Plan) -> None:
    """InputError when a file that `dvc add` keeps is not as it was added: workers would get the earlier one."""
    if mine := sorted(set(plan.sources()) & set(changed)):
        path = mine[0].removesuffix(".dvc")
        raise InputError(f"{path} must be as it was added to DVC, found changes. Run: dvc add {path} && git commit -am … ({path})")


def changed_here(project: Path, addresses: Iterable[str]) -> set[str]:
    """Stages and .dvc files that DVC finds changed by themselves: values, files or outs differ, or there is no entry."""
    with _repo(project) as repo:
        return set(repo.status()) & set(addresses)


def hand_over(project: Path, addresses: list[str]) -> None:
    """Push outs of stages and of .dvc files to the remote; InputError when that fails."""
    _transfer(project, push_outs, addresses)


def bring_home(project: Path, addresses: list[str]) -> None:
    """Pull outs of stages whose entries stand in dvc.lock, in place of what lies there; InputError when that fails."""
    _transfer(project, pull_outs, addresses, force=True)


def _transfer(project: Path, move: Callable[..., None], addresses: Collection[str], **options: bool) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import lock_repo

    if not addresses:
        return
    try:
        with _repo(project) as repo, lock_repo(repo):
            stages = {stage.addressing: stage for stage in repo.index.stages}
            move(repo, [stages[name] for name in addresses], **options)
    except DvcException as error:
        raise InputError(f"DVC must reach its remote and cache, found: {' '.join(str(error).split())}. Try dvc status --cloud.") from None


def _repo(project: Path) -> Any:
    from dvc.repo import Repo

    return Repo(os.fspath(project))


def _git(folder: Path, *arguments: str, check: bool = True) -> tuple[int, str]:
    done = subprocess.run(["git", "-C", os.fspath(folder), *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise InputError(f"git {arguments[0]} must work in {folder}, found: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return done.returncode, done.stdout
