"""What it costs that threads wait by spinning: seconds of the generator, forward and backward, alone and beside two busy processes.

Run by hand, on a machine that is quiet otherwise: python tests/benchmarks/waiting.py. OpenMP's default is compared, in turns, with
threads that sleep after a thousand turns (docs/how-to/cluster.md) and with those that never spin.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.systems.fakevideo import generator_shape
from pipeline.body.pose_maps import pose_channels
from pipeline.body.skeleton import load_skeleton
from pipeline.networks.generator import Generator
from pipeline.params import read_section
from pipeline.training.device import prepare_cpu

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT = "OpenMP's default"
POLICIES = {DEFAULT: {}, "a thousand turns": {"GOMP_SPINCOUNT": "1000"}, "never spinning": {"OMP_WAIT_POLICY": "PASSIVE"}}
BUSY = "while True: pass"
SIDE = 128
PASSES = 8
WARM_UP = 2


def main() -> None:
    """Time each policy in turns, print medians and ratios to OpenMP's default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="interleaved timings, of which the median counts")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--time", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.time:
        print(pass_s(args.threads))
        return
    for beside in (0, 2):
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
        try:
            taken = [{name: _in_its_own_process(policy, args.threads) for name, policy in POLICIES.items()} for _ in range(args.repeats)]
        finally:
            for other in others:
                other.kill()
        for name in POLICIES:
            median = statistics.median(row[name] for row in taken)
            ratio = statistics.median(row[DEFAULT] / row[name] for row in taken)
            print(f"beside {beside} busy processes, {name}: {median:.2f} s a pass, {ratio:.2f} times the default's speed", flush=True)


def pass_s(threads: int) -> float:
    """Median seconds of a training batch through the generator and back."""
    params = read_section(ROOT / "params.yaml", "appearance", AppearanceParams)
    prepare_cpu(threads)
    channels = pose_channels(load_skeleton(ROOT / "pipeline" / "skeletons" / "human.yaml"), params.pose_map)
    generator = Generator(generator_shape(params, channels))
    poses = torch.rand(params.batch_windows, params.k, channels, SIDE, SIDE)
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        colours, logits = generator(poses)
        (colours.square().mean() + logits.square().mean()).backward()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:])


def _in_its_own_process(policy: dict[str, str], threads: int) -> float:
    """Seconds under a policy: OpenMP reads it once, when torch loads it."""
    bare = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, __file__, "--time", "--threads", str(threads)]
    return float(subprocess.run(command, env=bare | policy, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
