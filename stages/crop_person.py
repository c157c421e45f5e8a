"""Door: a target's frames, mattes and plate → crops at the networks' working size."""

from pathlib import Path

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.crop.crop import CropInputs, CropParams, Like, crop_person
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, crop, publish."""
    parser = door_parser(
        "Cut a target's frames, mattes and plate to the networks' working size around the selected person.",
        reads={
            "frames": "frames (Zarr)",
            "mattes": "mattes (Zarr)",
            "keypoints": "keypoints (Parquet)",
            "plate": "plate (Zarr)",
        },
        writes={"out": "crops (Zarr)"},
        optional={"own-crops": "for a further clip: crops of its target (Zarr)", "own-keypoints": "its keypoints (Parquet)"},
    )
    parser.add_argument("--target", type=named("target"), metavar="NAME", help="target in the params file, for its own clip")
    args = parser.parse_args()
    params: CropParams | Like
    if args.own_crops:
        split = read_section(args.params, "split", SplitParams)
        params = Like(open_crops(args.own_crops), read_keypoints(args.own_keypoints or Path()).track(), split)
    else:
        params = read_section(args.params, "crop", CropParams, override=f"targets.{args.target}.crop")
    keypoints = read_keypoints(args.keypoints)
    frames = open_frames(args.frames).steady(keypoints.camera)
    inputs = CropInputs(frames, open_mattes(args.mattes), keypoints, open_frames(args.plate, "plates"))
    with stage_clock(args.time) as figures:
        figures["frames"] = crop_person(inputs, params, args.out)


if __name__ == "__main__":
    run_door(main)
