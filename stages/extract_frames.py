"""Door: a video file or a folder of images → frames."""

from pipeline.door import door_parser, run_door, stage_clock
from pipeline.frames.extract import FramesParams, extract_frames, read_span
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, decode, publish."""
    parser = door_parser(
        "Decode a video file, or a folder of images, into RGB frames with exact timestamps.",
        reads={"video": "video file or folder of images"},
        writes={"out": "frames (Zarr)"},
    )
    parser.add_argument("--clip", metavar="NAME", help="clip of params.yaml, for its span of frames")
    args = parser.parse_args()
    span = read_span(args.params, args.clip) if args.clip else None
    params = read_section(args.params, "frames", FramesParams)
    with stage_clock(args.time) as figures:
        figures["frames"] = extract_frames(args.video, args.out, params, span)


if __name__ == "__main__":
    run_door(main)
