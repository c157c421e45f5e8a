"""Hands of two results of one clip, held out, in the same boxes: what looking for fingers is worth.

Run by hand: PYTHONPATH=. python tests/benchmarks/hands.py ana_fingers ana, two targets of one video in this checkout, of which the first
sees fingers and says where the hands are. Prints mean st_lpips and psnr of the hands of both, and a paired t over hands and frames (of
one training each: it says nothing of seeds).
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.residuals import open_residuals
from pipeline.body.regions import RegionParams
from pipeline.evaluation.perceptual import load_distances
from pipeline.evaluation.region_scores import score_regions
from pipeline.evaluation.settings import EvaluationParams
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams

ROOT = Path(__file__).resolve().parent.parent.parent
SCORES = ("st_lpips", "psnr")


def main() -> None:
    """Score the hands of both, print means and how surely they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs=2, metavar="TARGET", help="the one with fingers, and the other; named as in params.yaml")
    parser.add_argument("--project", type=Path, default=ROOT, metavar="PATH", help="checkout in which both were evaluated")
    args = parser.parse_args()
    fingers, other = (_by_frame(args.project, target, args.targets[0]) for target in args.targets)
    print(f"| score of the hands | {args.targets[1]} | {args.targets[0]} | t | hands |\n|---|---|---|---|---|")
    for score in SCORES:
        pairs = [(other[key], value) for key, value in fingers.items() if key[2] == score and key in other]
        before, after = (np.array(side) for side in zip(*pairs, strict=True))
        gap = after - before
        t = gap.mean() / (gap.std(ddof=1) / np.sqrt(len(gap)))
        print(f"| {score} | {before.mean():.4f} | {after.mean():.4f} | {t:.2f} | {len(gap)} |")


def _by_frame(project: Path, target: str, seen_by: str) -> dict[tuple[str, int, str], float]:
    """Scores of a target's result by hand, frame and name, in boxes about the hands that another clip's keypoints see."""
    data, params = project / "data", project / "params.yaml"
    track = read_keypoints(data / f"keypoints/{seen_by}.parquet").track()
    plate = open_frames(data / f"plates/{target}.zarr", "plates")
    evaluation = read_section(params, "evaluation", EvaluationParams)
    made = data / "foregrounds" / f"{target}-to-{target}"
    _, _, found = score_regions(
        open_frames(data / f"frames/{seen_by}.zarr").steady(track.camera).over(plate[0]),
        plate,
        open_foregrounds(f"{made}-warped.zarr"),
        open_residuals(f"{made}-enhanced.zarr"),
        open_residuals(f"{made}-refined.zarr"),
        track,
        evaluation,
        read_section(params, "split", SplitParams),
        read_section(params, "regions", RegionParams),
        load_distances(["st_lpips"], data / "weights/metrics"),
    )
    rows = {}
    for name, values in found.items():
        _, region, stage, score = name.split(".")
        if region.endswith("_hand") and stage == "warped":
            rows |= {(region, t, score): value for t, value in values.items()}
    return rows


if __name__ == "__main__":
    main()
