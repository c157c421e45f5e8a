"""What must hold of clips, targets, pairs and other systems before any stage runs: names, keys, and who refers to whom."""

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from pipeline.check.choices import choices, there_are, value_faults
from pipeline.check.footage import Entries, footage_faults
from pipeline.clips import NEEDED_KEYS, OPTIONAL_KEYS
from pipeline.names import LONGEST_BYTES, LONGEST_PAIR, name_fault, pair_name

KEYS = {  # every key that dvc.yaml reads of an entry, by itself or as part of `params`
    "clips": NEEDED_KEYS,
    "targets": ("clip", "matte", "matting", "crop", "reference", "appearance", "face", "refine"),
    "footage": ("target", "after", "matte", "matting", "steps"),
    "pairs": ("driver", "target", "redetect", "motion"),
    "external": ("driver", "target", "video", "shows", "first_frame"),
}
OPTIONAL = {
    "clips": OPTIONAL_KEYS,
    "targets": ("consent",),
    "footage": (),
    "pairs": (),
    "external": (),
}
MADE = ("redetected", "remeasured", "identities")  # ends of what is made of a pair beside what is made of clips
PATHS = {"clips": ("video", "labels"), "external": ("video",)}
DICTS = {"targets": KEYS["targets"][2:], "footage": ("matting",), "pairs": ("motion",)}


def entry_faults(tree: Mapping[Any, Any], written: Mapping[Any, str]) -> list[str]:
    """Complaints about clips, targets, footage, pairs and external, one line each, keys first and references after them.

    written: how a key that YAML does not read as text stands in the file (7 → 007).
    """
    faults: list[str] = []
    found: dict[str, Entries] = {}
    for kind in KEYS:
        section = tree.get(kind)
        if not isinstance(section, Mapping):
            faults.append(f"{kind} must be a mapping of names to entries, {{}} for none, found {section!r}")
            section = {}
        faults += _names(kind, section, written)
        legal = {name: entry for name, entry in section.items() if isinstance(name, str) and isinstance(entry, Mapping)}
        faults += [fault for name, entry in legal.items() for fault in _values(f"{kind}.{name}", kind, entry)]
        found[kind] = legal
    clips, targets, footage, pairs, external = found.values()
    faults += _target_faults(clips, targets, pairs) + footage_faults(clips, targets, footage)
    return faults + _pair_faults(clips, targets, pairs) + _external_faults(pairs, external)


def _names(kind: str, section: Mapping[Any, Any], written: Mapping[Any, str]) -> list[str]:
    faults = []
    composed: dict[str, str] = {}
    for name in section:
        if isinstance(name, str) and (twin := composed.setdefault(normalize("NFC", name), name)) != name:
            faults.append(f"{kind}: the names {twin!a} and {name!a} look the same: rename one")
    for name, entry in section.items():
        fault = name_fault(name, LONGEST_PAIR if kind == "pairs" else LONGEST_BYTES)
        if fault:
            text = name if isinstance(name, str) else written.get(name, str(name))
            faults.append(f"{kind}: the name {ascii(text) if isinstance(name, str) else text} {fault}")
        elif not isinstance(entry, Mapping):
            faults.append(f"{kind}.{name} must be a mapping of {', '.join(KEYS[kind])}, found {entry!r}")
    return faults


def _values(place: str, kind: str, entry: Mapping[str, Any]) -> list[str]:
    """Complaints about an entry's own keys and values."""
    known = (*KEYS[kind], *OPTIONAL[kind])
    faults = [f"{place}.{key} is not a known key; legal: {there_are(known, key)}" for key in entry if key not in known]
    faults += [f"{place}.{key} is missing; needed: {', '.join(KEYS[kind])}" for key in KEYS[kind] if key not in entry]
    for key in (key for key in PATHS.get(kind, ()) if key in entry):
        if not isinstance(entry[key], str) or not entry[key]:
            faults.append(f"{place}.{key} must be a path as text, found {entry[key]!r}: put it in quotes")
    for key in (key for key in DICTS.get(kind, ()) if key in entry):
        if not isinstance(entry[key], Mapping):
            faults.append(f"{place}.{key} must be a mapping of keys to values, {{}} for none, found {entry[key]!r}")
    for key, legal in choices().items():
        section, _, name = key.partition(".")
        if section == kind and name in entry:
            faults += value_faults(f"{place}.{name}", entry[name], legal)
    return faults


def _target_faults(clips: Entries, targets: Entries, pairs: Entries) -> list[str]:
    faults = []
    for name, entry in targets.items():
        own = pair_name(name, name)
        if name not in clips:
            faults.append(f"targets.{name} has no clip: a target is named after its clip, clips has {there_are(clips, name)}")
        elif "clip" in entry and entry["clip"] != name:
            faults.append(f"targets.{name}.clip must be {name}, since a target is named after its clip, found {entry['clip']!r}")
        if own not in pairs:
            example = f"{{driver: {name}, target: {name}, redetect: blazepose, motion: {{method: none}}}}"
            faults.append(f"pairs.{own} is missing: each target needs its pair with itself; add {own}: {example}")
    return faults


def _pair_faults(clips: Entries, targets: Entries, pairs: Entries) -> list[str]:
    faults = []
    for name, entry in pairs.items():
        if "driver" not in entry or "target" not in entry:
            continue
        driver, target = str(entry["driver"]), str(entry["target"])
        wrong = [f"pairs.{name}.driver is {driver!r}, not a clip; clips has {there_are(clips, driver)}"] * (driver not in clips)
        if target not in targets:
            wrong.append(f"pairs.{name}.target is {target!r}, not a target; targets has {there_are(targets, target)}")
        if not wrong and name != pair_name(driver, target):
            wrong.append(f"pairs.{name} must be named {pair_name(driver, target)}, after its driver and target")
        faults += wrong
        taken = next((clip for clip in clips if clip in {name, *(f"{name}-{made}" for made in MADE)}), None)
        if taken:
            faults.append(f"clips.{taken} has the name of what the pair {name} makes: rename the clip")
    return faults


def _external_faults(pairs: Entries, external: Entries) -> list[str]:
    faults = []
    for name, entry in external.items():
        if "driver" in entry and "target" in entry and (pair := pair_name(entry["driver"], entry["target"])) not in pairs:
            faults.append(f"external.{name} is of the pair {pair}, which pairs has not; pairs has {there_are(pairs, pair)}")
    return faults
