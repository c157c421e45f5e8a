"""Frames per second and peak memory of OpenPose's networks as the backend runs them, beside the same modules in eager float32, contiguous.

Run by hand: PYTHONPATH=.:tests python tests/benchmarks/openpose_networks.py. Prints a Markdown table. The body's input is that of a 16:9
frame at scale 0.5, the hand's that of scale 1; weights by the fill rule of the oracles. Timings take turns; memory is
that of a process of its own.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from reference.oracle_weights import fill

from pipeline.pose.backends.openpose.infer import MapMaker
from pipeline.pose.backends.openpose.network import BodyNet, HandNet

INPUTS_HW = {"body": (184, 328), "hand": (368, 368)}
WAYS = ("eager", "float32", "bfloat16")
NAMES = {"eager": "eager float32, contiguous", "float32": "ours, float32", "bfloat16": "ours, bfloat16"}
Pass = Callable[[], list[np.ndarray]]


def main() -> None:
    """Time all ways, then weigh each; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="interleaved timings, of which the median counts")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--weigh", nargs=2, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.weigh:
        make_pass(*args.weigh)()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print("| network, input | way | frames/s | times as fast | largest difference (of the largest value) | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for role, (height, width) in INPUTS_HW.items():
        passes = {way: make_pass(role, way) for way in WAYS}
        seconds, outputs = take_turns(passes, args.repeats)
        for way in WAYS:
            apart = max(np.abs(a - b).max() for a, b in zip(outputs[way], outputs["eager"], strict=True))
            largest = max(np.abs(b).max() for b in outputs["eager"])
            ratio = seconds["eager"] / seconds[way]
            cells = [f"{1 / seconds[way]:.2f}", f"{ratio:.2f}", f"{apart:.1e} ({apart / largest:.1e})", f"{weigh(role, way, args):.0f}"]
            print(f"| {role}, {height} x {width} | {NAMES[way]} | {' | '.join(cells)} |", flush=True)


def make_pass(role: str, way: str) -> Pass:
    """Return one pass of a network on a seeded input."""
    kind = {"body": BodyNet, "hand": HandNet}[role]
    with torch.device("meta"):
        network = kind()
    spec = [(key, tuple(value.shape), "float32") for key, value in network.state_dict().items()]
    network.load_state_dict({key: torch.from_numpy(value) for key, value in fill(spec, 2**0.5).items()}, assign=True)
    image = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3, *INPUTS_HW[role])).astype(np.float32)
    network.eval().requires_grad_(False)
    if way == "eager":
        return lambda: eager(network, image)
    maker = MapMaker(network, "cpu", way)
    return lambda: maker.run(image)


def eager(network: torch.nn.Module, image: np.ndarray) -> list[np.ndarray]:
    """Run the module as it stands."""
    with torch.no_grad():
        outputs = network(torch.from_numpy(image))
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]


def take_turns(passes: dict[str, Pass], repeats: int) -> tuple[dict[str, float], dict[str, list[np.ndarray]]]:
    """Return the median seconds and the outputs of each pass; the first turn warms up and does not count."""
    times: dict[str, list[float]] = {way: [] for way in passes}
    outputs = {way: run() for way, run in passes.items()}
    for _ in range(repeats):
        for way, run in passes.items():
            start = time.perf_counter()
            run()
            times[way].append(time.perf_counter() - start)
    return {way: statistics.median(values) for way, values in times.items()}, outputs


def weigh(role: str, way: str, args: argparse.Namespace) -> float:
    """Return the peak resident memory in MB of a process that makes one pass."""
    command = [sys.executable, str(Path(__file__)), "--threads", str(args.threads), "--weigh", role, way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
