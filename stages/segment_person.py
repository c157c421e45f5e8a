"""Door: a target's frames and keypoints → mattes."""

from typing import get_args

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.errors import InputError
from pipeline.matting.segment import MatteBackend, MattingParams, SegmentInputs, segment_person
from pipeline.names import named
from pipeline.params import read_section, read_value
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, segment, publish."""
    parser = door_parser(
        "Segment the selected person, or animal, of a target: its opacity in every frame.",
        reads={"frames": "frames (Zarr)", "keypoints": "keypoints (Parquet)"},
        writes={"out": "mattes (Zarr)"},
        optional={"weights": "folder with the backend's network", "edge-weights": "folder with the network of matting.edges"},
    )
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--target", type=named("target"), metavar="NAME", help="target in the params file, for its own clip")
    whose.add_argument("--footage", type=named("clip"), metavar="NAME", help="further clip of a target, an entry of footage")
    args = parser.parse_args()
    place = f"targets.{args.target}" if args.target else f"footage.{args.footage}"
    params = read_section(args.params, "matting", MattingParams, override=f"{place}.matting")
    split = read_section(args.params, "split", SplitParams)
    backend = read_value(args.params, f"{place}.matte")
    if backend not in get_args(MatteBackend):
        raise InputError(f"{args.params}: {place}.matte is {backend!r}; legal: {', '.join(get_args(MatteBackend))}.")
    keypoints = read_keypoints(args.keypoints)
    inputs = SegmentInputs(open_frames(args.frames).steady(keypoints.camera), keypoints, args.weights, args.edge_weights)
    with stage_clock(args.time) as figures:
        figures["frames"] = segment_person(inputs, backend, params, split, args.out)


if __name__ == "__main__":
    run_door(main)
