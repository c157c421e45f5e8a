"""Door: everything a run made → one page that opens from disk."""

from pathlib import Path

from pipeline.artifacts.store import publish
from pipeline.body.pose_maps import PoseMapParams
from pipeline.door import door_parser, run_door, stage_clock
from pipeline.params import read_entries, read_section
from pipeline.report.build import ReportInputs, build_report
from pipeline.report.params import ReportParams
from pipeline.timeline.split import SplitParams


def main() -> None:
    """Parse paths and params, build the page, publish."""
    parser = door_parser(
        "Build one self-contained HTML page about a whole run.",
        reads={"data": "folder that holds frames/, keypoints/, videos/, metrics/ and the rest"},
        writes={"out": "page (HTML)"},
    )
    args = parser.parse_args()
    params = read_section(args.params, "report", ReportParams)
    pose_map = read_section(args.params, "appearance.pose_map", PoseMapParams)
    people = ("driver", "target")
    pairs = {name: (pair["driver"], pair["target"]) for name, pair in read_entries(args.params, "pairs", people).items()}
    split = read_section(args.params, "split", SplitParams)
    targets = {name: (target["clip"], split) for name, target in read_entries(args.params, "targets", ("clip",)).items()}
    external = {name: (other["driver"], other["target"]) for name, other in read_entries(args.params, "external", people).items()}
    inputs = ReportInputs(args.data, pairs, targets, Path(args.params).read_text(encoding="utf-8"), external)
    with stage_clock(args.time):
        page = build_report(inputs, params, pose_map)
        with publish(args.out, "page") as temporary:
            temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_door(main)
