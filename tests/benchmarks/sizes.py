"""Seconds of a training step, frames/s of rendering, and memory of the device, by crop.size_px and precision.

Run by hand where frames, keypoints, meshes, mattes, plates and weights of the target lie under data/:
PYTHONPATH=tests python tests/benchmarks/sizes.py man --sizes 128 256 512. A step's seconds are those of training
longer, divided by the steps more; each size works in a folder of its own.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import psutil
import torch
from benchmarks.side_by_side import ROOT, commands, furnish, run_stage
from walking import edit_params

STEPS = 4, 20
PREPARING = ("crop_person", "index_faces", "keep_references", "list_footage", "retarget_motion", "find_references")
RENDERING = ("generate_foreground", "warp_references", "enhance_faces", "train_refiner", "refine_regions", "fuse")
HEAD = "| size, precision | s a step | training, GiB | generating, frames/s | GiB | carrying, frames/s | fusing, frames/s |"


def main() -> None:
    """Measure every size and precision, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="target of params.yaml")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512], metavar="PX", help="values of crop.size_px")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"], help="values of appearance.precision")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of the target's artifacts")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="params file that has the target")
    args = parser.parse_args()
    data, params = args.data.resolve(), args.params.resolve()
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} threads", torch.__version__)
    lines = [HEAD, "|---|---|---|---|---|---|---|"]
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            _prepare(args.target, size, data, params)
            lines += [_line(args.target, size, precision) for precision in args.precisions]
            os.chdir(ROOT)
    print("\n".join(lines))


def _prepare(target: str, size: int, data: Path, params: Path) -> None:
    furnish(Path(), data, params, {"crop.size_px": size})
    for stage in PREPARING:
        run_stage(stage, commands(stage, target))


def _line(target: str, size: int, precision: str) -> str:
    """A row of the table; the first, short training warms up what the long one is timed with."""
    seconds = []
    for steps in (STEPS[0], *STEPS):
        values = {"appearance.steps": steps, "appearance.precision": precision, "generate.precision": precision}
        edit_params(Path("params.yaml"), values)
        training_gib = _run("train_appearance", target)
        seconds.append(_figures(f"train_appearance@{target}")["seconds"])
    step_s = (seconds[2] - seconds[1]) / (STEPS[1] - STEPS[0])
    gib = {stage: _run(stage, target) for stage in RENDERING}
    pair = f"{target}-to-{target}"
    rates = [f"{_figures(f'{stage}@{pair}')['frames_per_s']:.1f}" for stage in ("generate_foreground", "warp_references", "fuse")]
    generating = f"{rates[0]} | {gib['generate_foreground']:.1f}"
    return f"| {size}, {precision} | {step_s:.3f} | {training_gib:.1f} | {generating} | {rates[1]} | {rates[2]} |"


def _run(stage: str, target: str) -> float:
    """Run a stage; returns the most GiB that it had on the GPU, or without one this process's resident memory after it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    run_stage(stage, commands(stage, target))
    return (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else psutil.Process().memory_info().rss) / 2**30


def _figures(name: str) -> dict[str, float]:
    return json.loads(Path("data/metrics/time", f"{name}.json").read_text())


if __name__ == "__main__":
    main()
