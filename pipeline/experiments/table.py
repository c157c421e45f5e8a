"""Finished experiments as a table: Parquet for machines, Markdown for people."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts.experiments import by_row, difference_text, mean_text, write_experiments
from pipeline.artifacts.store import publish
from pipeline.experiments.lists import ExperimentList
from pipeline.experiments.results import Result
from pipeline.experiments.statistics import BLOCK_FRAMES, LEVEL, WHOLE, Frames, compare, quantile, spread

METHOD = "reconstruction"
WATCH = "watch."
COSTS = {"training_s": "training, s", "frames_per_s": "frames/s"}
NOT_TOLD_APART, TOO_LITTLE, MISSING, REFERENCE = "not told apart", "too little to say", "missing", "reference"
UNIT = (
    "Each score is the mean over held-out frames, then mean ± standard deviation over seeds. A difference is paired: row minus "
    "reference, same held-out frame, same seed; scores without frames (of pairs of frames) are paired by seed alone. "
    f"Rows differ where a paired t test over seeds says so at {100 * LEVEL:g} %: the mean difference must exceed "
    f"{quantile(2):.1f} standard errors at two seeds, {quantile(3):.1f} at three, {quantile(5):.1f} at five; and the same over blocks of "
    f"{BLOCK_FRAMES} neighbouring frames, which look alike. se is the larger of the two standard errors. One seed cannot tell a row "
    "from luck, so nothing is said then. "
    "Of many comparisons about one in twenty differs by chance."
)
COST = (
    "Training is the seconds of train_appearance and train_refiner, frames/s those of generate_foreground, drawing and writing "
    "included, where they ran; a training that was interrupted counts from where it was taken up, and rows of equal trainings share one."
)

Results = Mapping[str, Mapping[int, Result]]  # by row and seed


def records(listed: ExperimentList, results: Results) -> list[dict[str, Any]]:
    """A record for each row (baselines last) and metric, costs after the scores."""
    made: list[dict[str, Any]] = []
    for row in [*listed.rows, *listed.baselines]:
        source, method = (row, METHOD) if row in listed.rows else (listed.reference, row)
        found = results.get(source, {})
        for metric in listed.metrics:
            mine = {seed: _scores(result, metric, method) for seed, result in found.items()}
            made.append(_score_record(listed, row, metric, mine, results))
        if row in listed.rows:
            made += [_cost_record(row, cost, found) for cost in COSTS]
    return made


def write_table(folder: Path, name: str, listed: ExperimentList, results: Results) -> list[Path]:
    """Write <name>.parquet and <name>.md; returns their paths."""
    rows = records(listed, results)
    about = {
        "name": name,
        "question": listed.question,
        "target": listed.target,
        "base": {key: str(value) for key, value in listed.base.items()},
        "reference": listed.reference,
        "metrics": listed.metrics,
        "docs": {row: value.doc for row, value in listed.rows.items()},
        "paper": {row: value.paper for row, value in listed.rows.items() if value.paper},
        "notes": [*_notes(listed, results), UNIT, COST],
    }
    paths = [folder / f"{name}.parquet", folder / f"{name}.md"]
    write_experiments(paths[0], rows, about)
    with publish(paths[1], "experiments") as temporary:
        temporary.write_text(markdown(rows, about), encoding="utf-8")
    return paths


def markdown(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> str:
    """The table in words: scores and costs, then differences to the reference."""
    metrics = list(about["metrics"])
    base = ", ".join(f"`{key}: {value}`" for key, value in about["base"].items())
    lines = [
        f"# {about['name']}",
        "",
        about["question"],
        "",
        f"Target `{about['target']}`; all rows with {base or 'params.yaml as it stands'}.",
        "",
    ]
    lines += ["## Scores and costs", "", *_head(["row", "what", "paper's table", *metrics, *COSTS.values(), "seeds"])]
    for row, of in by_row(rows).items():
        seeds = ", ".join(map(str, of[metrics[0]]["seeds"])) or MISSING
        cells = [mean_text(of.get(name)) for name in [*metrics, *COSTS]]
        lines.append(_line([row, about["docs"].get(row, "baseline"), about["paper"].get(row, "–"), *cells, seeds]))
    lines += ["", "## Differences", "", *_head(["row", "against", *metrics])]
    for row, of in by_row(rows).items():
        if any(of[name]["against"] for name in metrics):
            lines.append(_line([row, of[metrics[0]]["against"], *(difference_text(of[name]) for name in metrics)]))
    return "\n".join([*lines, "", *(f"- {note}" for note in about["notes"])]) + "\n"


def _scores(result: Result, metric: str, method: str) -> Frames:
    """Scores of one experiment: by frame where there are such, else one for the whole; empty when it was not computed."""
    of_ours = metric.startswith(("regions.", "stages."))
    if of_ours and method != METHOD:
        return {}  # regions and stages are scored for our own rendering alone
    watched = metric.removeprefix(WATCH)  # at the size people watch
    column = metric if of_ours else f"{method}_{metric}" if watched == metric else f"{WATCH}{method}_{watched}"
    if column in result.frames:
        return {int(t): value for t, value in zip(result.frames["frame"], result.frames[column], strict=True)}
    node: Any = result.scores
    dotted = metric if "." in metric and watched == metric else f"{METHOD}.{metric}"
    for key in (method if part == METHOD else part for part in dotted.split(".")):
        node = node.get(key) if isinstance(node, Mapping) else None
    return {WHOLE: float(node)} if isinstance(node, (int, float)) else {}


def _score_record(listed: ExperimentList, row: str, metric: str, mine: Mapping[int, Frames], results: Results) -> dict[str, Any]:
    by_seed = {seed: spread(list(frames.values()))[0] for seed, frames in sorted(mine.items())}
    reference = listed.reference_of(row)
    shared = {**_row(row, metric, by_seed), "against": None if reference == row else reference}
    if reference == row:
        return {**shared, "verdict": REFERENCE if by_seed else MISSING}
    theirs = {seed: _scores(result, metric, METHOD) for seed, result in results.get(reference, {}).items()}
    found = compare({seed: mine[seed] for seed in mine if seed in theirs}, {seed: theirs[seed] for seed in theirs if seed in mine})
    figures = {"difference": found.difference, "standard_error": found.standard_error, "pairs": found.pairs, "left_out": found.left_out}
    if not found.pairs:
        return {**shared, **figures, "verdict": MISSING}
    if found.differs is None:
        return {**shared, **figures, "verdict": TOO_LITTLE}
    higher = "higher" if found.difference > 0 else "lower"
    return {**shared, **figures, "verdict": higher if found.differs else NOT_TOLD_APART}


def _cost_record(row: str, cost: str, found: Mapping[int, Result]) -> dict[str, Any]:
    by_seed = {seed: result.costs[cost] for seed, result in sorted(found.items()) if cost in result.costs}
    return {**_row(row, cost, by_seed), "against": None, "verdict": "" if by_seed else MISSING}


def _row(row: str, metric: str, by_seed: Mapping[int, float]) -> dict[str, Any]:
    mean, deviation = spread(list(by_seed.values()))
    nothing = {"difference": math.nan, "standard_error": math.nan, "pairs": 0, "left_out": 0}
    return {
        "row": row,
        "metric": metric,
        "mean": mean,
        "spread": deviation,
        "seeds": list(by_seed),
        "by_seed": list(by_seed.values()),
        **nothing,
    }


def _notes(listed: ExperimentList, results: Results) -> list[str]:
    """What is missing, and which rows were made from something else than the reference."""
    absent = {row: [seed for seed in listed.seeds if seed not in results.get(row, {})] for row in listed.rows}
    unfinished = [f"{row} (seeds {', '.join(map(str, seeds))})" for row, seeds in absent.items() if seeds]
    notes = [f"Not finished: {'; '.join(unfinished)}."] if unfinished else []
    made = {row: {(r.made_from, r.commit) for r in results.get(row, {}).values()} for row in listed.rows}
    origins = sorted({origin for pairs in made.values() for origin, _ in pairs})
    if len(origins) > 1:
        commits = {o: sorted({c for pairs in made.values() for origin, c in pairs if origin == o}) for o in origins}
        rows = {o: [row for row, pairs in made.items() if any(origin == o for origin, _ in pairs)] for o in origins}
        versions = "; ".join(f"at commit {', '.join(commits[o])}: {', '.join(rows[o])}" for o in origins)
        notes.append(f"WARNING: rows were made by different code or params, so they cannot be compared: {versions}.")
    return notes


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
