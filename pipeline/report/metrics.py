"""The tables of scores, beside the paper's, and what was not computed and why."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.facts import flat
from pipeline.report.page import bullets, folded, paragraph, table

# §4.2, Table 1: SSIM, PSNR, LPIPS, FID, IS, TCM on ComplexMotion, iPER and SoloDance; None: not given.
PAPER_METRICS = ("ssim", "psnr", "lpips", "fid", "is", "tcm")
PAPER_DATA = ("ComplexMotion", "iPER", "SoloDance")
PAPER = {
    "FakeVideo (the paper)": (
        (0.896, 27.52, 0.032, 46.62, 3.728, 0.813),
        (0.868, 26.72, 0.049, 54.94, 3.582, 0.872),
        (0.893, 27.82, 0.038, 44.72, None, 0.739),
    ),
    "FakeMotion": (
        (0.883, 27.15, 0.040, 48.03, 3.543, 0.773),
        (0.856, 25.86, 0.068, 56.27, 3.461, 0.799),
        None,
    ),
    "C2F-FWN": (
        (0.878, 25.68, 0.048, 53.19, 3.408, 0.689),
        (0.847, 24.32, 0.074, 60.12, 3.412, 0.769),
        (0.879, 26.65, 0.049, 46.49, None, 0.641),
    ),
    "EDN": (
        (0.823, 24.36, 0.061, 64.12, 3.411, 0.534),
        (0.852, 24.48, 0.086, 57.52, 3.305, 0.591),
        (0.811, 23.22, 0.051, 53.17, None, 0.347),
    ),
}
METHODS = {
    "reconstruction": "ours",
    "warped_pose": "nearest pose, warped",
    "nearest_pose_moved": "nearest pose, moved",
    "nearest_pose": "nearest pose",
    "plate": "plate alone",
    "reference": "true frames",
}
BETTER = {
    **dict.fromkeys(("psnr", "psnr_person", "ssim", "tcm", "motion_consistency", "pose_detected", "is"), "higher"),
    **dict.fromkeys(("st_lpips", "alex", "lpips_alex", "lpips_vgg", "e_warp", "pose_error_px", "fid"), "lower"),
    **dict.fromkeys(("face_landmarks", "face_expression", "face_identity"), "lower"),
    **dict.fromkeys(("face_expression_still", "face_identity_own"), "to compare with"),
    **dict.fromkeys(("sharpness", "flicker"), "near 1"),
}
STAGES = ("warped", "enhanced", "refined")


Others = Mapping[str, Mapping[str, Any]]  # other systems' scores by name


def reconstruction_table(scores: Mapping[str, Any], others: Others | None = None) -> str:
    """Our scores on held-out frames, the baselines', other systems' and, for metrics of the same name, the paper's."""
    methods = {METHODS[name]: scores[name] for name in METHODS if isinstance(scores.get(name), Mapping)}
    columns = {name: {metric: v for metric, v in values.items() if metric != "watch"} for name, values in methods.items()}
    columns = {name: values for name, values in columns.items() if values}
    return _beside(columns, others) or paragraph("Reconstruction was not scored.", "soft")


def imitation_table(scores: Mapping[str, Any], others: Others | None = None) -> str:
    """Scores of a pair, where no true frame exists, and other systems' of the same pair."""
    columns = {"ours": scores["imitation"]} if isinstance(scores.get("imitation"), Mapping) else {}
    return _beside(columns, others) or paragraph("Imitation was not scored.", "soft")


def _beside(columns: Others, others: Others | None) -> str:
    """One row a metric, one column a method; empty when there is no score."""
    columns = {**columns, **{f"external: {name}": values for name, values in (others or {}).items()}}
    rows = [[*row, _paper(str(row[0]))] for row in by_metric(columns)]
    return table(["metric", "better", *columns, "the paper, other data"], rows) if rows else ""


def by_metric(columns: Others) -> list[list[object]]:
    """A row a metric: its name, which way is better, and its score in each column, None where it has none."""
    metrics = sorted({metric for values in columns.values() for metric in values}, key=_order)
    return [[metric, BETTER.get(metric, ""), *(values.get(metric) for values in columns.values())] for metric in metrics]


def regions_table(scores: Mapping[str, Any]) -> str:
    """Scores of face, hands and feet before any polish (warped), with enhanced faces, and refined; empty when there are none."""
    regions = scores.get("regions")
    if not isinstance(regions, Mapping) or not regions:
        return ""
    rows = []
    for region, stages in sorted(regions.items()):
        if not isinstance(stages, Mapping):
            continue
        for metric in sorted({m for values in stages.values() if isinstance(values, Mapping) for m in values}):
            rows.append([region, metric, BETTER.get(metric, ""), *(stages.get(stage, {}).get(metric) for stage in STAGES)])
    return table(["region", "metric", "better", *STAGES], rows) if rows else ""


def faces_line(scores: Mapping[str, Any]) -> str:
    """One line on the faces that could not be compared, and why; empty when all were, or when nobody compared them."""
    faces = scores.get("settings", {}).get("faces", {})
    left_out = faces.get("left_out")
    if not left_out:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    return paragraph(f"Faces compared in {faces['compared']} of {faces['frames']} frames; left out: {reasons}.")


def settings_lines(scores: Mapping[str, Any]) -> str:
    """How the numbers were computed (folded), and one line per metric that was not."""
    settings = scores.get("settings")
    if not isinstance(settings, Mapping):
        return ""
    rows = flat({k: v for k, v in settings.items() if k != "not_computed"})
    missing = settings.get("not_computed", {})
    lines = [f"{name}: not computed: {why}" for name, why in sorted(missing.items())]
    explained = folded("How these numbers were computed", table(["", ""], [[name, str(value)] for name, value in rows]))
    return explained + (bullets(lines) if lines else "")


def scores_of(others: Others) -> dict[str, Mapping[str, Any]]:
    """The numbers in other systems' score files, by name."""
    return {name: scores.get("external", {}).get(name, {}) for name, scores in others.items()}


def settings_of(others: Others) -> str:
    """How each other system's video was brought beside ours, folded; empty when there is none."""
    rows = [[name, *line] for name, scores in others.items() for line in flat(scores.get("settings", {}).get("external", {}))]
    return folded("How the other systems' videos were taken", table(["system", "", ""], rows)) if rows else ""


def paper_table() -> str:
    """All the numbers of the paper's Table 1 that the report refers to."""
    rows = [
        [method, data, *values]
        for method, by_data in PAPER.items()
        for data, values in zip(PAPER_DATA, by_data, strict=True)
        if values is not None
    ]
    return table(["method", "data", *(name.upper() for name in PAPER_METRICS)], rows)


def _order(metric: str) -> tuple[int, str]:
    """As BETTER lists them, then by name."""
    return (list(BETTER).index(metric) if metric in BETTER else len(BETTER), metric)


def _paper(metric: str) -> str | None:
    """FakeVideo's numbers for a metric of the very same name; st_lpips, for one, is not LPIPS."""
    if metric not in PAPER_METRICS:
        return None
    i = PAPER_METRICS.index(metric)
    values = [row[i] if row else None for row in PAPER["FakeVideo (the paper)"]]
    return " / ".join("–" if v is None else f"{v:g}" for v in values)
