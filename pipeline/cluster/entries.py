"""What is handed on of a stage that has run: its entry in dvc.lock, and the small files that DVC does not cache."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.artifacts.writing import only_writer
from pipeline.disk import replace_text

LOCK = "dvc.lock"
WAIT_S = 600.0  # for others who write the entries of theirs: each takes moments
HEAD = ("schema: '2.0'", "stages:")
STAGE = re.compile(r"  ([^\s'\"?:#-][^:#'\"]*):$")


@dataclass(frozen=True)
class Done:
    """A stage's entry in dvc.lock, and text by path of its outs that stay outside DVC's cache (scores)."""

    entry: dict[str, Any]
    files: dict[str, str]


def read_entries(project: Path) -> dict[str, dict[str, Any]]:
    """Entries of the project's dvc.lock by stage, {} when there is none."""
    path = project / LOCK
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict((YAML(typ="safe", pure=True).load(text) or {}).get("stages") or {})


def write_entries(project: Path, entries: Mapping[str, Mapping[str, Any]], keep: bool = True) -> None:
    """Put entries into the project's dvc.lock beside those of other stages (keep: false: in their place), whole or not at all.

    One writer at a time: two spreads of one project keep each other's entries.
    """
    path = project / LOCK
    with only_writer(path, WAIT_S):
        _write(path, entries, keep)


def _write(path: Path, entries: Mapping[str, Mapping[str, Any]], keep: bool) -> None:
    blocks = _blocks(path.read_text(encoding="utf-8")) if keep and path.exists() else {}
    if blocks is None:  # a form that is not DVC's own: all is read and written anew, which takes seconds
        blocks = {name: _dump({name: entry}) for name, entry in read_entries(path.parent).items()}
    blocks |= {name: _dump({name: dict(entry)}) for name, entry in entries.items()}
    replace_text(path, "".join([f"{line}\n" for line in HEAD] + list(blocks.values())))


def _blocks(text: str) -> dict[str, str] | None:
    """The lines of each stage in a dvc.lock, as they stand there; None where it is not written as DVC writes it."""
    lines = text.splitlines()
    if tuple(lines[:2]) != HEAD:
        return None
    blocks: dict[str, str] = {}
    name = None
    for line in lines[2:]:
        if match := STAGE.match(line):
            name = match[1]
            blocks[name] = ""
        elif name is None or not line.startswith("    "):
            return None
        blocks[name] += f"{line}\n"
    return blocks


def _dump(entries: Mapping[str, Any]) -> str:
    """Entries in block style, indented as under `stages`."""
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.allow_unicode, yaml.width = False, True, 10_000
    yaml.representer.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
    yaml.dump(dict(entries), out)
    return "".join(f"  {line}\n" for line in out.getvalue().splitlines())


def write_files(project: Path, files: Mapping[str, str]) -> None:
    """Put small files in their places."""
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        replace_text(project / name, text)


def read_files(project: Path, names: Iterable[str]) -> dict[str, str]:
    """Text by path of those files that are there."""
    return {name: (project / name).read_text(encoding="utf-8") for name in names if (project / name).is_file()}
