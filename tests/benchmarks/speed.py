"""Frames per second of our generator beside an EDN-sized one, same machine, process, precision and threads.

Run by hand: python tests/benchmarks/speed.py. Prints the Markdown table that stands in docs/explanation/results.md.
The EDN-sized generator renders one frame a pass, since each frame reads the one before; ours renders k frames a window,
and as many windows a pass as `generate.batch_windows` says. Only the networks are timed: no drawing, no files.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.renderers.base import GenerateParams
from pipeline.body.pose_maps import pose_channels
from pipeline.body.skeleton import load_skeleton
from pipeline.networks.edn import GlobalGenerator
from pipeline.networks.generator import Generator, GeneratorShape
from pipeline.params import read_section
from pipeline.training.device import autocast, choose_device, choose_dtype, prepare_cpu

ROOT = Path(__file__).resolve().parent.parent.parent
SIDES = (256, 512)
EDN_CHANNELS = 3 + 3  # a drawn pose and the output before
Pass = Callable[[], object]


def main() -> None:
    """Time both generators at every side and precision; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="interleaved timings, of which the median counts")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, metavar="PX", help="sides of the pictures")
    args = parser.parse_args()
    appearance = read_section(ROOT / "params.yaml", "appearance", AppearanceParams)
    generate = read_section(ROOT / "params.yaml", "generate", GenerateParams)
    prepare_cpu(generate.threads)
    device = choose_device()
    k, windows = appearance.k, generate.batch_windows
    print(f"{_machine(device, generate.threads)}; torch {torch.__version__}; windows of k = {k} frames\n")
    print("| side, precision | EDN-sized, frames/s | ours, frames/s | ratio |")
    print("|---|---|---|---|")
    for dtype in dict.fromkeys((torch.float32, choose_dtype("auto", device))):
        for side in args.sides:
            passes = _passes(appearance, windows, side, device, dtype)
            seconds = _medians(passes, args.repeats, device)
            edn = 1 / min(seconds["edn"], seconds["edn, channels last"])
            ours = windows * k / seconds["ours"]
            precision = str(dtype).removeprefix("torch.")
            print(f"| {side}², {precision} | {edn:.3g} | {ours:.3g} | {ours / edn:.3g} |", flush=True)


def _passes(params: AppearanceParams, windows: int, side: int, device: torch.device, dtype: torch.dtype) -> dict[str, Pass]:
    """One pass of each generator on random inputs; the EDN-sized one in both layouts, of which the faster counts."""
    channels = pose_channels(load_skeleton(ROOT / "pipeline" / "skeletons" / "human.yaml"), params.pose_map)
    network = params.network
    shape = GeneratorShape(channels, params.k, network.base_width, network.levels, network.blocks, network.dense_skips)
    ours = Generator(shape).to(device).to(memory_format=torch.channels_last).eval()
    poses = torch.rand(windows, params.k, channels, side, side, device=device)
    passes: dict[str, Pass] = {"ours": lambda: ours(poses)}
    for name, layout in (("edn", torch.contiguous_format), ("edn, channels last", torch.channels_last)):
        edn = GlobalGenerator(EDN_CHANNELS).to(device).to(memory_format=layout).eval()
        frame = torch.rand(1, EDN_CHANNELS, side, side, device=device).to(memory_format=layout)
        passes[name] = lambda edn=edn, frame=frame: edn(frame)

    def quiet(run: Pass) -> Pass:
        def once() -> None:
            with torch.inference_mode(), autocast(device, dtype):
                run()

        return once

    return {name: quiet(run) for name, run in passes.items()}


def _medians(passes: dict[str, Pass], repeats: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each pass; the passes take turns, so that whatever else the machine does hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for repeat in range(repeats + 1):  # the first turn warms up and does not count
        for name, run in passes.items():
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _machine(device: torch.device, threads: int) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{model}, {threads} threads"


if __name__ == "__main__":
    main()
