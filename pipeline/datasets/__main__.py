"""Turn a data set's own folders and lists into clips, targets and pairs for params.yaml: python -m pipeline.datasets NAME FOLDER."""

import argparse
import sys
from pathlib import Path

from pipeline.datasets.iper import list_iper
from pipeline.datasets.listing import Choices, Listing
from pipeline.datasets.solodance import list_solodance
from pipeline.datasets.table import list_table
from pipeline.door import run_door
from pipeline.errors import InputError

PARTS = {"iper": ("val", "train"), "solodance": ("test", "train")}  # of the data set's own split, the default first
UNPUBLISHED = ("complexmotion", "fish", "mouse")  # of the paper: no public source shows how their files lie


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(PARTS)}, or table: clips.csv and pairs.csv of any data set")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the data set was unpacked; it is only read")
    parser.add_argument("--part", help="part of the data set's own split; without it its test part")
    parser.add_argument("--targets", nargs="+", metavar="CLIP", help="only these targets and their drivers")
    parser.add_argument("--partial", action="store_true", help="list what is there, though something is missing")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the block; without it it is printed")
    for name, value in (("skeleton", "human"), ("pose", "blazepose"), ("matte", "blazepose"), ("redetect", "blazepose")):
        parser.add_argument(f"--{name}", default=value, help=f"of the clips, as in params.yaml; {value} unless given")
    args = parser.parse_args()
    found = listing(args.name.lower(), args.folder, args.part, args.targets, args.partial)
    text = found.text(Choices(args.skeleton, args.pose, args.matte, args.redetect))
    if args.out is None:
        print(text, end="")
    elif args.out.exists():
        raise InputError(f"{args.out} exists already: name a file that does not, and take its block over into params.yaml yourself.")
    else:
        args.out.write_text(text, encoding="utf-8")


def listing(name: str, folder: Path, part: str | None, targets: list[str] | None = None, partial: bool = False) -> Listing:
    """What a data set holds; InputError for an unknown one, and unless `partial` when something is missing.

    Each missing thing is printed on a line of its own.
    """
    if name in UNPUBLISHED:
        how = f"Write clips.csv and pairs.csv into {folder} and use the name table; see docs/how-to/datasets.md."
        raise InputError(f"{name}: layout not published. {how}")
    if name not in (*PARTS, "table"):
        raise InputError(f"{name} is not a data set known here; there are {', '.join(PARTS)}, and table for any other.")
    if not folder.is_dir():
        raise InputError(f"{folder} must be the data set's folder, found none. Unpack the data set there.")
    legal = PARTS.get(name, (part or "",))
    part = part or legal[0]
    if part not in legal:
        raise InputError(f"--part must be one of {', '.join(legal)} for {name}, found {part}.")
    found = {"iper": list_iper, "solodance": list_solodance, "table": list_table}[name](folder, part)
    found.require_names()
    if targets:
        unknown = sorted(set(targets) - {target for _, target in found.pairs})
        if unknown:
            raise InputError(f"--targets must be targets of {name}, found {', '.join(unknown)}. Leave --targets away to see all.")
        found = found.only(targets)
    found.require_clips()
    for line in found.missing:
        print(f"missing: {line}", file=sys.stderr)
    if found.missing and not partial:
        raise InputError(f"{folder} is not whole, missing {len(found.missing)} (above). Bring them, or use --partial for what is there.")
    if not found.pairs:
        raise InputError(f"{folder} has no pair to list.")
    return found


if __name__ == "__main__":
    run_door(main)
