"""Door: a target's self pair as generated and enhanced, and its truth → one local generator per region."""

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.artifacts.residuals import open_residuals
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_section
from pipeline.refine.params import RefineParams
from pipeline.refine.train import TrainInputs, TrainOutputs, train_refiner
from pipeline.timeline.split import SplitParams
from pipeline.training.scratch import scratch_root


def main() -> None:
    """Parse paths and params, open the inputs, train, publish."""
    parser = door_parser(
        "Train the local GANs that refine face, hands and feet (Eq. 8).",
        reads={
            "warped": "foregrounds with carried pixels of the self pair (Zarr)",
            "enhanced": "residuals of its enhanced faces (Zarr)",
            "frames": "frames (Zarr)",
            "mattes": "mattes (Zarr)",
            "keypoints": "keypoints (Parquet)",
        },
        writes={
            "model": "local generators (safetensors)",
            "description": "their description (JSON)",
            "curve": "loss curves (TSV)",
        },
        optional={"features": "st_vgg16 weights, for refine.losses.perceptual"},
    )
    parser.add_argument("--target", required=True, type=named("target"), metavar="NAME", help="target, for its overrides in params.yaml")
    args = parser.parse_args()
    params = read_section(args.params, "refine", RefineParams, f"targets.{args.target}.refine")
    regions = read_section(args.params, "regions", RegionParams)
    split = read_section(args.params, "split", SplitParams)
    track = read_keypoints(args.keypoints).track()
    inputs = TrainInputs(
        generated=open_foregrounds(args.warped),
        enhanced=open_residuals(args.enhanced),
        frames=open_frames(args.frames).steady(track.camera),
        mattes=open_mattes(args.mattes),
        track=track,
        features=args.features,
    )
    out = TrainOutputs(args.model, args.description, args.curve)
    with stage_clock(args.time) as figures:
        figures["regions"] = train_refiner(inputs, params, regions, split, out, scratch_root())


if __name__ == "__main__":
    run_door(main)
