"""What each stage costs a driver of any length, from its file to the video: CPU time, peak memory and disk, frames drawn.

Run by hand: PYTHONPATH=tests python tests/benchmarks/long_driver.py --frames 100000, or --frames 10000 --height 720. A drawn target is
learnt with the smallest training, whose model is as quick as one gets; then each stage of a drawn driver of that size runs in a process
of its own. A second, shorter driver says whether memory grows: exits with 1 where it does by more than 20 MB and 10 kB a frame.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

# This process stays small (no numpy): Linux counts a parent's memory into the peak of the children it starts.
from benchmarks.costs import Cost, run, words_of

WIDE = 4 / 3  # of the drawn frames, width over height
UNLIKE = 240  # frames after which a drawn driver begins anew
GROWING_MB = 20.0, 0.01  # in all, and a frame
LEARNT_FRAMES = 40
PREPARING = ("index_faces", "inpaint_background", "keep_references", "train_appearance", "train_refiner")
RENDERING = (
    "extract_frames", "estimate_poses", "measure_faces", "retarget_motion", "find_references", "generate_foreground", "warp_references",
    "enhance_faces", "refine_regions", "fuse",
)  # fmt: skip


def main() -> None:
    """Learn the target, make the shorter and the longer driver follow, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, metavar="N", help="of the driver")
    parser.add_argument("--height", type=int, default=120, metavar="PX", help="height of the frames of both")
    parser.add_argument("--shorter", type=int, default=None, metavar="N", help="frames of the shorter driver; a tenth by default")
    parser.add_argument("--folder", type=Path, default=None, metavar="PATH", help="where the temporary folder is made")
    parser.add_argument("--prepare", type=Path, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        _prepare(args.prepare, args.frames, args.height)
        return
    with tempfile.TemporaryDirectory(prefix="long-", dir=args.folder) as name:
        folder = str(Path(name) / "project")
        costs = []
        for frames in (args.shorter or args.frames // 10, args.frames):
            run([__file__, "--frames", str(frames), "--height", str(args.height), "--prepare", folder], name, f"driver of {frames} frames")
            commands = json.loads((Path(folder) / "commands.json").read_text())
            costs.append((frames, {stage: run(["-m", *words], folder, stage) for stage, words in commands.items()}))
    sys.exit(_print_table(*costs))


def _print_table(short: tuple[int, dict[str, Cost]], long: tuple[int, dict[str, Cost]]) -> str | None:
    """Print a line a stage; which of them take more memory the longer the driver is."""
    (few, before), (many, after) = short, long
    print(f"\n| stage | CPU ms a frame | MB at {few} | MB at {many} | disk, kB a frame |\n|---|---|---|---|---|")
    growing = []
    for stage, cost in after.items():
        print(f"| {stage} | {cost.cpu_s / many * 1000:.1f} | {before[stage].peak_mb:.0f} | {cost.peak_mb:.0f} |", end="")
        print(f" {cost.disk_mb / many * 1000:.2f} |")
        if cost.peak_mb - before[stage].peak_mb > GROWING_MB[0] + GROWING_MB[1] * (many - few):
            growing.append(stage)
    return f"memory grows in {', '.join(growing)}" if growing else None


def _prepare(folder: Path, frames: int, height: int) -> None:
    """The project with its target learnt, unless it is there; a driver of so many frames; commands.json: what its stages run."""
    from walking import edit_params, make_project

    from pipeline.plan import parsed

    if not folder.exists():
        project = make_project(folder)
        edit_params(folder / "params.yaml", {"crop.size_px": 64})
        _draw(folder, "ann.mkv", LEARNT_FRAMES, height, 0.0)
        project.repro(*(f"{stage}@ann" for stage in PREPARING))
    _draw(folder, "ben.mp4", frames, height, 1.0)
    plan, tree = (parsed((folder / name).read_text()) for name in ("dvc.yaml", "params.yaml"))
    entries = {stage: plan["stages"][stage] for stage in RENDERING}
    keys = {"${clips}": "ben", "${pairs}": "ben-to-ann"}
    found = {stage: words_of(entry, tree, keys[entry["foreach"]]) for stage, entry in entries.items()}
    (folder / "commands.json").write_text(json.dumps(found))


def _draw(folder: Path, name: str, frames: int, height: int, phase: float) -> None:
    """A clip of a figure that steps on the spot, and its true keypoints; it begins anew after UNLIKE frames."""
    from fractions import Fraction

    import numpy as np
    from figure import JOINTS, Figure, Motion, human, static_background, truth
    from media import write_clip

    from pipeline.artifacts.keypoints import write_keypoints

    size_hw = height, round(height * WIDE / 2) * 2
    figure, background = Figure(height_px=0.8 * height), static_background(size_hw, seed=len(name))
    once = figure.points(min(frames, UNLIKE), (size_hw[1] / 2, 0.93 * height), Motion(phase=phase))
    images, _ = figure.render(once, background)
    path = folder / "data" / "source" / name
    codec = "ffv1" if name.endswith(".mkv") else "libx264"
    write_clip(path, [images[t % len(images)] for t in range(frames)], codec, base=Fraction(1, 25))
    points = np.resize(once, (frames, *once.shape[1:]))
    write_keypoints(path.with_suffix(".parquet"), truth(points, JOINTS, human(), size_hw, "25"))


if __name__ == "__main__":
    main()
