"""Everything that can be known to be wrong before a stage runs: names and references, files, and values of every section."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.check.check import faults_of
from pipeline.check.choices import there_are
from pipeline.check.entries import DICTS
from pipeline.command.labels import label_faults, people_faults
from pipeline.command.sections import CAST, REFERENCE, SECTIONS
from pipeline.errors import InputError
from pipeline.evaluation.external import ExternalParams
from pipeline.frames.extract import read_span
from pipeline.names import absence, name_fault
from pipeline.params import read_all, read_section
from pipeline.pose.camera import read_camera
from pipeline.pose.naming import read_naming
from pipeline.pose.select import read_select
from pipeline.sign.manifest import read_consent
from pipeline.sign.sign import SignParams, find_consent, identity_of

CONSENTS = "data/consent"  # as dvc.yaml has it
FETCHED = "data/demo"  # what a stage brings need not be there yet


def everything_wrong(params: Path) -> list[str]:
    """Complaints about a params file, one line each, each once, [] when all is well; paths are those from the current folder."""
    try:
        faults = faults_of(params)
    except InputError as error:
        return [_bare(error, params)]
    tree = read_all(params)
    faults += [*_sections(tree), *_values(params, tree), *_clips(params, tree), *_files(tree), *_signing(params, tree)]
    faults += [*label_faults(tree), *people_faults(tree)]
    return list({fault.split("; legal", 1)[0]: fault for fault in reversed(faults)}.values())[::-1]


def summary(params: Path) -> str:
    """How many clips, targets and pairs there are."""
    tree = read_all(params)
    return ", ".join(f"{len(tree[kind])} {kind if len(tree[kind]) != 1 else kind[:-1]}" for kind in ("clips", "targets", "pairs"))


def _sections(tree: Mapping[str, Any]) -> Iterator[str]:
    """Unknown sections, and what `reference` and its overrides hold beside what models check."""
    known = (*CAST, *dict.fromkeys(key.split(".")[0] for key in SECTIONS))
    for key in tree:
        if key not in known:
            yield f"{key} is not a known section; legal: {there_are(known, key)}"
    places = {"reference": tree.get("reference")}
    places |= {f"targets.{name}.reference": entry.get("reference") for name, entry in _entries(tree, "targets")}
    for place, values in places.items():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            if key not in REFERENCE:
                yield f"{place}.{key} is not a known key; legal here: {there_are(REFERENCE, key)}"
            elif key == "enabled" and not isinstance(value, bool):
                yield f"{place}.enabled is {value!r}: input should be true or false"


def _values(params: Path, tree: Mapping[str, Any]) -> Iterator[str]:
    """What the models of the sections say, with and without each override."""
    asked: list[tuple[str, str | None]] = [(key, None) for key in SECTIONS]
    for kind, parts in DICTS.items():
        for name, entry in _entries(tree, kind):
            over = [part for part in parts if isinstance(entry.get(part), Mapping)]  # what else is there, names say
            asked += [(key, f"{kind}.{name}.{key}") for key in SECTIONS if key.split(".")[0] in over]
    for key, override in asked:
        try:
            read_section(params, key, SECTIONS[key], override)
        except InputError as error:
            yield _bare(error, params)
    for name, entry in _entries(tree, "external"):
        if set(ExternalParams.model_fields) <= set(entry):
            try:
                read_section(params, f"external.{name}", ExternalParams)
            except InputError as error:
                yield _bare(error, params)


def _clips(params: Path, tree: Mapping[str, Any]) -> Iterator[str]:
    """What the stages of a clip say of its own values."""
    for name, entry in _entries(tree, "clips"):
        for read in (read_span, read_camera, read_naming):
            try:
                read(params, name)
            except InputError as error:
                yield _bare(error, params)
        if "select" in entry:
            try:
                read_select(entry["select"], f"clips.{name}.select")
            except InputError as error:
                yield str(error)


def _files(tree: Mapping[str, Any]) -> Iterator[str]:
    """Paths of the user at which nothing lies; the demo's are fetched where `demo` asks for them."""
    demo = tree.get("demo")
    fetched = [f"{FETCHED}/{asset}/" for asset in demo] if isinstance(demo, list) else []
    for kind, keys in (("clips", ("video", "labels")), ("external", ("video",))):
        for name, entry in _entries(tree, kind):
            for key in keys:
                path = entry.get(key)
                if not isinstance(path, str) or not path or path.startswith(tuple(fetched)):
                    continue
                if Path(path).exists():
                    if not os.access(path, os.R_OK):
                        yield f"{kind}.{name}.{key} is {path}, which may not be read: give yourself the permission (chmod u+rX)"
                    continue
                if key == "labels" and path == entry.get("video"):
                    continue  # said of the video
                remedy = "list its asset in demo" if path.startswith(f"{FETCHED}/") else "put the file there, or correct the path"
                yield f"{kind}.{name}.{key} is {path}, which {absence(path)}: {remedy}"


def _signing(params: Path, tree: Mapping[str, Any]) -> Iterator[str]:
    """What the last stage reads of the user's: consents, and the certificate and key of whoever signs; none is made here."""
    for name, entry in _entries(tree, "targets"):
        try:
            consent = find_consent(params, name, Path(CONSENTS)) if entry.get("consent") is not None else None
            if consent is not None:
                read_consent(consent)
        except InputError as error:
            yield f"targets.{name}.consent: {_bare(error, params)}"
    try:
        wanted = read_section(params, "sign", SignParams)
        if wanted.certificate is not None or wanted.key is not None:
            identity_of(wanted)
    except InputError as error:
        yield _bare(error, params)


def _entries(tree: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Entries of a section that can be looked into: of a legal name, and mappings."""
    section = tree.get(kind)
    entries = section.items() if isinstance(section, Mapping) else ()
    return [(name, entry) for name, entry in entries if isinstance(entry, Mapping) and not name_fault(name, 1000)]


def _bare(error: InputError, params: Path) -> str:
    """The error's line without the file's name, which stands before each line."""
    return " ".join(str(error).split()).removeprefix(f"{params}: ").removesuffix(".")
