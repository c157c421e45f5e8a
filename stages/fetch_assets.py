"""Door: an asset's name → its files, checked by sha256, with its licence beside them."""

from pathlib import Path

from pipeline.assets.catalogue import OF_HANDS, asset_names, asset_of_edges, assets_of_evaluation
from pipeline.assets.fetch import fetch_by_name
from pipeline.clips import read_hands
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.params import read_value


def main() -> None:
    """Parse paths, fetch one asset, or those that the listed metrics need, each in its folder."""
    parser = door_parser(
        "Fetch pretrained networks or demo footage, checked by sha256, with the licence beside it.",
        reads={},
        writes={"out": "folder for the files and asset.json"},
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--asset", metavar="NAME", help=f"one of: {', '.join(asset_names())}")
    which.add_argument("--hands-of", metavar="CLIP", help="what the `hands` of this clip need, nothing where it has none")
    which.add_argument("--for-evaluation", action="store_true", help="all that evaluation.metrics and evaluation.flow need, a folder each")
    parser.add_argument("--for-matte", metavar="BACKEND", help="fetch that of matting.edges only if this backend's mattes need it")
    parser.add_argument("--incoming", type=Path, default=Path("data/incoming"), help="files brought by hand")
    parser.add_argument("--cache", type=Path, default=Path(".scratch/downloads"), help="downloads kept")
    args = parser.parse_args()
    with stage_clock(args.time):
        if args.asset:
            name = asset_of_edges(args.asset, args.for_matte) if args.for_matte else args.asset
            fetch_by_name(name, args.out, args.incoming, args.cache)
        elif args.hands_of:
            fetch_by_name(OF_HANDS[read_hands(args.params, args.hands_of)], args.out, args.incoming, args.cache)
        else:
            metrics, flow = (read_value(args.params, f"evaluation.{key}") for key in ("metrics", "flow"))
            for name in assets_of_evaluation(metrics, flow):
                fetch_by_name(name, args.out / name, args.incoming, args.cache)


if __name__ == "__main__":
    run_door(main)
