"""Door: generated foreground, residuals and plate → the video, its JSON, and the fused crops."""

from pathlib import Path

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.frames import open_frames
from pipeline.artifacts.further import read_descriptions
from pipeline.artifacts.residuals import open_residuals
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.fuse.fuse import FuseInputs, FuseOutputs, FuseParams, fuse_pair
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, open the inputs, compose, publish."""
    parser = door_parser(
        "Paste the generated person into the plate: a video with the driver's timestamps and sound.",
        reads={
            "foreground": "foregrounds to be pasted (Zarr), of any size",
            "generated": "generated foregrounds (Zarr), for the working crop that the fused crops are seen through",
            "plate": "the target's plate (Zarr)",
            "driver-frames": "the driver's frames (Zarr), with its sound",
        },
        writes={
            "out": "video (mp4)",
            "sidecar": "what the video is and what it was made from (JSON)",
            "fused": "fused crops (Zarr)",
        },
        optional={
            "residuals": "enhanced or refined residuals (Zarr), as fuse.stage says; unread where it is generated",
            "further-models": "folder of the generators that the target's further clips led to",
        },
    )
    parser.add_argument("--descriptions", nargs="*", type=Path, default=[], metavar="PATH", help="description (JSON) of each model used")
    args = parser.parse_args()
    params = read_section(args.params, "fuse", FuseParams)
    inputs = FuseInputs(
        foreground=open_foregrounds(args.foreground),
        generated=open_foregrounds(args.generated),
        residuals=open_residuals(args.residuals) if params.polishes and args.residuals else None,
        plate=open_frames(args.plate, "plates"),
        driver_frames=open_frames(args.driver_frames),
        descriptions=(*args.descriptions, *read_descriptions(args.further_models)),
    )
    outputs = FuseOutputs(args.out, args.sidecar, args.fused)
    with stage_clock(args.time) as figures:
        figures["frames"] = fuse_pair(inputs, params, outputs)


if __name__ == "__main__":
    run_door(main)
