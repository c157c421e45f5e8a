"""Door: frames → keypoints of all people, one of them selected."""

from pathlib import Path

from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.keypoints import write_keypoints
from pipeline.body.skeleton import load_skeleton
from pipeline.clips import read_clip
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_as, read_path, read_section
from pipeline.pose.camera import read_camera
from pipeline.pose.estimate import PoseInputs, Sources, Subject, estimate_poses
from pipeline.pose.naming import UNNAMED, read_hand_weights, read_naming
from pipeline.pose.params import PoseParams
from pipeline.pose.select import read_select
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, open the inputs, see and follow people, publish."""
    parser = door_parser(
        "Find people's keypoints in every frame, follow them, select one and repair its joints.",
        reads={"frames": "frames (Zarr)", "skeleton": "skeleton (YAML)"},
        writes={"out": "keypoints (Parquet)"},
        optional={
            "weights": "folder of the backend's networks",
            "refiner-weights": "folder of the refiner's network",
            "hand-weights": "folder of the networks behind the clip's `hands`",
            "sheet": "contact sheet (PNG) written when a person must be chosen; default .scratch/tracks/<clip>.png",
        },
    )
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument("--clip", type=named("clip"), metavar="NAME", help="clip whose entry in clips is read")
    again = "pair whose result is looked at again, by the backend in pairs.PAIR.redetect"
    about.add_argument("--redetect", type=named("pair"), metavar="PAIR", help=again)
    args = parser.parse_args()
    params = read_section(args.params, "pose", PoseParams)
    key = f"pairs.{args.redetect}.redetect" if args.redetect else f"clips.{args.clip}.pose"
    refiner = "none" if args.redetect else read_as(args.params, f"clips.{args.clip}.refiner", str)
    naming = UNNAMED if args.redetect else read_naming(args.params, args.clip)
    hands = None if args.redetect else read_hand_weights(args.params, args.clip, args.hand_weights)
    labels = None if args.redetect else read_path(args.params, f"clips.{args.clip}.labels")
    sources = Sources(read_as(args.params, key, str), refiner, args.weights, args.refiner_weights, labels, naming, hands)
    name = args.redetect or args.clip
    key = f"clips.{name}.select"
    select = "auto" if args.redetect else read_select(read_clip(args.params, args.clip).get("select", "auto"), f"{args.params}: {key}")
    # any clip may become a target: nothing crosses the border to the frames it would hold out
    split = None if args.redetect else read_section(args.params, "split", SplitParams)
    camera = "still" if args.redetect else read_camera(args.params, args.clip)
    subject = Subject(name, select, args.sheet or Path(f".scratch/tracks/{name}.png"), split, bool(args.redetect), camera)
    inputs = PoseInputs(open_frames(args.frames, "fused" if args.redetect else "frames"), load_skeleton(args.skeleton), sources)
    with stage_clock(args.time, len(inputs.frames)):
        write_keypoints(args.out, estimate_poses(inputs, params, subject))


if __name__ == "__main__":
    run_door(main)
