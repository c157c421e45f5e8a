"""Door: crops and keypoints of a target → its pose-to-appearance generator."""

from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_references
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_as, read_section
from pipeline.timeline.split import SplitParams
from pipeline.training.scratch import scratch_root


def main() -> None:
    """Parse paths and params, open the inputs, train, publish."""
    parser = door_parser(
        "Train the pose-to-appearance generator of a target on its training frames.",
        reads={
            "crops": "crops (Zarr)",
            "keypoints": "keypoints (Parquet)",
            "references": "references (Zarr)",
            "features": "folder with the weights of the feature network",
        },
        writes={"model": "generator (safetensors)", "description": "its description (JSON)", "curve": "loss curves (TSV)"},
    )
    parser.add_argument("--target", required=True, type=named("target"), metavar="NAME", help="target of params.yaml, for its overrides")
    args = parser.parse_args()
    params = read_section(args.params, "appearance", AppearanceParams, f"targets.{args.target}.appearance")
    split = read_section(args.params, "split", SplitParams)
    over = f"targets.{args.target}.reference"
    enabled = read_as(args.params, "reference.enabled", bool, f"{over}.enabled")
    learn = read_section(args.params, "reference.learn", LearnParams, f"{over}.learn") if enabled else None
    count = read_as(args.params, "reference.find.count", int, f"{over}.find.count")
    inputs = Inputs(open_crops(args.crops), read_keypoints(args.keypoints).track(), args.features, open_references(args.references))
    out = Outputs(args.model, args.description, args.curve)
    with stage_clock(args.time) as figures:
        budget = train_appearance(inputs, params, split, out, scratch_root(), learn=learn, count=count)
        figures["steps"], figures["images_seen"] = budget.steps, budget.images_seen


if __name__ == "__main__":
    run_door(main)
