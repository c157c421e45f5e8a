"""Door: what was made of a target's own motion → scores on its held-out frames."""

import math
from pathlib import Path

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.residuals import open_residuals
from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.evaluation.inception import load_inception_metrics
from pipeline.evaluation.perceptual import load_distances
from pipeline.evaluation.reconstruction import evaluate_reconstruction
from pipeline.evaluation.region_scores import score_regions
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.temporal import load_flow
from pipeline.params import read_section
from pipeline.regions import RegionParams
from pipeline.split import SplitParams


def main() -> None:
    """Parse paths and params, score whole crops and regions, publish."""
    parser = door_parser(
        "Score the self pair of a target on its held-out frames, beside the plate and the nearest pose.",
        reads={
            "fused": "fused crops of the self pair (Zarr)",
            "generated": "generated foregrounds of the self pair (Zarr)",
            "warped": "foregrounds with carried pixels of the self pair (Zarr)",
            "enhanced": "residuals of the face index (Zarr)",
            "refined": "final residuals (Zarr)",
            "frames": "the target's frames (Zarr)",
            "plate": "the target's plate (Zarr)",
            "crops": "the target's crops (Zarr)",
            "keypoints": "the target's keypoints (Parquet)",
            "weights": "folder with a folder per fetched asset",
        },
        writes={"out": "scores (JSON)", "frames-out": "scores of each held-out frame (TSV)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "evaluation", EvaluationParams)
    split = read_section(args.params, "split", SplitParams)
    regions = read_section(args.params, "regions", RegionParams)
    track = read_keypoints(args.keypoints).track()
    generated = open_foregrounds(args.generated)
    with stage_clock(args.time, frames=len(generated)):
        distances = load_distances(params.metrics, args.weights)
        scores, rows = evaluate_reconstruction(
            open_frames(args.fused, "fused"),
            generated,
            open_crops(args.crops),
            track,
            params,
            split,
            distances,
            load_flow(params.flow, args.weights),
            load_inception_metrics(params.metrics, args.weights),
        )
        scores["regions"], scores["settings"]["regions"], by_frame = score_regions(
            open_frames(args.frames),
            open_frames(args.plate, "plates"),
            open_foregrounds(args.warped),
            open_residuals(args.enhanced),
            open_residuals(args.refined),
            track,
            params,
            split,
            regions,
            distances,
        )
        for row in rows:
            row |= {name: values.get(int(row["frame"]), math.nan) for name, values in by_frame.items()}
        write_curve(Path(args.frames_out), rows)
        write_scores(args.out, {name: values for name, values in scores.items() if values})


if __name__ == "__main__":
    run_door(main)
