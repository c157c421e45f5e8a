"""What frames take at rest: disk, CPU time to write and to read, and the time to any one frame, by layout; and how fast they are extracted.

Run by hand: python tests/benchmarks/frames_at_rest.py VIDEO… [--before CHECKOUT]. Prints the Markdown tables of docs/reference/costs.md.
Both layouts take turns on the same frames, so that whatever else the machine does hits them alike; CPU seconds are summed over
threads. Every frame is compared before it counts. --before: another checkout, whose extract_frames is timed in turns with this one's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.video.clock import NO_TIME
from pipeline.video.reading import read_video

ROOT = Path(__file__).resolve().parent.parent.parent
LAYOUTS = ("zstd", "video")
SEEKS = 24
SIGNS = {"zstd": "Zstandard", "video": "lossless video"}
EXTRACT = """
import resource, sys, time
from pathlib import Path
from pipeline.frames.extract import FramesParams, extract_frames
keys = dict(max_height_px=None, images_fps=None, bits=None, layout=sys.argv[3])
start = time.perf_counter()
params = FramesParams(**{key: keys[key] for key in FramesParams.model_fields})
n = extract_frames(Path(sys.argv[1]), Path(sys.argv[2]), params, (0, int(sys.argv[4]) - 1))
usage = resource.getrusage(resource.RUSAGE_SELF)
print("figures", n, time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


class Taken(NamedTuple):
    """Of one layout on one clip; seconds of CPU a frame, MB a frame, ms to a frame anywhere: of CPU, of the clock (median)."""

    mb: float
    write_s: float
    read_s: float
    seek_cpu_ms: float
    seek_ms: float


def main() -> None:
    """Measure every clip, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO")
    parser.add_argument("--frames", type=int, default=96, metavar="N", help="first frames of each clip that are taken")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="turns, of which the median counts")
    parser.add_argument("--before", type=Path, default=None, metavar="PATH", help="another checkout, for the speed of extract_frames")
    parser.add_argument("--only", choices=("rest", "extraction"), help="one of the two tables")
    parser.add_argument("--folder", type=Path, default=None, metavar="PATH", help="where the temporary folder is made")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="frames-", dir=args.folder) as folder:
        if args.only != "rest":  # first: Linux counts what this process takes into the peak of the children it starts
            _print_extraction(args, Path(folder))
        if args.only != "extraction":
            _print_rest(args, Path(folder))


def _print_rest(args: argparse.Namespace, folder: Path) -> None:
    heads = "clip | layout | MB a frame | CPU ms to write one | to read one in order | to one anywhere | ms of the clock"
    print(f"\n| {heads} |\n" + "|---" * 7 + "|")
    for video in args.videos:
        frames = _first(video, args.frames)
        turns = [{layout: _taken(frames, layout, folder) for layout in LAYOUTS} for _ in range(args.repeats)]
        median = {layout: Taken(*map(statistics.median, zip(*(turn[layout] for turn in turns)))) for layout in LAYOUTS}
        for layout, t in median.items():
            name = f"{video.stem}, {frames.shape[2]}×{frames.shape[1]}"
            cpu_ms = f"{t.write_s * 1000:.1f} | {t.read_s * 1000:.1f} | {t.seek_cpu_ms:.1f}"
            print(f"| {name} | {SIGNS[layout]} | {t.mb:.3f} | {cpu_ms} | {t.seek_ms:.1f} |")
        ratios = " | ".join(f"{old / new:.2f}" for old, new in zip(median["zstd"], median["video"], strict=True))
        print(f"| | first over second | {ratios} |", flush=True)


def _first(video: Path, n: int) -> np.ndarray:
    blocks, length = [], 0
    for block in read_video(video):
        blocks.append(block.frames)
        length += len(block.frames)
        if length >= n:
            break
    return np.concatenate(blocks)[:n]


def _taken(frames: np.ndarray, layout: str, folder: Path) -> Taken:
    path, n = folder / f"{layout}.zarr", len(frames)

    def write() -> None:
        with create_frames(path, NO_TIME, frames.shape[1:3], layout=layout) as writer:  # type: ignore[arg-type]
            for start in range(0, n, 16):
                writer.append(frames[start : start + 16])

    write_s = _cpu_s(write)
    stored = open_frames(path)
    if not all(np.array_equal(block, frames[start : start + 16]) for start, block in stored.blocks(16)):
        sys.exit(f"{layout} changes frames")
    read_s = _cpu_s(lambda: sum(len(block) for _, block in stored.blocks(16)))
    seeks, cpu_ms = [], []
    for t in np.random.default_rng(0).integers(0, n, SEEKS):
        start, cpu_start = time.perf_counter(), time.process_time()
        image = stored[int(t)]
        seeks.append((time.perf_counter() - start) * 1000)
        cpu_ms.append((time.process_time() - cpu_start) * 1000)
        if not np.array_equal(image, frames[t]):
            sys.exit(f"{layout} changes frame {t}")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Taken(size / n / 1e6, write_s / n, read_s / n, statistics.mean(cpu_ms), statistics.median(seeks))


def _cpu_s(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _print_extraction(args: argparse.Namespace, folder: Path) -> None:
    """The clips' first frames by extract_frames, each time in a process of its own."""
    runs = {"zstd": (ROOT, "zstd"), "video": (ROOT, "video")} | ({"before": (args.before, "zstd")} if args.before else {})
    print("| clip | extract_frames | frames/s | CPU s a frame | MB of memory |\n" + "|---" * 5 + "|")
    for video in args.videos:
        found: dict[str, list[list[float]]] = {name: [] for name in runs}
        for _ in range(args.repeats):
            for name, (checkout, layout) in runs.items():
                found[name].append(_extract(video, folder / "extracted.zarr", checkout.resolve(), layout, args.frames))
        for name, turns in found.items():
            n, seconds, cpu_s, mb = map(statistics.median, zip(*turns))
            print(f"| {video.stem} | {SIGNS.get(name, name)} | {n / seconds:.1f} | {cpu_s / n:.4f} | {mb:.0f} |", flush=True)
        if args.before:
            were, cpu_were = (statistics.median(turn[i] for turn in found["before"]) for i in (1, 2))
            for name in LAYOUTS:
                is_now, cpu_now = (statistics.median(turn[i] for turn in found[name]) for i in (1, 2))
                print(f"| | before over {SIGNS[name]} | {were / is_now:.2f} times as fast | {cpu_were / cpu_now:.2f} | |", flush=True)


def _extract(video: Path, out: Path, checkout: Path, layout: str, frames: int) -> list[float]:
    command = [sys.executable, "-c", EXTRACT, video.resolve(), out, layout, str(frames)]
    run = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}
    )
    return [float(word) for word in run.stdout.splitlines()[-1].split()[1:]]


if __name__ == "__main__":
    main()
