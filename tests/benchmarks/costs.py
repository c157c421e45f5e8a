"""What each stage costs: CPU time, peak memory and disk, by the length of a clip. Memory must not grow with the length.

Run by hand: python tests/benchmarks/costs.py --lengths 100 400 (…) in a checkout where the demo has run, whose networks are taken.
Repeats a video to two lengths at a given height, runs every stage of dvc.yaml on it in a process of its own, prints the Markdown
tables of docs/reference/costs.md, and exits with 1 if a stage would take 4 GB or more at 5,000 frames. CPU seconds are summed over
threads, so that they hold on a busy machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

# This process stays small (no numpy): Linux counts a parent's memory into the peak of the children it starts.
ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_MB, AT_FRAMES = 4000, 5000
DEMO = "data/demo/demo_single_cam02/cam02.mp4"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
FIXED = ("train_appearance", "train_refiner")  # as long as params.yaml says; here a few steps, for their memory
PARAMS: dict[str, Any] = {
    "clips": {
        "ann": {"video": "clip.mp4", "labels": "clip.mp4", "skeleton": "human", "pose": "blazepose", "refiner": "none", "select": "auto"}
    },
    "targets": {
        "ann": {"clip": "ann", "matte": "blazepose", **{s: {} for s in ("matting", "crop", "reference", "appearance", "face", "refine")}}
    },
    "pairs": {"ann-to-ann": {"driver": "ann", "target": "ann", "redetect": "blazepose", "motion": {"method": "none"}}},
    "pose.min_present_fraction": 0.0,
    "appearance.steps": 1,
    "refine.steps": 1,
    **{f"{section}.threads": 1 for section in ("pose", "matting", "appearance", "generate", "refine")},  # waiting threads spin
}


class Cost(NamedTuple):
    """Of one stage on one clip."""

    cpu_s: float
    peak_mb: float
    disk_mb: float


def main() -> None:
    """Run all stages on both clips, print the tables, exit with 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs=2, default=[100, 400], metavar="N", help="frames of the short and of the long clip")
    parser.add_argument("--height", type=int, default=720, metavar="PX", help="height of the frames")
    parser.add_argument("--video", type=Path, default=ROOT / DEMO, metavar="PATH", help="what is repeated; the demo's by default")
    parser.add_argument("--project", type=Path, default=ROOT, metavar="PATH", help="checkout in which the demo has run")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="values of params.yaml, as JSON")
    parser.add_argument("--until", default="evaluate_reconstruction", metavar="STAGE", help="last stage to run")
    parser.add_argument("--folder", type=Path, default=None, metavar="PATH", help="where the temporary folder is made")
    parser.add_argument("--prepare", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        _prepare(args.prepare, args.frames, args)
        return
    short, long = (_costs(frames, args) for frames in args.lengths)
    sys.exit(_print_tables(args.lengths, short, long))


def _print_tables(lengths: list[int], short: dict[str, Cost], long: dict[str, Cost]) -> str | None:
    """Print a line a stage; what to say of the worst where it is too much."""
    frames = lengths[1] - lengths[0]
    print(f"\n| stage | CPU s a frame | CPU s besides | MB at {lengths[0]} | MB at {lengths[1]} | MB at {AT_FRAMES} | disk, kB a frame |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for stage, after in long.items():
        before = short[stage]
        cpu, disk = (after.cpu_s - before.cpu_s) / frames, (after.disk_mb - before.disk_mb) / frames
        expected = after.peak_mb + max(0.0, after.peak_mb - before.peak_mb) / frames * (AT_FRAMES - lengths[1])
        worst = max(worst, expected)
        a_frame, besides = ("", "") if stage in FIXED else (f"{max(cpu, 0):.3f}", f"{max(before.cpu_s - cpu * lengths[0], 0):.1f}")
        print(f"| {stage} | {a_frame} | {besides} | {before.peak_mb:.0f} | {after.peak_mb:.0f} | {expected:.0f} | {disk * 1000:.1f} |")
    return f"a stage would take {worst:.0f} MB, at most {LIMIT_MB} are allowed" if worst >= LIMIT_MB else None


def _costs(frames: int, args: argparse.Namespace) -> dict[str, Cost]:
    """Cost of each stage on a clip of so many frames."""
    with tempfile.TemporaryDirectory(prefix="costs-", dir=args.folder) as folder:
        settings = ["--height", str(args.height), "--video", str(args.video.resolve()), "--until", args.until, "--set", *args.set]
        run([__file__, "--frames", str(frames), "--prepare", folder, *settings], folder, f"clip of {frames} frames")
        os.symlink(args.project.resolve() / "data" / "weights", Path(folder) / "weights")
        commands = json.loads((Path(folder) / "commands.json").read_text())
        return {stage: run(["-m", *options], folder, stage) for stage, options in commands.items()}


def run(arguments: list[str], folder: str, what: str) -> Cost:
    """Run Python on arguments in folder; what it cost. Ends this process if it fails."""
    start, before = time.monotonic(), _size_mb(folder)
    log = Path(folder) / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{what} failed:\n{log.read_text()[-3000:]}")
    cost = Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _size_mb(folder) - before)
    told = f"{what}: {cost.cpu_s:.1f} s of CPU, {cost.peak_mb:.0f} MB, {cost.disk_mb:.1f} MB of disk, {time.monotonic() - start:.0f} s"
    print(told, file=sys.stderr, flush=True)
    return cost


def _size_mb(folder: str) -> float:
    """What lies in a project's data."""
    return sum(path.stat().st_size for path in (Path(folder) / "data").rglob("*") if path.is_file()) / 1e6


def _prepare(folder: Path, frames: int, args: argparse.Namespace) -> None:
    """Write clip.mp4, params.yaml, and commands.json: what each stage of dvc.yaml runs, in its order."""
    from walking import edit_params

    _repeat(args.video, folder / "clip.mp4", frames, args.height)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    edit_params(folder / "params.yaml", PARAMS | {key: json.loads(value) for key, value in (entry.split("=", 1) for entry in args.set)})
    (folder / "commands.json").write_text(json.dumps(commands((folder / "params.yaml").read_text(), args.until)))
    (folder / "data").mkdir()


def commands(params: str, until: str) -> dict[str, list[str]]:
    """What each stage of dvc.yaml runs for the first of its entries in a params file's text; those without entries are left out."""
    from pipeline.plan import parsed

    tree, found = parsed(params), {}
    for stage, entry in parsed((ROOT / "dvc.yaml").read_text())["stages"].items():
        if stage.startswith(("fetch_", "check_", "report", "sign")) or not (entries := tree[entry["foreach"].strip("${}")]):
            continue
        found[stage] = [_path(word) for word in words_of(entry, tree, next(iter(entries)))]
        if stage == until:
            break
    return found


def words_of(entry: dict[str, Any], tree: dict[str, Any], key: str) -> list[str]:
    """What a stage, as dvc.yaml has it, runs for one of its entries: the module and its options, filled in from the tree of params."""
    from pipeline.plan import PLACEHOLDER, value_at

    known = {**tree, "key": key, "item": tree[entry["foreach"].strip("${}")][key]}
    return PLACEHOLDER.sub(lambda match: str(value_at(known, match[1])), entry["do"]["cmd"]).split()[2:]


def _path(word: str) -> str:
    """The networks of the project that has run, which are the demo's; the skeletons of this checkout."""
    if word.startswith("data/weights/"):
        return word.removeprefix("data/").replace("ann-to-ann", "man-to-man").replace("/ann", "/man")
    return f"{ROOT}/{word}" if word.startswith("pipeline/skeletons/") else word


def _repeat(video: Path, out: Path, frames: int, height: int) -> None:
    """The frames of a video there and back, over and over, so that nothing jumps."""
    from fractions import Fraction

    import av
    import cv2

    from pipeline.video.reading import probe, read_video

    info = probe(video)
    width = round(info.size_hw[1] * height / info.size_hw[0] / 2) * 2
    once = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for block in read_video(video) for image in block.frames]
    there_and_back = once + once[-2:0:-1]
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(info.fps or "25"))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.options = {"crf": "18", "preset": "ultrafast"}
        for t in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(there_and_back[t % len(there_and_back)], format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
