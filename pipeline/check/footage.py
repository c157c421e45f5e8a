"""Further clips of a target: who belongs to whom, and in which order they are learnt."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts.further import LIST, write_clips
from pipeline.check.choices import there_are
from pipeline.errors import warn

Entries = dict[str, Mapping[str, Any]]


def footage_faults(clips: Entries, targets: Entries, footage: Entries) -> list[str]:
    """Complaints about the section `footage`, one line each: its entries make one chain a target, in the order in which they stand."""
    faults = []
    last = {name: name for name in targets}
    for name, entry in footage.items():
        place, of = f"footage.{name}", entry.get("target")
        if name not in clips:
            faults.append(f"{place} has no clip: footage is named after its clip, clips has {there_are(clips, name)}")
        if of is None or "after" not in entry:
            continue  # said already: a key is missing
        if not isinstance(of, str) or of not in targets:
            faults.append(f"{place}.target is {of!r}, not a target; targets has {there_are(targets, of)}")
            continue
        if name == of:
            faults.append(f"{place} is the target's own clip already: take it out of footage")
            continue
        if entry["after"] != last[of]:
            said = "its target" if last[of] == of else "the clip before it of its target"
            faults.append(f"{place}.after must be {last[of]}, {said}, since training goes on from there, found {entry['after']!r}")
        faults += _skeleton_faults(name, clips.get(name, {}), clips.get(of, {}))
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
        names = (path.name for path in sorted(folder.iterdir()))
        if strange := [name for name in names if name != LIST and not name.startswith((".", *_starts(clips)))]:
            warn(f"{folder} holds what belongs to no clip in footage any more: remove {', '.join(strange)}.")
    return clips


def _starts(clips: Iterable[str]) -> list[str]:
    """How the names of what is made of the clips begin in such a folder."""
    return [f"{clip}{end}" for clip in clips for end in (".", "-appearance.")]


def _skeleton_faults(name: str, clip: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    here, there = clip.get("skeleton"), own.get("skeleton")
    if here is None or there is None or here == there:
        return []
    return [f"footage.{name} must have the skeleton of its target's clip, {there!r}, found {here!r} in clips.{name}: change one"]
