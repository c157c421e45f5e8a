"""How many steps of each system of pipeline/experiments/baselines.yaml take as long: what its rows set as `appearance.steps`.

Run by hand on a quiet machine, after `dvc repro`: PYTHONPATH=tests python tests/benchmarks/equal_seconds.py man --seconds 60. Each row
trains twice on the target's artifacts under data/, in a folder of its own, at the list's size and threads; the difference is the time of
its steps. The seconds that a table's rows then took stand in the table.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from walking import edit_params

from pipeline.experiments.lists import Experiment, changed, experiments, read_list

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 4, 12


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
    taken = []
    for steps in STEPS:
        shutil.copy(params, folder / "params.yaml")
        edit_params(folder / "params.yaml", {**row.set, **row.added, "appearance.steps": steps})
        frames = ["--frames", data / f"frames/{target}.zarr", "--mattes", data / f"mattes/{target}.zarr"]
        frames += ["--keypoints", data / f"keypoints/{target}.parquet", "--plate", data / f"plates/{target}.zarr"]
        for stage, out in (("crop_person", "crops.zarr"), ("keep_references", "references.zarr")):
            if not (folder / out).exists():
                _run(folder, stage, "--target", target, *frames, "--out", out)
        inputs = ["--crops", "crops.zarr", "--keypoints", data / f"keypoints/{target}.parquet", "--references", "references.zarr"]
        outs = ["--model", "m.safetensors", "--description", "m.json", "--curve", "m.tsv", "--time", "time.json"]
        outs += ["--discriminators", "m.discriminators.safetensors"]
        _run(folder, "train_appearance", "--target", target, *inputs, "--features", data / "weights/features", *outs)
        taken.append(json.loads((folder / "time.json").read_text())["seconds"])
    return (taken[1] - taken[0]) / (STEPS[1] - STEPS[0])


def _run(folder: Path, stage: str, *words: object) -> None:
    command = [sys.executable, "-m", f"stages.{stage}", *map(str, words)]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)


if __name__ == "__main__":
    main()
