"""Tables of experiments: what each row scored, cost, and whether it differs from the row that it is compared with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts.experiments import REMEDY, by_row, difference_text, mean_text, read_experiments
from pipeline.artifacts.store import readable
from pipeline.report.facts import shown
from pipeline.report.page import bullets, folded, heading, paragraph, table

COSTS = ("training_s", "frames_per_s")


def experiment_sections(folder: Path) -> list[str]:
    """A section for every table that is there, in the order of their names."""
    parts: list[str] = []
    for path in shown(folder.glob("*.parquet"), folder):
        records, about = read_experiments(path)
        with readable(path, "table of experiments", REMEDY):
            parts += _section(records, about)
    return parts


def _section(records: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> list[str]:
    rows = by_row(records)
    metrics = list(about["metrics"])
    warnings = [note for note in about["notes"] if note.startswith("WARNING")]
    settings = [f"target {about['target']}", *(f"{key}: {value}" for key, value in about["base"].items())]
    scores = [
        [row, about["docs"].get(row, "baseline"), about["paper"].get(row), *(mean_text(of.get(name)) for name in [*metrics, *COSTS])]
        for row, of in rows.items()
    ]
    verdicts = [
        [row, of[metrics[0]]["against"], *(difference_text(of[name]) for name in metrics)]
        for row, of in rows.items()
        if of[metrics[0]]["against"]
    ]
    return [
        heading(3, about["name"]),
        paragraph(about["question"]),
        paragraph(f"All rows: {', '.join(settings)}.", "soft"),
        *(paragraph(warning, "warn") for warning in warnings),
        table(["row", "what", "paper’s table", *metrics, "training, s", "frames/s"], scores),
        table(["row", "against", *metrics], verdicts),
        folded("How these numbers were computed, and what is missing", bullets(n for n in about["notes"] if n not in warnings)),
    ]
