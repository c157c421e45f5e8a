"""Door: params.yaml → the list of a target's further clips, in each folder that holds what is made of them."""

from pipeline.check.footage import list_footage
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_entries


def main() -> None:
    """Parse paths, read who belongs to whom, publish."""
    parser = door_parser(
        "List the further clips of a target in the order in which they are learnt; none is legal.",
        reads={},
        writes={
            "further-models": "folder of the models that they lead to",
            "further-references": "folder of their references",
            "further-faces": "folder of their face indices",
        },
    )
    parser.add_argument("--target", required=True, type=named("target"), metavar="NAME", help="target whose clips in footage are listed")
    args = parser.parse_args()
    clips = read_entries(args.params, "footage", ("target", "after"))
    with stage_clock(args.time):
        list_footage(clips, args.target, [args.further_models, args.further_references, args.further_faces])


if __name__ == "__main__":
    run_door(main)
