"""Facts beside the pictures: time and memory, repaired joints, skipped regions, camera, licences."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.crops import Crops
from pipeline.artifacts.keypoints import ORIGINS, Track
from pipeline.artifacts.store import readable
from pipeline.report.page import bullets, folded, paragraph, table
from pipeline.timeline.windows import runs

REPAIRS = ("interpolated", "dropped")
LONG_TEXT = 160


def time_table(folder: Path) -> str:
    """Seconds, peak memory and frames per second of every stage that left its figures."""
    rows, total = [], 0.0
    for path in shown(folder.glob("*.json"), folder):
        with readable(path, "JSON of a stage's figures", "Take it away, or run the stage again"):
            figures = dict(json.loads(path.read_text(encoding="utf-8")))
            measured = [figures.get(key) for key in ("seconds", "peak_memory_mb", "frames", "frames_per_s")]
            if not all(value is None or type(value) in (int, float) for value in measured):
                raise ValueError(f"seconds, memory and frames must be numbers, found {measured}")
        total += measured[0] or 0.0
        rows.append([path.stem, *measured])
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
    undrawn = [f"{joint} in frames {ranges(np.flatnonzero(dropped[:, j]))}" for j, joint in enumerate(track.joints) if dropped[:, j].any()]
    return f"Left undrawn: {'; '.join(undrawn)}." if undrawn else ""


def ranges(frames: np.ndarray) -> str:
    """Ascending frames in short: 3-7, 12."""
    return ", ".join(f"{a}" if b - a == 1 else f"{a}-{b - 1}" for a, b in runs(frames))


def skipped_regions(skipped: Mapping[str, list[str]]) -> str:
    """Which regions were left alone, in how many frames and why; says so when none was."""
    lines = [f"{region}: {reason}" for region, reasons in sorted(skipped.items()) for reason in reasons]
    return bullets(lines) if lines else paragraph("No region was skipped.", "soft")


def camera_warning(attributes: Mapping[str, Any]) -> str:
    """One sentence when the plate's samples show that the camera moved, else empty."""
    motion = attributes.get("inpainting", {}).get("camera_motion", {})
    if not motion.get("moving"):
        return ""
    remedy = "clips.<clip>.camera: moving follows it (docs/how-to/moving-camera.md)."
    return f"The camera moves (up to {motion['max_shift_px']} px): the plate is blurred, and the result with it; {remedy}"


def moving_camera(track: Track) -> list[str]:
    """One sentence on a camera that was followed, none for one that stands still."""
    camera = track.camera
    if camera is None:
        return []
    (h, w), known = camera.size_hw, int(camera.trusted.sum())
    return [
        f"The camera moves: {known} of {len(camera)} frames were laid onto frame {camera.reference}, in a still view of {w} × {h} px, "
        "whose pixels keypoints, mattes, plate and result have."
    ]


def crop_fill(crops: Crops, training: np.ndarray) -> str:
    """One sentence: how the frame is cut, and how much of the crop the person fills in the training frames; its height in px."""
    height, width = crops.crop_hw
    cut = {"fixed": "the same box throughout", "follow": "a box that follows the person"}.get(crops.attributes.get("mode", ""), "")
    said = f"{width} × {height} px" + (f", {cut}" if cut else "")
    shares = [float((crops.mattes[int(t)] > 127).mean()) for t in training]
    if shares:
        said += f"; the person fills {100 * float(np.median(shares)):.0f} % of it (median over training frames)"
    if "body_px" in crops.attributes:
        said += f" and is {crops.attributes['body_px']:.0f} px high or long (median, from joint to joint)"
    return f"The crop: {said}."


def matte_table(attributes: Mapping[str, Any]) -> str:
    """Which backend made the mattes, in which frames it missed the person, and how much the mattes flicker."""
    rows = [["backend", attributes.get("backend")]]
    for key, how in (("bridged_frames", "bridged from their neighbours"), ("guessed_frames", "guessed from the joints alone")):
        if key in attributes:
            frames = attributes[key]
            rows.append([f"missed, {how}", f"{len(frames)} (frames {ranges(np.array(frames))})" if frames else "none"])
    flicker = attributes.get("flicker", {})
    for key, when in (("found", "as found"), ("smoothed", "after smoothing")):
        if key in flicker:
            rows.append([f"flicker {when}", f"{100 * flicker[key]:.2f} % of the opacity changes beyond the motion"])
    return table(["mattes", ""], rows)


def attribute_table(attributes: Mapping[str, Any], leave_out: tuple[str, ...] = ()) -> str:
    """What an artifact says of itself, without the clock and with long lists cut."""
    gone = ("kind", "version", "pts", "fps", "time_base", "skeleton", *leave_out)
    rows = flat({key: value for key, value in attributes.items() if key not in gone})
    return table(["", ""], [[key.replace("_", " "), _short(value)] for key, value in rows]) if rows else ""


def flat(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings with their dotted names."""
    if not isinstance(tree, Mapping):
        return [(prefix, tree)]
    return [pair for key, value in tree.items() for pair in flat(value, f"{prefix}.{key}" if prefix else str(key))]


def licence_table(folders: list[Path]) -> str:
    """Licence and what it allows, for everything that was fetched."""
    rows = []
    for path in (path for folder in folders for path in shown(folder.rglob("asset.json"), folder)):
        with readable(path, "description of an asset", "Run: dvc repro fetch_weights fetch_demo"):
            facts = json.loads(path.read_text(encoding="utf-8"))
            row = [str(facts[key]) for key in ("name", "what", "source", "licence", "allows")]
            files = list(facts["files"])
        if files and row not in rows:
            rows.append(row)
    if not rows:
        return paragraph("Nothing was fetched.", "soft")
    return table(["name", "what it is", "source", "licence", "what it allows"], rows)


def shown(paths: Iterable[Path], folder: Path) -> list[Path]:
    """The paths in order, without what is hidden: a stage that is killed leaves its unfinished work so."""
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _counts(origin: np.ndarray) -> list[int]:
    return [int((origin == i).sum()) for i in range(len(ORIGINS))]


def _repaired(origin: np.ndarray) -> np.ndarray:
    return np.isin(origin, [ORIGINS.index(name) for name in REPAIRS])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}…"
