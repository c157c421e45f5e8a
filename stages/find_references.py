"""Door: a motion and a target's references → which reference each frame is made from."""

from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_all_references, write_chosen
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.names import named
from pipeline.params import read_section, read_value
from pipeline.reference.find import FindInputs, FindParams, find_references
from pipeline.timeline.split import self_split, split_frames


def main() -> None:
    """Parse paths and params, open the inputs, search, publish."""
    parser = door_parser(
        "Find for every frame of a motion the reference that a warp changes least, steadily in time.",
        reads={"motion": "motion (Parquet)", "keypoints": "the target's keypoints (Parquet)", "references": "references (Zarr)"},
        writes={"out": "chosen references (Parquet)"},
        optional={"further-references": "folder of the references of the target's further clips"},
    )
    parser.add_argument("--pair", required=True, type=named("pair"), metavar="NAME", help="pair, its own motion or another's")
    args = parser.parse_args()
    target_name = read_value(args.params, f"pairs.{args.pair}.target")
    params = read_section(args.params, "reference.find", FindParams, f"targets.{target_name}.reference.find")
    motion, target = read_keypoints(args.motion, kind="motions").track(), read_keypoints(args.keypoints).track()
    inputs = FindInputs(motion, target, open_all_references(args.references, args.further_references))
    own = self_split(args.params, args.pair)
    with stage_clock(args.time) as figures:
        split = None if own is None else split_frames(inputs.target.present, own)
        write_chosen(args.out, find_references(inputs, params, split))
        figures["frames"] = len(inputs.motion)


if __name__ == "__main__":
    run_door(main)
