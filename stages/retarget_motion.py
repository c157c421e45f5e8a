"""Door: the driver's keypoints → a motion for the target's body, and a preview sheet of it."""

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import read_keypoints, write_keypoints
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.motion.motion import MotionInputs, retarget_motion
from pipeline.motion.params import MotionParams
from pipeline.names import named
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, retarget, publish motion and preview."""
    parser = door_parser(
        "Fit the driver's motion to the target's body, in the target's frame and at the driver's times.",
        reads={
            "driver-keypoints": "the driver's keypoints (Parquet)",
            "keypoints": "the target's keypoints (Parquet)",
            "driver-frames": "the driver's frames (Zarr), for the preview",
            "frames": "the target's frames (Zarr), for the preview",
        },
        writes={"out": "motion (Parquet)", "sheet": "preview (PNG)"},
    )
    parser.add_argument("--pair", type=named("pair"), metavar="NAME", help="pair whose overrides pairs.NAME.motion apply")
    args = parser.parse_args()
    params = read_section(args.params, "motion", MotionParams, f"pairs.{args.pair}.motion" if args.pair else None)
    split = read_section(args.params, "split", SplitParams)
    driver, target = read_keypoints(args.driver_keypoints).track(), read_keypoints(args.keypoints).track()
    driver_frames, frames = open_frames(args.driver_frames).steady(driver.camera), open_frames(args.frames).steady(target.camera)
    inputs = MotionInputs(driver, target, driver_frames, frames)
    with stage_clock(args.time, len(driver.points)):
        write_keypoints(args.out, retarget_motion(inputs, params, split, args.sheet), kind="motions")


if __name__ == "__main__":
    run_door(main)
