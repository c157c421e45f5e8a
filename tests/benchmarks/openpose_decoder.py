"""Seconds a frame of our OpenPose decoder beside the published code's way, same machine, process and threads.

Run by hand: PYTHONPATH=.:tests python tests/benchmarks/openpose_decoder.py. Prints a Markdown table. Ten people at 640 x 480, maps of full
size in double precision, as the published code averages them; and in single precision, as the networks give them.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from reference import openpose_decoder
from reference.openpose_scene import draw, standing

from pipeline.pose.backends.openpose.decode import decode_maps

SIZE_HW = (480, 640)


def ten_people() -> tuple[np.ndarray, np.ndarray]:
    """Return heat (480 640 19) and paf (480 640 38) float64 of two rows of five people, with noise."""
    people = np.array([standing(64 + 128 * (n % 5) + 7 * (n // 5), 8 + 236 * (n // 5), 220) for n in range(10)])
    heat, paf = draw(people, SIZE_HW, spread=5.0)
    rng = np.random.default_rng(1)
    return heat + 0.02 * rng.standard_normal(heat.shape), paf + 0.05 * rng.standard_normal(paf.shape)


def main() -> None:
    """Time both decoders in turn; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="interleaved timings, of which the median counts")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    heat, paf = ten_people()
    single = heat.astype(np.float32), paf.astype(np.float32)
    ways: dict[str, Callable[[], object]] = {
        "published code's way, float64": lambda: openpose_decoder.decode(heat, paf),
        "ours, float64": lambda: decode_maps(heat, paf),
        "published code's way, float32 maps": lambda: openpose_decoder.decode(*single),
        "ours, float32 maps": lambda: decode_maps(*single),
    }
    found, (_, people) = decode_maps(heat, paf), openpose_decoder.decode(heat, paf)
    assert len(people) == 10
    assert np.array_equal(found.people, people)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    slow = statistics.median(seconds["published code's way, float64"])
    print("| decoder, 10 people, 640 x 480 | ms a frame | times as fast |\n|---|---|---|")
    for name, some in seconds.items():
        print(f"| {name} | {1000 * statistics.median(some):.0f} | {slow / statistics.median(some):.1f} |")


if __name__ == "__main__":
    main()
