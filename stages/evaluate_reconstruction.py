"""Door: what was made of a target's own motion → scores on its held-out frames."""

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.meshes import read_meshes
from pipeline.artifacts.residuals import open_residuals
from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.artifacts.watched import write_watched
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.evaluation.inception import load_inception_metrics
from pipeline.evaluation.perceptual import load_distances
from pipeline.evaluation.settings import EvaluationParams
from pipeline.evaluation.target import TargetInputs, score_target
from pipeline.evaluation.temporal import load_flow
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, score crops, regions and full frames, publish."""
    parser = door_parser(
        "Score the self pair of a target on its held-out frames, beside the plate and copies of training frames.",
        reads={
            "fused": "fused crops of the self pair (Zarr)",
            "generated": "generated foregrounds of the self pair (Zarr)",
            "warped": "foregrounds with carried pixels of the self pair (Zarr)",
            "enhanced": "residuals of the face index (Zarr)",
            "refined": "final residuals (Zarr)",
            "frames": "the target's frames (Zarr)",
            "mattes": "the target's mattes (Zarr)",
            "plate": "the target's plate (Zarr)",
            "crops": "the target's crops (Zarr)",
            "keypoints": "the target's keypoints (Parquet)",
            "meshes": "the target's face meshes (Parquet)",
            "remeasured": "face meshes of the self pair's result (Parquet)",
            "weights": "folder with a folder per fetched asset",
        },
        writes={
            "out": "scores (JSON)",
            "frame-scores": "scores of each held-out frame (TSV)",
            "watched": "held-out frames, results and copies at the size people watch (Zarr)",
        },
    )
    args = parser.parse_args()
    params = read_section(args.params, "evaluation", EvaluationParams)
    split = read_section(args.params, "split", SplitParams)
    regions = read_section(args.params, "regions", RegionParams)
    track, plate = read_keypoints(args.keypoints).track(), open_frames(args.plate, "plates")
    inputs = TargetInputs(
        fused=open_frames(args.fused, "fused"),
        generated=open_foregrounds(args.generated),
        warped=open_foregrounds(args.warped),
        enhanced=open_residuals(args.enhanced),
        refined=open_residuals(args.refined),
        frames=open_frames(args.frames).steady(track.camera).over(plate[0]),
        mattes=open_mattes(args.mattes),
        plate=plate,
        crops=open_crops(args.crops),
        track=track,
        meshes=read_meshes(args.meshes),
        remeasured=read_meshes(args.remeasured),
    )
    with stage_clock(args.time, frames=len(inputs.generated)):
        distances = load_distances(params.metrics, args.weights)
        flow, inception = load_flow(params.flow, args.weights), load_inception_metrics(params.metrics, args.weights)
        made = score_target(inputs, params, split, regions, distances, flow, inception)
        write_watched(args.watched, made.watched.frames, made.watched.pictures)
        write_curve(args.frame_scores, made.rows)
        write_scores(args.out, made.scores)


if __name__ == "__main__":
    run_door(main)
