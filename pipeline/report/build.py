"""One self-contained page about a whole run: what was made, how good it is, what was repaired, skipped and fetched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.body.pose_maps import PoseMapParams
from pipeline.errors import InputError
from pipeline.report import facts, metrics
from pipeline.report.departures import DEPARTURES
from pipeline.report.experiments import experiment_sections
from pipeline.report.page import bullets, code, document, folded, heading, links, paragraph
from pipeline.report.params import ReportParams
from pipeline.report.sections import Run, clip_section, pair_section, target_section
from pipeline.timeline.split import SplitParams

TITLE = "Motion copy: report"


@dataclass(frozen=True)
class ReportInputs:
    """The folder of a run, driver clip and target by pair, clip and split by target, the text of params.yaml; driver and target by
    other system."""

    data: Path
    pairs: Mapping[str, tuple[str, str]]
    targets: Mapping[str, tuple[str, SplitParams]]
    params_text: str
    external: Mapping[str, tuple[str, str]]


def build_report(inputs: ReportInputs, params: ReportParams, pose_map: PoseMapParams) -> str:
    """Build the page from what lies in the folder: HTML that opens from disk, with pictures and videos inside.

    Artifacts that are missing are listed at the end; damaged ones raise InputError.
    """
    data, pairs, targets = inputs.data, inputs.pairs, inputs.targets
    if not data.is_dir():
        raise InputError(f"{data} must be the folder that a run leaves its artifacts in, found no folder there: name it with --data.")
    run = Run(data, params, pose_map, [], inputs.external)
    clips = list(dict.fromkeys([*(clip for clip, _ in targets.values()), *(driver for driver, _ in pairs.values())]))
    # A pair of two people is what one came for; the pairs with oneself come after.
    ordered = sorted(pairs.items(), key=lambda item: item[1][0] == targets.get(item[1][1], (item[1][1], None))[0])
    body = [part for name, (driver, target) in ordered for part in pair_section(run, name, driver, target)]
    body += [part for name, (clip, split) in targets.items() for part in target_section(run, name, clip, split)]
    body += [part for name in clips for part in clip_section(run, name)]
    anchors = [(f"pair-{name}", f"{driver} → {target}") for name, (driver, target) in ordered]
    anchors += [(f"target-{name}", f"target {name}") for name in targets] + [(f"clip-{name}", f"clip {name}") for name in clips]
    tables = experiment_sections(data / "experiments")
    anchors += [("experiments", "experiments")] if tables else []
    anchors += [("time", "time and memory"), ("licences", "licences"), ("paper", "the paper"), ("params", "params")]
    head = [
        heading(1, TITLE),
        paragraph("Every video here marked result or reconstruction is generated: it shows what nobody did.", "soft"),
        links(anchors),
    ]
    compared = [heading(2, "Experiments", "experiments"), *tables] if tables else []
    return document(TITLE, [*head, *body, *compared, *_ending(run, inputs.params_text)])


def _ending(run: Run, params_text: str) -> list[str]:
    absent = [heading(2, "Not there", "absent"), bullets(run.absent)] if run.absent else []
    return [
        heading(2, "Time and memory", "time"),
        facts.time_table(run.data / "metrics" / "time"),
        heading(2, "Licences of what was fetched", "licences"),
        facts.licence_table([run.data / "demo", run.data / "weights"]),
        heading(2, "The paper", "paper"),
        paragraph(
            "Numbers of “Do as I Do: Pose Guided Human Motion Copy”, Table 1. They were measured on other data sets, at another "
            "size and after far longer training: compare trends, not digits. A number stands beside ours only where the "
            "metric has the same name."
        ),
        metrics.paper_table(),
        heading(3, "Where this run leaves the paper"),
        bullets(DEPARTURES),
        *absent,
        heading(2, "Params", "params"),
        folded("params.yaml of this run", code(params_text)),
    ]
