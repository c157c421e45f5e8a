"""What finished experiments left, read through their Git revisions: nothing is checked out."""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.artifacts.scores import read_curve, read_scores
from pipeline.errors import InputError

FINISHED = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")
TRAININGS = ("train_appearance", "train_refiner")


@dataclass(frozen=True)
class Result:
    """One finished experiment: scores by frame (columns), scores of the whole, costs, and what it was made from.

    made_from: digest of the code of all its stages and of the params that no row sets; equal for rows that can be compared.
    """

    frames: Mapping[str, Sequence[float]]
    scores: Mapping[str, Any]
    costs: Mapping[str, float]
    commit: str
    made_from: str


class Repository:
    """The project's Git history and DVC cache, for reading."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = Path(self._run(sys.executable, "-m", "dvc", "cache", "dir").strip())
        if not self.cache.is_absolute():
            self.cache = root / self.cache

    def finished(self) -> dict[str, str]:
        """Revision of every finished experiment by name; of several of one name the latest."""
        lines = self._run("git", "for-each-ref", "--sort=committerdate", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
        pairs = (line.split(" ", 1) for line in lines)
        return {match[1]: revision for revision, ref in pairs if (match := FINISHED.fullmatch(ref))}

    def result(self, revision: str, target: str, overridden: frozenset[str]) -> Result:
        """Read one experiment; InputError when its scores are no longer there."""
        lock = self._show(revision, "dvc.lock").decode()
        with tempfile.TemporaryDirectory() as folder:
            places = (f"frames/{target}.tsv", f"{target}.json", *(f"time/{stage}.json" for stage in _timed(target)))
            files = {place: self._file(revision, f"data/metrics/{place}", lock, Path(folder)) for place in places}
            needed = [files[place] for place in places[:2]]
            if needed[0] is None or needed[1] is None:
                gone = "dvc gc has taken its scores by frame" if needed[0] is None else "it has no scores"
                raise InputError(f"experiment {revision[:7]} cannot be read: {gone}. Run: dvc exp remove, and queue it again")
            times = {place: read_scores(path) for place, path in files.items() if path and place.startswith("time/")}
            frames, scores = read_curve(needed[0]), read_scores(needed[1])
        code = sorted(set(re.findall(r"- path: ((?:pipeline|stages)/\S+\.py)\n\s+hash: md5\n\s+md5: (\w+)", lock)))
        params = YAML(typ="safe", pure=True).load(self._show(revision, "params.yaml").decode())
        rest = [pair for pair in _leaves(params) if pair[0] not in overridden]
        made_from = hashlib.sha256(json.dumps([code, rest], default=str).encode()).hexdigest()[:8]
        commit = self._run("git", "rev-parse", "--short", f"{revision}^").strip()
        return Result(frames, scores, _costs(times, target), commit, made_from)

    def _file(self, revision: str, path: str, lock: str, folder: Path) -> Path | None:
        """A file as the experiment made it: from DVC's cache by the digest in its dvc.lock, or else from Git; None when in neither."""
        match = re.search(rf"- path: {re.escape(path)}\n\s+hash: md5\n\s+md5: (\w+)", lock)
        cached = self.cache / "files" / "md5" / match[1][:2] / match[1][2:] if match else None
        if cached is not None and cached.is_file():
            return cached
        try:
            content = self._show(revision, path)
        except InputError:
            return None
        copy = folder / path.replace("/", "-")
        copy.write_bytes(content)
        return copy

    def _show(self, revision: str, path: str) -> bytes:
        return self._run("git", "show", f"{revision}:{path}").encode()

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [""]
            raise InputError(f"{' '.join(command[-3:])}: {said[-1]}")
        return done.stdout


def _timed(target: str) -> tuple[str, ...]:
    return (*(f"{stage}@{target}" for stage in TRAININGS), f"generate_foreground@{target}-to-{target}")


def _costs(times: Mapping[str, Mapping[str, float]], target: str) -> dict[str, float]:
    """Seconds of the trainings together, and frames/s of rendering; what left no figures is left out."""
    of = {place.removeprefix("time/").removesuffix(".json"): figures for place, figures in times.items()}
    trainings = [of[f"{stage}@{target}"]["seconds"] for stage in TRAININGS if f"{stage}@{target}" in of]
    rendering = of.get(f"generate_foreground@{target}-to-{target}", {})
    costs = {"training_s": sum(trainings)} if len(trainings) == len(TRAININGS) else {}
    return {**costs, **({"frames_per_s": rendering["frames_per_s"]} if "frames_per_s" in rendering else {})}


def _leaves(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Values of nested mappings with their dotted keys; an empty mapping says nothing, since presets fill such."""
    if not isinstance(tree, Mapping):
        return [(prefix, tree)]
    return [pair for key, value in sorted(tree.items()) for pair in _leaves(value, f"{prefix}.{key}" if prefix else str(key))]
