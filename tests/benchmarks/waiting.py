"""What it costs that threads wait by spinning: seconds of a generator's training step, alone and beside two busy processes.

python tests/benchmarks/waiting.py [--repeats 3]     from the project's root, on a machine that is quiet otherwise

OpenMP's default is compared, in turns, with threads that sleep after a thousand turns (README, Ablations) and with those that never spin.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
POLICIES = {"OpenMP's default": {}, "a thousand turns": {"GOMP_SPINCOUNT": "1000"}, "never spinning": {"OMP_WAIT_POLICY": "PASSIVE"}}
BUSY = "while True: pass"
STEPS = """
import statistics, time
from pathlib import Path
import torch
from pipeline.appearance.gan import generator_shape
from pipeline.appearance.params import AppearanceParams
from pipeline.networks.generator import Generator
from pipeline.params import read_section
params = read_section(Path("params.yaml"), "appearance", AppearanceParams)
torch.set_flush_denormal(True)
torch.set_num_threads(2)
generator = Generator(generator_shape(params, 19))
poses = torch.randn(params.batch_windows, params.k, 19, 128, 128)
seconds = []
for _ in range(8):
    start = time.perf_counter()
    colours, logits = generator(poses)
    (colours.square().mean() + logits.square().mean()).backward()
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds[2:]))
"""


def step_s(policy: dict[str, str]) -> float:
    """Median seconds of a forward and backward pass in a process of its own."""
    bare = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", STEPS], env=bare | policy, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Time each policy in turns, print medians and ratios to OpenMP's default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="interleaved timings, of which the median counts")
    args = parser.parse_args()
    for beside in (0, 2):
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
        try:
            taken = [{name: step_s(policy) for name, policy in POLICIES.items()} for _ in range(args.repeats)]
        finally:
            for other in others:
                other.kill()
        for name in POLICIES:
            median = statistics.median(row[name] for row in taken)
            ratio = statistics.median(row["OpenMP's default"] / row[name] for row in taken)
            print(f"beside {beside} busy processes, {name}: {median:.2f} s a step, {ratio:.2f} times the default's speed", flush=True)


if __name__ == "__main__":
    main()
