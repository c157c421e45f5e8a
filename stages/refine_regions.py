"""Door: generated foregrounds, enhancement and local generators → the final residuals of each region."""

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.residuals import open_residuals
from pipeline.body.regions import RegionParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_section, read_value
from pipeline.refine.apply import RefineInputs, load_generators, refine_regions
from pipeline.refine.params import RefineParams
from pipeline.timeline.split import self_split


def main() -> None:
    """Parse paths and params, open the inputs, refine, publish."""
    parser = door_parser(
        "Refine face, hands and feet of the generated foregrounds (Eq. 8).",
        reads={
            "warped": "foregrounds with carried pixels (Zarr)",
            "enhanced": "residuals of the enhanced faces (Zarr)",
            "motion": "motion (Parquet)",
            "model": "local generators (safetensors)",
            "description": "their description (JSON)",
        },
        writes={"out": "residuals (Zarr)"},
    )
    parser.add_argument("--pair", required=True, type=named("pair"), metavar="NAME", help="pair, for its target's overrides in params.yaml")
    args = parser.parse_args()
    target = read_value(args.params, f"pairs.{args.pair}.target")
    params = read_section(args.params, "refine", RefineParams, f"targets.{target}.refine")
    regions = read_section(args.params, "regions", RegionParams)
    split = self_split(args.params, args.pair)
    inputs = RefineInputs(
        open_foregrounds(args.warped),
        open_residuals(args.enhanced),
        read_keypoints(args.motion, "motions").track(),
        load_generators(args.model, args.description, regions) if params.enabled else {},
    )
    with stage_clock(args.time) as figures:
        figures["frames"] = refine_regions(inputs, params, regions, split, args.out)


if __name__ == "__main__":
    run_door(main)
