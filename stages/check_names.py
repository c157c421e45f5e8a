"""Door: params.yaml → a file that says that its names are legal, and never changes; the code → a listing for each door."""

from pipeline.check.check import check_names
from pipeline.door import door_parser, run_door


def main() -> None:
    """Parse paths, check, publish."""
    parser = door_parser(
        "Check the names of clips, targets, pairs and external entries, and the values that pick files.",
        reads={},
        writes={
            "out": "a text that is always the same, so that only a fault stops the stages after it",
            "code": "folder of listings: which code each door runs, with digests, so that an edit reruns the stages that it reaches",
        },
    )
    args = parser.parse_args()
    check_names(args.params, args.out, args.code)


if __name__ == "__main__":
    run_door(main)
