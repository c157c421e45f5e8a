"""A list of experiments run side by side, without DVC, for a machine of many cores or a GPU: the table of pipeline.experiments.

Run by hand where frames, keypoints, meshes, mattes, plates and weights of the target lie under data/:
PYTHONPATH=tests python tests/benchmarks/side_by_side.py baselines --target man --workers 12 --out data/experiments
Every experiment runs its stages from crop_person to evaluate_reconstruction, as dvc.yaml names them, in a folder of its own that is
deleted afterwards; what came before it is shared by links. On one machine with time `python -m pipeline.experiments queue` gives the same.
"""

import argparse
import json
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.costs import words_of
from walking import edit_params

from pipeline.artifacts.scores import read_curve, read_scores
from pipeline.experiments.lists import Experiment, changed, experiments, read_list
from pipeline.experiments.results import Result
from pipeline.experiments.table import write_table
from pipeline.plan import parsed

ROOT = Path(__file__).resolve().parent.parent.parent
STAGES = (
    *("crop_person", "index_faces", "keep_references", "train_appearance", "list_footage", "retarget_motion", "find_references"),
    *("generate_foreground", "warp_references", "enhance_faces", "train_refiner", "refine_regions", "fuse", "remeasure_faces"),
    "evaluate_reconstruction",
)
SHARED = ("frames", "keypoints", "mattes", "plates", "weights")
ADDED_TO = "meshes"  # what lies there is shared, and a stage writes beside it


def main() -> None:
    """Run what has no scores yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", help="a file of pipeline/experiments")
    parser.add_argument("--target", help="another target than the list's")
    parser.add_argument("--seeds", type=int, nargs="+", help="other seeds than the list's")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="values over the list's base")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="experiments at once")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of the target's artifacts")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="params file that has the target")
    parser.add_argument("--out", type=Path, default=ROOT / "data/experiments", help="where scores and the table go")
    args = parser.parse_args()
    listed = changed(read_list(args.list), args.target, args.seeds, args.set)
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = experiments(args.list, listed, args.params)
    left = [one for one in wanted if not (args.out / one.name / "scores.json").exists()]
    spawn = multiprocessing.get_context("spawn")  # a forked process could not use the GPU
    with ProcessPoolExecutor(args.workers, mp_context=spawn) as pool:
        runs = {pool.submit(run, one, listed.target, args.data.resolve(), args.params.resolve(), args.out.resolve()): one for one in left}
        for done in as_completed(runs):
            print(f"{runs[done].name}: {done.result():.0f} s", flush=True)
    results: dict[str, dict[int, Result]] = {}
    for one in wanted:
        results.setdefault(one.row, {})[one.seed] = read_result(args.out / one.name, listed.target)
    for path in write_table(args.out, f"{args.list}-{listed.target}", listed, results):
        print(path)


def run(experiment: Experiment, target: str, data: Path, params: Path, out: Path) -> float:
    """Run one experiment's stages, keep its scores under `out`; returns seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, open(out / f"{experiment.name}.log", "w") as log:
        os.chdir(folder)
        sys.stdout = sys.stderr = log
        furnish(Path(), data, params, {**experiment.set, **experiment.added})
        for stage in STAGES:
            run_stage(stage, commands(stage, target))
        kept = out / experiment.name
        shutil.copytree("data/metrics", kept, dirs_exist_ok=True)
        os.replace(kept / f"{target}.json", kept / "scores.json")
        os.chdir(out)
    return time.perf_counter() - start


def furnish(folder: Path, data: Path, params: Path, values: dict[str, Any]) -> None:
    """Put into a folder what stages run on: params.yaml with these values, the project's code, links to what came before."""
    shutil.copy(params, folder / "params.yaml")
    edit_params(folder / "params.yaml", values)
    (folder / "data").mkdir()
    for name in SHARED:
        (folder / "data" / name).symlink_to(data / name)
    (folder / "data" / ADDED_TO).mkdir()
    for path in (data / ADDED_TO).glob("*"):
        (folder / "data" / ADDED_TO / path.name).symlink_to(path)
    (folder / "pipeline").symlink_to(ROOT / "pipeline")


def commands(stage: str, target: str, folder: Path = Path()) -> list[str]:
    """Words of a stage's command in a furnished folder: for a target, for the clip of its name, or for its pair with itself."""
    tree, plan = (parsed(path.read_text(encoding="utf-8")) for path in (folder / "params.yaml", ROOT / "dvc.yaml"))
    entry = plan["stages"][stage]
    key = f"{target}-to-{target}" if entry["foreach"] == "${pairs}" else target
    return ["python", "-m", *words_of(entry, tree, key)]


def run_stage(stage: str, words: Sequence[str]) -> None:
    """Run a door in this process, so that imports count once; RuntimeError where it fails."""
    module, sys.argv = words[2], list(words[2:])
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{stage}: {' '.join(words)} ended with {end.code}") from None


def read_result(folder: Path, target: str) -> Result:
    """Scores and costs that run() kept."""
    times = {path.stem: json.loads(path.read_text()) for path in (folder / "time").iterdir()}
    training = sum(times[f"{stage}@{target}"]["seconds"] for stage in ("train_appearance", "train_refiner"))
    costs = {"training_s": training, "frames_per_s": times[f"generate_foreground@{target}-to-{target}"]["frames_per_s"]}
    return Result(read_curve(folder / f"frames/{target}.tsv"), read_scores(folder / "scores.json"), costs, "", "")


if __name__ == "__main__":
    main()
