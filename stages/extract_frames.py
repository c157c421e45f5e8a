"""Door: a video file or a folder of images → frames."""

from pipeline.door import door_parser, run_door, stage_clock
from pipeline.frames.extract import FramesParams, extract_frames, read_span
from pipeline.names import named
from pipeline.params import read_path, read_section


def main() -> None:
    """Parse paths and params, decode, publish."""
    parser = door_parser(
        "Decode a video file, or a folder of images, into RGB frames with exact timestamps.",
        reads={},
        writes={"out": "frames (Zarr)"},
    )
    parser.add_argument("--clip", required=True, type=named("clip"), metavar="NAME", help="clip of params.yaml, for its video and span")
    args = parser.parse_args()
    video, span = read_path(args.params, f"clips.{args.clip}.video"), read_span(args.params, args.clip)
    params = read_section(args.params, "frames", FramesParams)
    with stage_clock(args.time) as figures:
        figures["frames"] = extract_frames(video, args.out, params, span)


if __name__ == "__main__":
    run_door(main)
