"""One stage by DVC in a clone of the commit: what upstream made is pulled, the stage runs, its outs and its run are pushed.

Run in the clone by a worker, `python -m pipeline.cluster.stage JOB`; what came of it stands in the job's file afterwards.
"""

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from pipeline.cluster.entries import read_entries, read_files, write_entries, write_files
from pipeline.cluster.transfer import pull_outs, push_outs
from pipeline.errors import InputError
from pipeline.failures import one_line

WATCH_S = 0.1


def main() -> None:
    """Run the stage that the job's file names; exit code 1 and a last line that begins with `error: ` when it fails."""
    path = Path(sys.argv[1])
    job = json.loads(path.read_text(encoding="utf-8"))
    _end_with(os.getppid())
    try:
        done = run_stage(Path.cwd(), job)
    except Exception as error:  # of DVC's many kinds; whatever it is, the stage failed
        cause = error.__cause__ or error
        sys.exit(one_line(f"error: {cause if str(cause) else type(cause).__name__}"))
    path.write_text(json.dumps(done), encoding="utf-8")


def run_stage(clone: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run one stage in a clone that holds nothing but the commit and DVC's cache.

    job: address, needs (addresses and .dvc files whose outs it reads), entries and files (of needs, and its own earlier
    ones), remote {name, url}. Returns its new entry and files; InputError and DVC's own errors when it fails.
    """
    from dvc.repo import Repo, lock_repo

    logging.getLogger("dvc").setLevel(logging.WARNING)  # what the stage says is shown, not that DVC updates its files
    write_entries(clone, job["entries"], keep=False)
    write_files(clone, job["files"])
    _configure(clone, job["remote"])
    repo = Repo(os.fspath(clone))
    address = job["address"]
    with lock_repo(repo):
        stages = {found.addressing: found for found in repo.index.stages}  # DVC reads dvc.yaml anew for each that it is asked for
        stage, upstream = stages[address], [stages[name] for name in job["needs"]]
        if _is_current(stage, upstream):
            pull_outs(repo, [stage])
        else:
            pull_outs(repo, upstream)
            runs = _Runs(repo, stage)
            runs.fetch()
            if stage.reproduce(pull=False):
                stage.dump(update_pipeline=False)
            if not stage.outs_cached():  # a disk that fills while DVC copies is no error to DVC
                raise InputError(f"{clone} must have room for DVC's cache of {address}, whose outs are not all in it: make room there.")
            push_outs(repo, [stage])
            runs.push()
    kept = [out.def_path for out in stage.outs if not out.use_cache]
    return {"entry": read_entries(clone)[address], "files": read_files(clone, kept)}


def _is_current(stage: Any, upstream: list[Any]) -> bool:
    """Whether a stage's earlier entry still holds, told by entries alone: nothing but the commit is there yet."""
    known = {out.fs_path for found in upstream for out in found.outs}
    told = all(dep.fs_path in known for dep in stage.deps if getattr(dep, "fs_path", None) and not dep.exists)
    return told and all(out.use_cache for out in stage.outs) and not stage.changed(True, upstream)


class _Runs:
    """The runs of one stage in DVC's run cache: its own alone are fetched and pushed.

    DVC moves all runs of the project each time, one after the other, which grows with their square.
    """

    def __init__(self, repo: Any, stage: Any) -> None:
        from dvc.stage.cache import RunCacheNotSupported, _can_hash, _get_stage_hash

        self._here = self._there = None
        if not all(out.use_cache for out in stage.outs):
            return  # DVC pushes the run, but no out that it does not cache
        stage.save_deps()
        try:
            odb = repo.cloud.get_remote_odb(None, "run cache", hash_name="md5-dos2unix")
        except RunCacheNotSupported:
            return
        if not _can_hash(stage) or odb.fs.protocol in ("http", "https"):
            return
        self._key = key = _get_stage_hash(stage)
        self._cloud, self._cache = repo.cloud, repo.stage_cache
        self._here, self._there = ((db.fs, db.fs.join(db.path, "runs", key[:2], key)) for db in (repo.cache.legacy, odb))

    def fetch(self) -> None:
        """Bring the stage's earlier runs, and the outs that they name."""
        if self._here is None or self._there is None:
            return
        for name in _move(*self._there, *self._here):
            cache = self._cache._load_cache(self._key, name)
            for objects in self._cache._create_stage(cache).get_used_objs().values() if cache else ():
                self._cloud.pull(objects)  # what fails is missing, and the stage then runs

    def push(self) -> None:
        """Take the stage's run along to the remote."""
        if self._here is not None and self._there is not None:
            _move(*self._here, *self._there)


def _move(from_fs: Any, source: str, to_fs: Any, target: str) -> list[str]:
    """Copy the files of a folder that are not there yet; returns the names of all."""
    from dvc.fs import generic

    names = [from_fs.name(path) for path in from_fs.find(source)] if from_fs.exists(source) else []
    for name in names:
        if not to_fs.exists(to_fs.join(target, name)):
            to_fs.makedirs(target, exist_ok=True)
            generic.copy(from_fs, from_fs.join(source, name), to_fs, to_fs.join(target, name))
    return names


def _configure(clone: Path, remote: dict[str, str]) -> None:
    """The clone's own settings: which remote, and DVC's private state inside the clone, so that nothing stays behind."""
    from dvc.config import Config

    settings: Any
    with Config(os.fspath(clone / ".dvc")).edit("local") as settings:
        settings["core"] = {"remote": remote["name"], "site_cache_dir": os.fspath(clone / ".dvc" / "tmp" / "site")}
        if remote["url"]:
            settings["remote"][remote["name"]] = {"url": remote["url"]}


def _end_with(parent: int) -> None:
    """End when the worker ends, however it does; the stage ends with this process (pipeline/leash.py)."""
    worker = psutil.Process(parent)

    def watch() -> None:
        while worker.is_running() and os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
