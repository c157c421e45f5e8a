"""Reconstruction at the size people watch: scores, ours beside the copies', and the frames that came out worst."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.artifacts.watched import Watched
from pipeline.picture.sheets import GAP_PX, contact_sheet, encode
from pipeline.report.metrics import METHODS, by_metric
from pipeline.report.page import heading, image, paragraph, table

TITLE = "At the size people watch"
STAGES = {"generated": "as generated", "warped": "real pixels carried", "enhanced": "faces enhanced", "refined": "regions refined"}
SHOWN = {"truth": "truth", **{name: METHODS[name] for name in ("reconstruction", "warped_pose", "nearest_pose")}}
WORST_BY = (("st_lpips", 1), ("psnr_person", -1), ("psnr", -1))  # metric, and the sign that makes more of it worse
SHEET_PX = 1250
QUALITY = 88


def watch_section(scores: Mapping[str, Any], columns: Mapping[str, Sequence[float]], watched: Watched | None, worst: int) -> list[str]:
    """Tables and pictures; columns are those of the scores by frame; at most `worst` frames. Empty when there are no scores."""
    methods = _watched({shown: scores.get(name) for name, shown in METHODS.items()})
    settings = scores.get("settings", {}).get("watch", {})
    if not methods:
        why = settings.get("not_computed")
        return [heading(3, TITLE), paragraph(f"Not computed: {why}.", "soft")] if why else []
    stages = scores["stages"] if isinstance(scores.get("stages"), Mapping) else {}
    after = _watched({shown: stages.get(name) for name, shown in STAGES.items()})
    height, width = settings.get("view_hw", ("?", "?"))
    said = f"{width} × {height} px about the person, from frames fused at the source's resolution: {settings.get('frames_sampled')}."
    parts = [
        heading(3, TITLE),
        paragraph(said),
        table(["metric", "better", *methods], by_metric(methods)),
    ]
    if after:
        parts += [paragraph("Ours after each stage:"), table(["metric", "better", *after], by_metric(after))]
    return [*parts, *(_worst_frames(columns, watched, worst) if watched is not None else [])]


def _watched(columns: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What stands under `watch` in each column that has it."""
    return {name: values["watch"] for name, values in columns.items() if isinstance(values, Mapping) and "watch" in values}


def _worst_frames(columns: Mapping[str, Sequence[float]], watched: Watched, worst: int) -> list[str]:
    """A picture a frame, the worst first: truth, ours, the warped and the plain copy."""
    by = next((found for found in WORST_BY if f"watch.reconstruction_{found[0]}" in columns), None)
    if by is None:
        return []
    metric, sign = by
    scored = dict(zip(columns["frame"], columns[f"watch.reconstruction_{metric}"], strict=True))
    rows = [(i, int(t), scored[t]) for i, t in enumerate(watched.frames) if np.isfinite(scored.get(t, np.nan))]
    rows = sorted(rows, key=lambda row: -sign * row[2])[:worst]
    return [image(_beside(watched, i), f"Among the worst by {metric}: frame {t}, {score:.4g}") for i, t, score in rows]


def _beside(watched: Watched, i: int) -> bytes:
    """The i-th frame's pictures beside each other, in a square where a row would not fit the page; larger ones are shrunk."""
    shown = {label: watched.pictures[name][i] for name, label in SHOWN.items()}
    height, width = next(iter(shown.values())).shape[:2]
    columns = len(shown) if len(shown) * (width + GAP_PX) < SHEET_PX else 2
    widest = (SHEET_PX - GAP_PX) // columns - GAP_PX
    cell = max(height, width) if width <= widest else int(max(height, width) * widest / width)
    return encode(contact_sheet(list(shown.values()), list(shown), columns, cell), ".jpg", QUALITY)
