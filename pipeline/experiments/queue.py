"""Queueing what is not done: each row at each seed becomes one `dvc exp run --queue`."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.experiments.lists import Experiment

STATUS = re.compile(r"^[0-9a-f]{7}\s+(\S+)\s.*\s(Queued|Running|Success|Failed)\s*$", re.M)
WORKERS = re.compile(r"Worker status: (\d+) active, (\d+) idle")


def queue(experiments: Sequence[Experiment], finished: Mapping[str, Any], root: Path, say: Callable[[str], None] = print) -> list[str]:
    """Queue the experiments that are neither finished nor waiting nor running; returns their names.

    One that failed, or whose worker was killed, is taken out of the queue and queued anew: its training goes on from its
    checkpoint, and stages that ended come from DVC's cache.
    """
    status = _status(root)
    wanted = {experiment.name for experiment in experiments} - set(finished)
    running = [name for name, state in status.items() if state == "Running" and name in wanted]
    if running and not _has_worker(root):
        say(f"{len(running)} running without a worker, which was killed: taken up again")
        for name in running:
            _dvc(root, "queue", "kill", "--force", name)
        status = {**status, **dict.fromkeys(running, "Failed")}
    again = [name for name, state in status.items() if state in ("Failed", "Success") and name in wanted]
    if again:
        _dvc(root, "queue", "remove", *again)
    new = [e for e in experiments if e.name in wanted and status.get(e.name) not in ("Queued", "Running")]
    for number, experiment in enumerate(new, 1):
        _dvc(root, "exp", "run", "--queue", "--name", experiment.name, *_settings(experiment), experiment.stage)
        say(f"queued {number}/{len(new)} {experiment.name}")
    return [experiment.name for experiment in new]


def require_known_sources(root: Path, target: str, clips: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
    """InputError when a file that the target is made from is known neither to Git nor to DVC.

    A queued experiment runs in a copy that holds nothing else. What a stage fetches need not be known.
    """
    clip = clips[targets[target]["clip"]]
    for path in dict.fromkeys((clip["video"], clip["labels"])):
        known = subprocess.run(["git", "ls-files", path, f"{path}.dvc"], cwd=root, capture_output=True, text=True, check=True).stdout
        fetched = Path(path).is_relative_to("data/demo")
        if not (known or fetched):
            raise InputError(
                f"{path} must be known to Git or DVC, since experiments run in a copy of what these know: "
                f"dvc add {path} && git add {path}.dvc && git commit"
            )


def require_commit(root: Path) -> None:
    """InputError outside a Git repository with a commit, without which DVC keeps no experiments."""
    if subprocess.run(["git", "rev-parse", "--verify", "-q", "HEAD"], cwd=root, capture_output=True).returncode:
        raise InputError(
            "experiments are kept as Git revisions: they need a repository with a commit. Run: git init && git add -A && git commit"
        )


def _settings(experiment: Experiment) -> list[str]:
    """Options for `dvc exp run`; ++ sets a key whether it is there or not."""
    words = [f"{key}={_hydra(value)}" for key, value in experiment.set.items()]
    words += [f"++{key}={_hydra(value)}" for key, value in experiment.added.items()]
    return [part for word in words for part in ("-S", word)]


def _hydra(value: Any) -> str:
    """A value in Hydra's grammar, quoted where it is text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_hydra, value))}]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)


def _status(root: Path) -> dict[str, str]:
    """State of everything in DVC's queue, by name."""
    return dict(STATUS.findall(_dvc(root, "queue", "status")))


def _has_worker(root: Path) -> bool:
    """Whether a worker is alive: one that answers DVC, or, since it may be too busy to answer, whose process is there."""
    match = WORKERS.search(_dvc(root, "queue", "status"))
    if match and any(map(int, match.groups())):
        return True
    left = (root / ".dvc" / "tmp" / "exps" / "celery").glob("dvc-exp-worker-*.json")
    return any(Path(f"/proc/{json.loads(file.read_text())['pid']}").exists() for file in left)


def _dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [""]
        raise InputError(f"dvc {' '.join(arguments[:3])}: {said[-1]}")
    return done.stdout
