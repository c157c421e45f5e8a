"""Door: a target's frames, mattes and plate → real pictures of it, to be carried."""

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_as, read_section
from pipeline.reference.keep import KeepInputs, KeepParams, keep_references
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, cut out, publish."""
    parser = door_parser(
        "Keep training frames of a target, cut out and unmixed from the background, at the source's resolution.",
        reads={"frames": "frames (Zarr)", "mattes": "mattes (Zarr)", "keypoints": "keypoints (Parquet)", "plate": "plate (Zarr)"},
        writes={"out": "references (Zarr)"},
        optional={"own-keypoints": "keypoints of the target's own clip, where this is a further one (Parquet)"},
    )
    parser.add_argument("--target", required=True, type=named("target"), metavar="NAME", help="target of params.yaml, for its overrides")
    args = parser.parse_args()
    over = f"targets.{args.target}.reference"
    params = read_section(args.params, "reference.keep", KeepParams, f"{over}.keep")
    split = read_section(args.params, "split", SplitParams)
    enabled = read_as(args.params, "reference.enabled", bool, f"{over}.enabled")
    like = read_keypoints(args.own_keypoints).track() if args.own_keypoints else None
    track, plate = read_keypoints(args.keypoints).track(), open_frames(args.plate, "plates")
    frames = open_frames(args.frames).steady(track.camera)
    inputs = KeepInputs(frames, open_mattes(args.mattes), track, plate, like)
    with stage_clock(args.time) as figures:
        figures["frames"] = keep_references(inputs, params, split, enabled, args.out)


if __name__ == "__main__":
    run_door(main)
