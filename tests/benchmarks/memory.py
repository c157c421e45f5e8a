"""Peak memory of the stages on a long clip beside a short one: it must not grow with the clip's length.

Run by hand: python tests/benchmarks/memory.py. Draws 720p clips of a moving figure in a temporary folder, runs each door
in a process of its own, prints the Markdown table of docs/explanation/results.md, and exits with 1 if a stage takes 4 GB or more.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# This process stays small (no numpy): Linux counts a parent's memory into the peak of the children it starts.
ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_MB = 4000
SIZE_HW = (720, 1280)
FPS = "25"
PERIOD = 48  # frames after which the drawn motion repeats
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}

FEATURES = f"--asset st_vgg16 --out features --cache {ROOT}/.scratch/downloads --incoming {ROOT}/data/incoming"
DOORS = {  # in the order of the stages; paths relative to the temporary folder
    "extract_frames": "--clip ann --out frames.zarr",
    "estimate_poses": f"--clip ann --frames frames.zarr --skeleton {ROOT}/pipeline/skeletons/human.yaml "
    "--out keypoints.parquet",
    "segment_person": "--target ann --frames frames.zarr --keypoints keypoints.parquet --out mattes.zarr",
    "inpaint_background": "--frames frames.zarr --mattes mattes.zarr --keypoints keypoints.parquet --out plate.zarr",
    "crop_person": "--target ann --frames frames.zarr --mattes mattes.zarr --keypoints keypoints.parquet --plate plate.zarr "
    "--out crops.zarr",
    "train_appearance": "--target ann --crops crops.zarr --keypoints keypoints.parquet --features features --out model.safetensors "
    "--description model.json --curve curve.tsv",
    "retarget_motion": "--pair ann-to-ann --driver-keypoints keypoints.parquet --target-keypoints keypoints.parquet "
    "--driver-frames frames.zarr --target-frames frames.zarr --out motion.parquet --sheet motion.png",
    "generate_foreground": "--model model.safetensors --description model.json --motion motion.parquet --crops crops.zarr --out made.zarr",
    "fuse": "--foreground made.zarr --generated made.zarr --plate plate.zarr --driver-frames frames.zarr "
    "--models model.json --fused fused.zarr --out video.mp4 --sidecar video.json",
}
PARAMS = {  # one training step, one thread; the rest stays as users get it
    "clips": {"ann": {"video": "clip.mp4", "labels": "clip.parquet", "select": "auto", "pose": "imported", "refiner": "none"}},
    "targets": {
        "ann": {
            "clip": "ann",
            "matte": "background_difference",
            **{section: {} for section in ("matting", "crop", "reference", "appearance", "face", "refine")},
        }
    },
    "pairs": {"ann-to-ann": {"driver": "ann", "target": "ann", "redetect": "none", "motion": {"method": "none"}}},
    "appearance.steps": 1,
    "appearance.features": "st_vgg16",
    **{f"{section}.threads": 1 for section in ("appearance", "generate", "matting")},
    "fuse.stage": "generated",
}


def main() -> None:
    """Run all doors on both clips, print the table, exit with 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000, metavar="N", help="frames of the long clip; the short one has a tenth")
    parser.add_argument("--folder", type=Path, default=None, metavar="PATH", help="where the temporary folder is made")
    parser.add_argument("--prepare", type=Path, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        _prepare(args.prepare, args.frames)
        return
    lengths = (max(30, args.frames // 10), args.frames)
    columns = [_peaks(length, args.folder) for length in lengths]
    print(f"\n| stage | {lengths[0]} frames, MB | {lengths[1]} frames, MB |\n|---|---|---|")
    for door in DOORS:
        print(f"| {door} | {columns[0][door]:.0f} | {columns[1][door]:.0f} |")
    worst = max(peak for column in columns for peak in column.values())
    if worst >= LIMIT_MB:
        sys.exit(f"a stage took {worst:.0f} MB, at most {LIMIT_MB} are allowed")


def _peaks(frames: int, parent: Path | None) -> dict[str, float]:
    """Peak resident memory in MB of each door on a clip of so many frames."""
    with tempfile.TemporaryDirectory(prefix="memory-", dir=parent) as folder:
        _run([__file__, "--frames", str(frames), "--prepare", folder], folder, f"clip of {frames} frames")
        _run(["-m", "stages.fetch_assets", *FEATURES.split()], folder, "features")
        return {door: _run(["-m", f"stages.{door}", *options.split()], folder, door) for door, options in DOORS.items()}


def _run(arguments: list[str], folder: str, what: str) -> float:
    """Run Python on arguments in folder; its peak resident memory in MB. Ends this process if it fails."""
    start = time.monotonic()
    log = Path(folder) / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{what} failed:\n{log.read_text()[-3000:]}")
    peak = usage.ru_maxrss / 1024
    print(f"{what}: {peak:.0f} MB, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return peak


def _prepare(folder: Path, frames: int) -> None:
    """Write clip.mp4, its true keypoints clip.parquet, and params.yaml."""
    from fractions import Fraction

    import av
    import cv2
    import numpy as np
    from figure import JOINTS, Figure, Motion, human, static_background, truth
    from walking import edit_params

    from pipeline.artifacts.keypoints import write_keypoints

    figure = Figure(height_px=0.75 * SIZE_HW[0])
    background = cv2.GaussianBlur(static_background(SIZE_HW), (0, 0), 2.0)  # grain would fill the disk
    once = figure.points(PERIOD, (0.5 * SIZE_HW[1], 0.93 * SIZE_HW[0]), Motion(period=PERIOD / 2))
    pictures = [av.VideoFrame.from_ndarray(figure.render(pose[None], background)[0][0], format="rgb24") for pose in once]
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.height, stream.width = SIZE_HW
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "18", "preset": "ultrafast"}
        for t in range(frames):
            pictures[t % PERIOD].pts = None
            container.mux(stream.encode(pictures[t % PERIOD]))
        container.mux(stream.encode())
    points = np.resize(once, (frames, *once.shape[1:]))  # the motion over and over
    write_keypoints(folder / "clip.parquet", truth(points, JOINTS, human(), SIZE_HW, FPS))
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    edit_params(folder / "params.yaml", PARAMS)


if __name__ == "__main__":
    main()
