"""Videos → clips, a target and its pairs in params.yaml, with every key that they need; nothing is copied."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unicodedata import normalize

from pipeline.check.entries import DICTS
from pipeline.command.editing import with_empty_list, with_entries, without_entries
from pipeline.disk import replace_text
from pipeline.errors import InputError
from pipeline.names import BETWEEN, LONGEST_BYTES, look_alike, name_fault, pair_name
from pipeline.params import read_all
from pipeline.plan import parsed
from pipeline.video.reading import probe

DEMO = "data/demo/"
Cast = dict[str, dict[str, Any]]
Kept = Mapping[str, Mapping[Any, Any]]  # sections of params.yaml as they are


def add_videos(project: Path, target: Path, drivers: list[Path]) -> list[str]:
    """Write a target's video and its drivers' into the project's params.yaml and return lines that say what was done and what is next.

    What is there already is kept, but for the demo's entries. InputError when a path is no video and no folder of images,
    or params.yaml cannot be edited.
    """
    videos = list(dict.fromkeys([target, *drivers]))
    for video in videos:
        probe(video)
    path = project / "params.yaml"
    tree = read_all(path)
    kinds = ("clips", "targets", *(["footage"] if "footage" in tree else []), "pairs", "external")
    old = {kind: tree.get(kind) for kind in kinds}
    for kind, entries in old.items():
        if not isinstance(entries, Mapping):
            raise InputError(f"{path}: {kind} must be a mapping of names to entries, {{}} for none, found {entries!r}.")
    gone = _demo(old)
    kept = {kind: {name: entry for name, entry in entries.items() if name not in gone[kind]} for kind, entries in old.items()}
    names = _names(project, videos, kept)
    new = _new(project, names, target, drivers, kept)
    text = before = path.read_text(encoding="utf-8")
    try:
        for kind in old:
            text = without_entries(text, kind, gone[kind]) if gone[kind] else text
            text = with_entries(text, kind, new[kind]) if new.get(kind) else text
        text = with_empty_list(text, "demo") if gone["clips"] else text
        wanted = {**tree, **{kind: {**kept[kind], **new.get(kind, {})} for kind in old}} | ({"demo": []} if gone["clips"] else {})
        whole = parsed(text) == wanted
    except Exception:  # a file of another form than ours: whatever fails, nothing is written
        whole = False
    if not whole:
        raise InputError(f"{path} could not be edited without changing more than wanted: add the entries by hand, see the comments there.")
    if text != before:
        ends = "\r\n" if b"\r\n" in path.read_bytes() else "\n"  # as the file has them
        replace_text(path, text.replace("\n", ends), path.stat().st_mode)
    return _said(gone, new, names[target], names[drivers[0]])


def legal_name(stem: str) -> str:
    """A legal name from the name of a file: what is not legal becomes _; a result of ours bears a pair's name, which no clip may have."""
    name = "".join(c if not name_fault(f"a{c}") else "_" for c in normalize("NFC", stem)).replace(BETWEEN, "_to_")
    name = re.sub(r"_+", "_", name).strip("_-")
    while name and name_fault(name[0]):
        name = name[1:]
    while len(name.encode()) > LONGEST_BYTES - 4:  # room for a number
        name = name[:-1]
    return name or "clip"


def _names(project: Path, videos: list[Path], kept: Kept) -> dict[Path, str]:
    """A clip's name for every video: the one that it has already, or a new one."""
    clips = {name: clip for name, clip in kept["clips"].items() if isinstance(clip, Mapping)}
    known = {Path(os.path.abspath(project / str(clip.get("video")))): name for name, clip in clips.items()}
    taken = {look_alike(str(name)) for entries in kept.values() for name in entries}
    names: dict[Path, str] = {}
    for video in videos:
        stem = legal_name(video.name if video.is_dir() else video.stem)
        name = next(name for name in (stem, *(f"{stem}_{i}" for i in range(2, 9999))) if look_alike(name) not in taken)
        names[video] = known.get(video, name)
        taken.add(look_alike(names[video]))
    return names


def _new(project: Path, names: dict[Path, str], target: Path, drivers: list[Path], kept: Kept) -> dict[str, Cast]:
    """Entries that are not there yet, by section."""
    clips = {name: _clip(project, video) for video, name in names.items()}
    of = names[target]
    targets = {of: {"clip": of, "matte": "blazepose", **{key: {} for key in DICTS["targets"]}}}
    pairs = {}
    for driver in dict.fromkeys([of, *(names[driver] for driver in drivers)]):
        motion = {"method": "none"} if driver == of else {}
        pairs[pair_name(driver, of)] = {"driver": driver, "target": of, "redetect": "blazepose", "motion": motion}
    found = {"clips": clips, "targets": targets, "pairs": pairs}
    return {kind: {name: entry for name, entry in entries.items() if name not in kept[kind]} for kind, entries in found.items()}


def _clip(project: Path, video: Path) -> dict[str, Any]:
    path = str(video.relative_to(project) if video.is_relative_to(project) else video)
    return {"video": path, "labels": path, "skeleton": "human", "pose": "blazepose", "refiner": "none", "select": "auto"}


def _demo(old: Kept) -> dict[str, set[str]]:
    """Names of the demo's entries: clips under data/demo, and what refers to them."""
    clips = {name for name, clip in old["clips"].items() if isinstance(clip, Mapping) and str(clip.get("video")).startswith(DEMO)}

    def refers(entry: Any) -> bool:
        return isinstance(entry, Mapping) and bool({str(entry.get("driver")), str(entry.get("target"))} & clips)

    of = {kind: {name for name, entry in old[kind].items() if refers(entry)} for kind in ("pairs", "external")}
    if "footage" in old:
        of["footage"] = {name for name, entry in old["footage"].items() if name in clips or refers(entry)}
    return {"clips": clips, "targets": {name for name in old["targets"] if name in clips}, **of}


def _said(gone: Mapping[str, set[str]], new: Mapping[str, Cast], target: str, driver: str) -> list[str]:
    lines = [f"params.yaml: taken out, the demo's {', '.join(sorted(gone['clips']))}"] if gone["clips"] else []
    added = "; ".join(f"{kind} {', '.join(entries)}" for kind, entries in new.items() if entries)
    lines.append(f"params.yaml: added {added}" if added else "params.yaml: all of it is there already")
    outside = [clip["video"] for clip in new["clips"].values() if os.path.isabs(clip["video"])]
    if outside:
        lines.append(f"{', '.join(outside)}: read where it lies; if it moves, correct its clip")
    pair = pair_name(driver, target)
    lines.append(f"Next: motion-copy check, then dvc repro. Look at data/motions/{pair}.png first; the result is data/videos/{pair}.mp4.")
    return lines
