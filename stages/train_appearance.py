"""Door: crops and keypoints of a target → its pose-to-appearance generator, from nothing or on from where an earlier training ended."""

import argparse

from pipeline.appearance.earlier import load_earlier
from pipeline.appearance.params import AppearanceParams, LearnParams
from pipeline.appearance.train import Further, Inputs, Outputs, train_appearance
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_references
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_as, read_section, read_value
from pipeline.timeline.split import SplitParams
from pipeline.training.processes import World, started_together
from pipeline.training.scratch import scratch_root


def main() -> None:
    """Parse paths and params, open the inputs, train, publish."""
    parser = door_parser(
        "Train the pose-to-appearance generator of a target on its training frames; with --footage, go on with a further clip.",
        reads={
            "crops": "crops (Zarr)",
            "keypoints": "keypoints (Parquet)",
            "references": "references (Zarr)",
            "features": "folder with the weights of the feature network",
        },
        writes={
            "model": "generator (safetensors)",
            "description": "its description (JSON)",
            "curve": "loss curves (TSV)",
            "discriminators": "what a training that goes on needs beside the model (safetensors)",
        },
        optional={
            "further-crops": "folder of the crops of further clips (Zarr)",
            "further-keypoints": "folder of their keypoints (Parquet)",
            "further-references": "folder of their references (Zarr)",
            "earlier-model": "model that the clips before it led to (safetensors), its description and discriminators beside it",
        },
    )
    parser.add_argument("--target", required=True, type=named("target"), metavar="NAME", help="target of params.yaml, for its overrides")
    parser.add_argument("--footage", type=named("clip"), metavar="NAME", help="further clip that is new, an entry of footage")
    args = parser.parse_args()
    with started_together() as world:
        _train(args, world)


def _train(args: argparse.Namespace, world: World | None) -> None:
    params = read_section(args.params, "appearance", AppearanceParams, f"targets.{args.target}.appearance")
    split = read_section(args.params, "split", SplitParams)
    over = f"targets.{args.target}.reference"
    enabled = read_as(args.params, "reference.enabled", bool, f"{over}.enabled")
    learn = read_section(args.params, "reference.learn", LearnParams, f"{over}.learn") if enabled else None
    count = read_as(args.params, "reference.find.count", int, f"{over}.find.count")
    steps = read_value(args.params, f"footage.{args.footage}.steps") if args.footage else None
    params = params if steps is None else params.model_copy(update={"steps": steps})
    track, references = read_keypoints(args.keypoints).track(), open_references(args.references)
    inputs = Inputs(open_crops(args.crops), track, args.features, references, _further(args) if args.footage else None)
    out = Outputs(args.model, args.description, args.curve, args.discriminators)
    with stage_clock(args.time if world is None or world.leads else None) as figures:
        budget = train_appearance(inputs, params, split, out, scratch_root(), learn=learn, count=count, world=world)
        figures["steps"], figures["images_seen"] = budget.steps, budget.images_seen


def _further(args: argparse.Namespace) -> Further:
    """The new clip behind those that the earlier model was learnt from; these are no dependencies by themselves, but their pixels and
    poses are told in the earlier model's description, which is one."""
    earlier = load_earlier(args.earlier_model)
    names = (*earlier.clips, args.footage)
    crops = [open_crops(args.further_crops / f"{name}.zarr") for name in names]
    tracks = [read_keypoints(args.further_keypoints / f"{name}.parquet").track() for name in names]
    kept = [open_references(args.further_references / f"{name}.zarr") for name in names]
    return Further(names, tuple(zip(crops, tracks, kept, strict=True)), earlier)


if __name__ == "__main__":
    run_door(main, several=True)
