"""How many steps of each system of pipeline/experiments/baselines.yaml take as long: what its rows set as `appearance.steps`.

Run by hand on a quiet machine, after `dvc repro`: PYTHONPATH=tests python tests/benchmarks/equal_seconds.py man --seconds 60. Each row
trains twice on the target's artifacts under data/, in a folder of its own, at the list's size and threads; the difference is the time of
its steps. The seconds that a table's rows then took stand in the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.side_by_side import ROOT, commands, furnish
from walking import edit_params

from pipeline.experiments.lists import Experiment, changed, experiments, read_list

STEPS = 4, 12
PREPARING = ("crop_person", "keep_references")


def main() -> None:
    """Time every row, print its steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="target of params.yaml")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of training")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of the target's artifacts")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="params file that has the target")
    args = parser.parse_args()
    listed = changed(read_list("baselines"), args.target, [1], [])
    print("| row | s a step | steps |")
    print("|---|---|---|")
    for row in experiments("baselines", listed, args.params):
        with tempfile.TemporaryDirectory() as folder:
            step_s = seconds_a_step(row, args.target, args.data.resolve(), args.params, Path(folder))
        print(f"| {row.row} | {step_s:.3f} | {round(args.seconds / step_s)} |", flush=True)


def seconds_a_step(row: Experiment, target: str, data: Path, params: Path, folder: Path) -> float:
    """Seconds that one more step of a row's training takes, by its own clock."""
    furnish(folder, data, params, {**row.set, **row.added})
    for stage in PREPARING:
        _run(folder, stage, target)
    taken = []
    for steps in STEPS:
        edit_params(folder / "params.yaml", {"appearance.steps": steps})
        _run(folder, "train_appearance", target)
        taken.append(json.loads((folder / f"data/metrics/time/train_appearance@{target}.json").read_text())["seconds"])
    return (taken[1] - taken[0]) / (STEPS[1] - STEPS[0])


def _run(folder: Path, stage: str, target: str) -> None:
    command = [sys.executable, *commands(stage, target, folder)[1:]]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)


if __name__ == "__main__":
    main()
