"""Print schema, attributes and statistics of any artifact, and draw a contact sheet: python -m pipeline.inspect PATH."""

import argparse
from pathlib import Path

from pipeline.artifacts.pictures import require_suffix, write_picture
from pipeline.door import run_door
from pipeline.errors import InputError
from pipeline.inspect.look import PICTURES, inspect
from pipeline.picture.sheets import contact_sheet, encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH", help="artifact: .zarr, .parquet, .safetensors, .json, .tsv, video")
    parser.add_argument("--png", type=Path, metavar="OUT.png", help="also draw a contact sheet")
    args = parser.parse_args()
    if args.png:
        require_suffix("--png", args.png, ".png", "a PNG")
    findings = inspect(args.path)
    if args.png and findings.pictures:  # before the text, whose reader may leave early (| head)
        write_picture(args.png, encode(contact_sheet(findings.pictures, findings.labels, PICTURES)))
    print(findings.text())
    if args.png and not findings.pictures:
        raise InputError(f"{args.path} holds nothing to draw: leave --png away.")


if __name__ == "__main__":
    run_door(main)
