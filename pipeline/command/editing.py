"""Entries of params.yaml put in and taken out line by line, so that every comment and every other line stays as it is."""

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

Block = tuple[int, int]  # first line and the line after the last


def with_entries(text: str, section: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with entries added at the end of a section, in block style; KeyError when the section is not there."""
    lines = text.splitlines()
    _, end = _open_block(lines, section)
    lines[end:end] = [f"  {line}" for line in _dump(entries).splitlines()]
    return "\n".join(lines) + "\n"


def without_entries(text: str, section: str, names: set[str]) -> str:
    """The text without some entries of a section; a section that loses all becomes {}."""
    lines = text.splitlines()
    start, end = _open_block(lines, section)
    kept, keep = [], True
    for line in lines[start + 1 : end]:
        if re.match(r"  \S", line):
            keep = _key(line) not in names
        if keep:
            kept.append(line)
    if not any(re.match(r"  [^\s#]", line) for line in kept):
        lines[start] = lines[start].replace(":", ": {}", 1)
    lines[start + 1 : end] = kept
    return "\n".join(lines) + "\n"


def with_empty_list(text: str, section: str) -> str:
    """The text with [] as a section's value, whatever it was; a comment behind it stays."""
    lines = text.splitlines()
    start, end = _block(lines, section)
    comment = re.search(r"\s#.*$", lines[start])
    lines[start:end] = [f"{section}: []" + (comment[0] if comment else "")]
    return "\n".join(lines) + "\n"


def _block(lines: list[str], section: str) -> Block:
    """A section's own lines: its key's, and the indented ones after it; blank lines and comments at its end are not its own."""
    start = next((i for i, line in enumerate(lines) if re.match(rf"{re.escape(section)}\s*:", line)), None)
    if start is None:
        raise KeyError(section)
    end = start + 1
    for i in range(start + 1, len(lines)):
        if re.match(r"\s+[^\s#]", lines[i]) or re.match(r"- ", lines[i]):
            end = i + 1
        elif re.match(r"\S", lines[i]) and not lines[i].startswith("#"):
            break
    return start, end


def _open_block(lines: list[str], section: str) -> Block:
    """As _block(); a section written on one line, {} or {a: …}, is opened to one line an entry first."""
    start, end = _block(lines, section)
    match = re.match(r"(\S+\s*:)\s*(\{.*)$", lines[start])
    if not match:
        return start, end
    value = YAML(typ="safe", pure=True).load("\n".join(lines[start:end]))[section]
    comment = re.search(r"\}(\s+#.*)$", lines[start])
    opened = [match[1] + (comment[1] if comment else "")]
    opened += [f"  {line}" for line in _dump(value).splitlines()] if value else []
    lines[start:end] = opened
    return start, start + len(opened)


def _key(line: str) -> str:
    """The key of an entry's first line, `` for a comment."""
    read = YAML(typ="base", pure=True).load(line.strip().split(": ")[0].rstrip(":") + ":")
    return next(iter(read)) if isinstance(read, dict) else ""


def _dump(entries: Mapping[str, Any]) -> str:
    """Entries in block style, text quoted where YAML needs it; empty mappings as {}."""
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = False, 10_000, True
    yaml.representer.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
    yaml.dump(dict(entries), out)
    return out.getvalue()
