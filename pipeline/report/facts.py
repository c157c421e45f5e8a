"""Facts beside the pictures: time and memory, repaired joints, skipped regions, camera, licences."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.report.page import bullets, folded, paragraph, table
from pipeline.windows import runs

REPAIRS = ("interpolated", "dropped")
LONG_TEXT = 160


def time_table(folder: Path) -> str:
    """Seconds, peak memory and frames per second of every stage that left its figures."""
    rows, total = [], 0.0
    for path in sorted(folder.glob("*.json")):
        figures = json.loads(path.read_text(encoding="utf-8"))
        total += figures.get("seconds", 0.0)
        rows.append([path.stem, *(figures.get(key) for key in ("seconds", "peak_memory_mb", "frames", "frames_per_s"))])
    if not rows:
        return paragraph("No stage left its figures.", "soft")
    rows = [[name, seconds, memory, None if frames is None else int(frames), rate] for name, seconds, memory, frames, rate in rows]
    note = paragraph(f"{len(rows)} stages, {total:.0f} s in all if run one after the other; when each last ran.", "soft")
    return note + table(["stage", "seconds", "peak memory, MB", "frames", "frames/s"], rows)


def repaired_joints(track: Track) -> str:
    """How many joints were measured, repaired or missing, and in which frames each repair was made."""
    counts = [[joint, *_counts(track.origin[:, j])] for j, joint in enumerate(track.joints)]
    used = [i for i in range(len(ORIGINS)) if any(row[1 + i] for row in counts)]
    rows = [[row[0], *(row[1 + i] or None for i in used)] for row in counts]
    repaired = [(joint, j) for j, joint in enumerate(track.joints) if _repaired(track.origin[:, j]).any()]
    total = int(sum(_repaired(track.origin[:, j]).sum() for _, j in repaired))
    lines = [
        f"{joint}, {name}: frames {ranges(np.flatnonzero(track.origin[:, j] == ORIGINS.index(name)))}"
        for joint, j in repaired
        for name in REPAIRS
        if (track.origin[:, j] == ORIGINS.index(name)).any()
    ]
    say = f"{total} joints repaired (interpolated in time, or dropped and left undrawn) in {len(track.origin)} frames."
    frames = folded(f"Frames of each repair ({len(lines)} rows)", bullets(lines)) if lines else ""
    return paragraph(say) + folded("Joints by origin", table(["joint", *(ORIGINS[i] for i in used)], rows)) + frames


def left_undrawn(track: Track) -> str:
    """One sentence on the joints of a motion that were dropped, frame by frame; empty when there are none."""
    dropped = track.origin == ORIGINS.index("dropped")
    told = [f"{joint} in frames {ranges(np.flatnonzero(dropped[:, j]))}" for j, joint in enumerate(track.joints) if dropped[:, j].any()]
    return f"Left undrawn: {'; '.join(told)}." if told else ""


def ranges(frames: np.ndarray) -> str:
    """Ascending frames in short: 3-7, 12."""
    return ", ".join(f"{a}" if b - a == 1 else f"{a}-{b - 1}" for a, b in runs(frames))


def skipped_regions(skipped: Mapping[str, list[str]]) -> str:
    """Which regions were left alone, in how many frames and why; says so when none was."""
    lines = [f"{region}: {reason}" for region, reasons in sorted(skipped.items()) for reason in reasons]
    return bullets(lines) if lines else paragraph("No region was skipped.", "soft")


def camera_warnings(attributes: Mapping[str, Any]) -> list[str]:
    """Sentences of the plate about a moving camera, taken from its attributes."""
    found = []
    for key, value in sorted(attributes.items()):
        if "camera" in key and value not in (False, None, "", "static", []):
            found.append(f"{key.replace('_', ' ')}: {value if not isinstance(value, bool) else 'yes'}")
    return found


def attribute_table(attributes: Mapping[str, Any], leave_out: tuple[str, ...] = ()) -> str:
    """What an artifact says of itself, without the clock and long lists."""
    rows = [
        [key.replace("_", " "), value if isinstance(value, (int, float)) and not isinstance(value, bool) else _short(value)]
        for key, value in sorted(attributes.items())
        if key not in ("kind", "version", "pts", "fps", "time_base", "skeleton", *leave_out)
    ]
    return table(["", ""], [[key, str(_rounded(value))] for key, value in rows]) if rows else ""


def licence_table(folders: list[Path]) -> str:
    """Licence and what it allows, for everything that was fetched."""
    rows = []
    for path in sorted(path for folder in folders for path in folder.glob("*/asset.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["files"]:
            rows.append([facts["name"], facts["what"], facts["source"], facts["licence"], facts["allows"]])
    if not rows:
        return paragraph("Nothing was fetched.", "soft")
    return table(["name", "what it is", "source", "licence", "what it allows"], rows)


def _counts(origin: np.ndarray) -> list[int]:
    return [int((origin == i).sum()) for i in range(len(ORIGINS))]


def _repaired(origin: np.ndarray) -> np.ndarray:
    return np.isin(origin, [ORIGINS.index(name) for name in REPAIRS])


def _rounded(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}…"
