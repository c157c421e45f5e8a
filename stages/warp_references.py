"""Door: generated foregrounds and references → foregrounds with the references' pixels at the source's resolution."""

from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.references import open_all_references
from pipeline.artifacts.scores import write_scores
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.reference.warp import WarpInputs, warp_references


def main() -> None:
    """Parse paths, open the inputs, carry, publish."""
    parser = door_parser(
        "Carry the pixels of real frames into a generated motion at the source's resolution.",
        reads={"generated": "generated foregrounds (Zarr)", "references": "references (Zarr)", "motion": "motion (Parquet)"},
        writes={"out": "foregrounds (Zarr)", "where": "how much was carried where (JSON)"},
        optional={"further-references": "folder of the references of the target's further clips"},
    )
    args = parser.parse_args()
    generated, motion = open_foregrounds(args.generated), read_keypoints(args.motion, kind="motions").track()
    inputs = WarpInputs(generated, open_all_references(args.references, args.further_references), motion)
    with stage_clock(args.time) as figures:
        if generated.carried is not None:
            from pipeline.training.device import prepare_cpu  # takes a second to import

            prepare_cpu(1)  # frames are made side by side
        where = warp_references(inputs, args.out)
        write_scores(args.where, where)
        figures.update(frames=len(generated), carried_share=where["share"])


if __name__ == "__main__":
    run_door(main)
