"""CPU seconds of stages in this checkout beside another one, and whether both write the same: what a speed-up is worth, and changes.

Run by hand: PYTHONPATH=tests python tests/benchmarks/against.py --project PATH --against PATH, the first a checkout in which the demo has
run and that is only read, the second one of the older code. Every stage runs in turns in a process of its own, on one thread, since
threads that wait spin; user and system time of the quickest run count, so that the figures hold on a busy machine too. A line `start` is
the import of the stage's door. Exits with 1 when a file of the two is not the same, byte for byte; times are not compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.side_by_side import commands
from walking import edit_params

from pipeline.plan import parsed, resolve_stage

ROOT = Path(__file__).resolve().parent.parent.parent
STAGES = ("estimate_poses", "segment_person", "evaluate_reconstruction")
ONE_THREAD: dict[str, Any] = {"pose.threads": 1, "matting.threads": 1}
WITHOUT = {"estimate_poses": ("--hand-weights",)}  # the pass of fingers, which is optional; that of edges is matting.edges
OTHER = {"estimate_poses": {}, "segment_person": {"matting.edges": "none"}, "evaluate_reconstruction": {}}


class Cost(NamedTuple):
    """Of one process."""

    cpu_s: float
    wall_s: float


def main() -> None:
    """Run the stages in both checkouts in turns, print the table, exit with 1 where outputs differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT, metavar="PATH", help="checkout in which the demo has run")
    parser.add_argument("--against", type=Path, required=True, metavar="PATH", help="checkout of the older code")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), metavar="STAGE", help="stages of a target or its clip")
    parser.add_argument("--target", default="man", help="target, and its clip of the same name")
    parser.add_argument("--whole", action="store_true", help="with the passes of fingers and edges")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other values of params.yaml, as JSON")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="runs of each, of which the quickest counts")
    args = parser.parse_args()
    print("| stage | before, CPU s | now, CPU s | ratio | now, s | outputs |\n|---|---|---|---|---|---|")
    different = []
    for stage in args.stages:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            folders = Path(one), Path(two)
            imported = _in_turns([["-c", f"import stages.{stage}"]] * 2, (args.against, ROOT), folders, args.repeats)
            print(_line(f"start of {stage}", imported, ""), flush=True)
            words = [_furnished(folder, stage, args) for folder in folders]
            ran = _in_turns(words, (args.against, ROOT), folders, args.repeats)
            found = _differences(*folders)
            print(_line(stage, ran, ", ".join(found) or "equal"), flush=True)
            different += found
    sys.exit(f"{len(different)} outputs differ" if different else 0)


def _furnished(folder: Path, stage: str, args: argparse.Namespace) -> list[str]:
    """Words that run a stage in a folder: it reads the project's data, and writes into the folder."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    values = ONE_THREAD | ({} if args.whole else OTHER.get(stage, {}))
    values |= {key: json.loads(value) for key, value in (entry.split("=", 1) for entry in args.set)}
    edit_params(folder / "params.yaml", values)
    words = commands(stage, args.target, folder)[1:]
    for option in () if args.whole else WITHOUT.get(stage, ()):
        at = words.index(option)
        del words[at : at + 2]
    plan = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    key = f"{args.target}-to-{args.target}" if parsed(plan)["stages"][stage]["foreach"] == "${pairs}" else args.target
    deps = resolve_stage(f"{stage}@{key}", plan, text).deps
    return [_placed(word, deps, args.project.resolve()) for word in words]


def _placed(word: str, deps: Sequence[str], project: Path) -> str:
    """A path of the project where the stage reads it; as it is where it is written, or no path."""
    if word.startswith("pipeline/"):
        return str(ROOT / word)
    read = any(f"{word}/".startswith(f"{dep}/") for dep in deps)
    return str(project / word) if word.startswith("data/") and read else word


def _in_turns(words: Sequence[Sequence[str]], checkouts: Sequence[Path], folders: Sequence[Path], repeats: int) -> list[Cost]:
    """The quickest run of each."""
    runs: list[list[Cost]] = [[] for _ in words]
    for _ in range(repeats):
        for found, command, checkout, folder in zip(runs, words, checkouts, folders, strict=True):
            found.append(_run(command, checkout.resolve(), folder))
    return [min(found) for found in runs]


def _run(words: Sequence[str], checkout: Path, folder: Path) -> Cost:
    """Run Python on words in a folder with a checkout's code; what it took. Ends this process if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(words)} failed:\n{log.read()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start)


def _line(name: str, costs: Sequence[Cost], outputs: str) -> str:
    before, now = costs
    return f"| {name} | {before.cpu_s:.2f} | {now.cpu_s:.2f} | {before.cpu_s / now.cpu_s:.2f} | {now.wall_s:.1f} | {outputs} |"


def _differences(one: Path, two: Path) -> list[str]:
    """Which outputs are not the same, byte for byte; of JSON, by how much the numbers differ at most."""
    names = {path.relative_to(folder) for folder in (one, two) for path in folder.glob("data/**/*") if path.is_file()}
    found = []
    for name in sorted(names):
        a, b = one / name, two / name
        if name.is_relative_to("data/metrics/time") or (a.is_file() and b.is_file() and a.read_bytes() == b.read_bytes()):
            continue
        found.append(f"{name}: {_apart(a, b):.1g}" if name.suffix == ".json" and a.is_file() and b.is_file() else str(name))
    return found


def _apart(one: Path, two: Path) -> float:
    """The largest relative difference of the numbers of two JSON files; infinite where they hold other things."""
    a, b = (_numbers(json.loads(path.read_text(encoding="utf-8"))) for path in (one, two))
    if a.keys() != b.keys():
        return float("inf")
    return max((abs(a[key] - b[key]) / max(abs(a[key]), 1e-12) for key in a), default=0.0)


def _numbers(tree: Any, name: str = "") -> dict[str, float]:
    """Numbers of a tree by where they stand; of a text, its hash."""
    if isinstance(tree, dict):
        return {key: value for part, branch in tree.items() for key, value in _numbers(branch, f"{name}.{part}").items()}
    if isinstance(tree, list):
        return {key: value for i, branch in enumerate(tree) for key, value in _numbers(branch, f"{name}.{i}").items()}
    return {name: float(tree)} if isinstance(tree, int | float) else {f"{name}={tree}": 0.0}


if __name__ == "__main__":
    main()
