"""Door: generated foreground, residuals and plate → the video, its JSON, and the fused crops."""

from pathlib import Path

from pipeline.door import door_parser, run_door, stage_clock
from pipeline.fuse.fuse import FuseInputs, FuseOutputs, FuseParams, fuse_pair
from pipeline.params import read_section


def main() -> None:
    """Parse paths and params, compose, publish."""
    parser = door_parser(
        "Paste the generated person into the plate: a video with the driver's timestamps and sound.",
        reads={
            "generated": "generated foregrounds (Zarr)",
            "plate": "the target's plate (Zarr)",
            "driver-frames": "the driver's frames (Zarr), with its sound",
        },
        writes={
            "out": "fused crops (Zarr)",
            "video-out": "video (mp4)",
            "sidecar-out": "what the video is and what it was made from (JSON)",
        },
        optional={
            "enhanced": "residuals of enhanced faces (Zarr), read where fuse.stage is enhanced",
            "refined": "residuals of refined regions (Zarr), read where fuse.stage is refined",
        },
    )
    parser.add_argument("--models", nargs="*", type=Path, default=[], metavar="PATH", help="JSON beside each model used")
    args = parser.parse_args()
    params = read_section(args.params, "fuse", FuseParams)
    inputs = FuseInputs(
        foreground=args.generated,
        residuals={"enhanced": args.enhanced, "refined": args.refined},
        plate=args.plate,
        driver_frames=args.driver_frames,
        models=tuple(args.models),
    )
    outputs = FuseOutputs(video=args.video_out, sidecar=args.sidecar_out, fused=args.out)
    with stage_clock(args.time) as figures:
        figures["frames"] = fuse_pair(inputs, outputs, params)


if __name__ == "__main__":
    run_door(main)
