"""Fetch one asset: pretrained networks or demo footage, checked by sha256, with its licence beside it."""

from pathlib import Path

from pipeline.assets.catalogue import asset_names, read_asset
from pipeline.assets.fetch import fetch_asset
from pipeline.door import door_parser, run_door, stage_clock


def main() -> None:
    parser = door_parser(__doc__ or "", reads={}, writes={"out": "folder for the files and asset.json"})
    parser.add_argument("--asset", required=True, metavar="NAME", help=f"one of: {', '.join(asset_names())}")
    parser.add_argument("--incoming", type=Path, default=Path("data/incoming"), help="files brought by hand")
    parser.add_argument("--cache", type=Path, default=Path(".scratch/downloads"), help="downloads kept")
    args = parser.parse_args()
    with stage_clock(args.time):
        fetch_asset(read_asset(args.asset), args.out, args.incoming, args.cache)


if __name__ == "__main__":
    run_door(main)
