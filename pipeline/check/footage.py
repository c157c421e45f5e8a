"""Further clips of a target: who belongs to whom, and in which order they are learnt."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts.further import LIST, write_clips
from pipeline.check.choices import meant
from pipeline.errors import warn

Entries = dict[str, Mapping[str, Any]]


def footage_faults(clips: Entries, targets: Entries, footage: Entries) -> list[str]:
    """Complaints about the section `footage`, one line each: its entries make one chain a target, in the order in which they stand."""
    faults = []
    last = {name: name for name in targets}
    for name, entry in footage.items():
        place, of = f"footage.{name}", entry.get("target")
        if name not in clips:
            faults.append(f"{place} has no clip: footage is named after its clip, clips has {_list(clips)}{meant(name, clips)}")
        if of is None or "after" not in entry:
            continue  # said already: a key is missing
        if of not in targets:
            faults.append(f"{place}.target is {of!r}, not a target; targets has {_list(targets)}{meant(of, targets)}")
            continue
        if name == of:
            faults.append(f"{place} is the target's own clip already: take it out of footage")
            continue
        if entry["after"] != last[of]:
            said = "its target" if last[of] == of else "the clip before it of its target"
            faults.append(f"{place}.after must be {last[of]}, {said}, since training goes on from there, found {entry['after']!r}")
        faults += _skeleton_faults(place, clips.get(name, {}), clips.get(of, {}), of)
        last[of] = f"{of}/{name}"
        steps = entry.get("steps")
        if "steps" in entry and not (steps is None or (type(steps) is int and steps >= 1)):
            faults.append(f"{place}.steps must be a whole number from 1, or null for as many as appearance says, found {steps!r}")
    return faults


def list_footage(footage: Mapping[str, Mapping[str, str]], target: str, folders: Iterable[Path]) -> list[str]:
    """Write the names of a target's further clips into each folder and return them; what lies there of others is said."""
    clips = [name for name, entry in footage.items() if entry["target"] == target]
    for folder in folders:
        write_clips(folder, clips)
        strange = [path.name for path in sorted(folder.iterdir()) if path.name != LIST and not _is_of(path, clips)]
        if strange := [name for name in strange if not name.startswith(".")]:
            warn(f"{folder} holds what belongs to no clip in footage any more: remove {', '.join(strange)}.")
    return clips


def _is_of(path: Path, clips: Iterable[str]) -> bool:
    """Whether a file or folder of such a folder is named after one of the clips."""
    return any(path.name.startswith((f"{clip}.", f"{clip}-appearance.")) for clip in clips)


def _skeleton_faults(place: str, clip: Mapping[str, Any], own: Mapping[str, Any], target: str) -> list[str]:
    here, there = clip.get("skeleton"), own.get("skeleton")
    if here is None or there is None or here == there:
        return []
    return [f"{place} must have the skeleton of its target's clip, {there!r}, found {here!r} in clips.{place.split('.')[1]}: change one"]


def _list(entries: Entries) -> str:
    return ", ".join(entries) or "none"
