"""Door: a target's frames and mattes → the plate, its background without it."""

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.mattes import open_mattes
from pipeline.background.inpaint import BackgroundInputs, BackgroundParams, inpaint_background
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.errors import warn
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, make the plate, publish."""
    parser = door_parser(
        "Make the background without the person, from training frames only: what other frames show, the rest filled.",
        reads={"frames": "frames (Zarr)", "mattes": "mattes (Zarr)", "keypoints": "keypoints (Parquet)"},
        writes={"out": "plate (Zarr, one frame)"},
        optional={"weights": "folder with the network that fills, if one does"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "background", BackgroundParams)
    split = read_section(args.params, "split", SplitParams)
    keypoints = read_keypoints(args.keypoints)
    inputs = BackgroundInputs(open_frames(args.frames).steady(keypoints.camera), open_mattes(args.mattes), keypoints, args.weights)
    with stage_clock(args.time):
        report = inpaint_background(inputs, params, split, args.out)
    if report["camera_motion"]["moving"]:
        shift = report["camera_motion"]["max_shift_px"]
        warn(
            f"the camera of {args.frames} moves (up to {shift} px): the plate is blurred, and the result with it; "
            "camera: moving in the clip's entry of params.yaml follows it"
        )


if __name__ == "__main__":
    run_door(main)
