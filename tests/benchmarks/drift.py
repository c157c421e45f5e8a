"""Whether a long driver's result drifts: slopes over time of colour and of likeness, of a small model that follows a drawn driver.

Run by hand: python tests/benchmarks/drift.py [--frames 10000]. Prints each slope over the whole length with its standard error, and
exits with 1 if one differs from 0 (t test at 1 %). The network that judges training has random weights: nothing is fetched.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
BLOCKS = 20
LIMIT = 2.878  # of |t| at 1 %, with BLOCKS - 2 degrees of freedom


def main() -> None:
    """Train, follow the driver, print the slopes."""
    from drawn_stick import STICK
    from drifting import imitated, series, slopes

    from pipeline.body.skeleton import Skeleton
    from pipeline.networks.vgg import StVgg16

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, metavar="N")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="of training")
    args = parser.parse_args()
    torch.manual_seed(0)
    time = np.arange(args.frames)
    # two turns that never meet again, so that no two frames are alike
    angles = np.pi / 2 * (1 + 0.6 * np.sin(time / 7.3) + 0.4 * np.sin(time / 3.1))
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        torch.save(StVgg16().state_dict(), Path(folder) / "vgg_shift_tolerant.pth")
        made = imitated(Path(folder) / "work", Skeleton.from_json(json.dumps(STICK)), Path(folder), angles, args.steps)
        values = series(*made)
    slope, error = slopes(values, BLOCKS)
    print(f"{args.frames} frames: mean, its change from end to end, standard error of that, in levels of 255")
    for name, mean, change, uncertain in zip(("red", "green", "blue", "unlikeness"), values.mean(axis=0), slope, error, strict=True):
        print(f"{name:11s} {mean:7.2f} {change:+8.3f} {uncertain:7.3f}")
    sys.exit("a slope differs from 0" if (np.abs(slope) > LIMIT * error + 1e-9).any() else 0)


if __name__ == "__main__":
    main()
