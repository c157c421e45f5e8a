"""docs/reference/params.md from the models' own bounds and the comments of params.yaml: python -m docs.params_page [--write].

Which model reads which section is taken from the doors, so that nothing is listed twice.
"""

import argparse
import ast
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.params import Section

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/params.md"
LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<value>(?: +[^#\s]\S*(?: [^#\s]\S*)*)?)(?: +# ?(?P<comment>.*))?$")
COMMENT = re.compile(r"^(?P<indent> *)# ?(?P<text>.*)$")
PLAIN = ("demo", "clips", "targets", "footage", "pairs", "external")  # entries with names of the user's own
HEAD = """# Parameters

Every value that can be set stands in [`params.yaml`](../../params.yaml). This page is made from its comments and from the bounds that the
stages check, by `python -m docs.params_page --write`. *shipped* is the value in the repository. A key that is unknown, missing or out of
bounds ends the stage in one line with the key's full path. What a change runs again: [reruns](reruns.md).

Sources: *paper* = the value of *Do as I Do*; *EDN* = *Everybody Dance Now*; *uploads* = public code said to be the paper's; *ours*.
"""


@dataclass
class Entry:
    """A key of params.yaml: its full path, its value's text, its comment, and whether it holds other keys."""

    path: str
    value: str
    notes: list[str] = field(default_factory=list)

    @property
    def group(self) -> bool:
        return not self.value

    @property
    def meaning(self) -> str:
        return " ".join(" ".join(self.notes).split())


def entries(text: str) -> list[Entry]:
    """All keys in order, each with its comment.

    A comment on lines of its own belongs to the next key where it is indented like it, else to the key before. Rules of
    dashes and the words between them are left out.
    """
    found: list[Entry] = []
    path: list[tuple[int, str]] = []
    waiting: list[tuple[int, str]] = []
    for line in text.splitlines():
        if comment := COMMENT.match(line):
            waiting.append((len(comment["indent"]), comment["text"]))
        elif match := LINE.match(line):
            indent = len(match["indent"])
            own = [words for column, words in waiting if column == indent]
            if found:
                found[-1].notes += [words for column, words in waiting if column != indent]
            path = [*((i, key) for i, key in path if i < indent), (indent, match["key"])]
            own += [match["comment"]] if match["comment"] else []
            found.append(Entry(".".join(key for _, key in path), match["value"].strip(), own))
            waiting = []
        elif not line.strip():
            if found and waiting and found[-1].path:
                found[-1].notes += [words for column, words in waiting if column]
            waiting = []
        elif found and found[-1].value.count("[") > found[-1].value.count("]"):
            words, _, comment = line.strip().partition(" #")  # a list that goes on
            found[-1].value += f" {words.strip()}"
            found[-1].notes += [comment.strip()] if comment else []
        else:
            raise ValueError(f"params.yaml: a line that is neither comment nor key: {line!r}")
    return found


def models() -> dict[str, type[Section]]:
    """Dotted key → the model that a door reads it with; a name of the user's own is <name>."""
    read: dict[str, type[Section]] = {}
    for door in sorted((ROOT / "stages").glob("[a-z]*.py")):
        for node in ast.walk(ast.parse(door.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "read_section":
                key, model = node.args[1:3]
                name = re.sub(r"\{.*?\}", "<name>", ast.unparse(key)).lstrip("f").strip("'\"")
                read[name] = getattr(importlib.import_module(f"stages.{door.stem}"), ast.unparse(model))
    return read


def legal_values() -> dict[str, str]:
    """Dotted key → its legal values in words, for every key that a model knows."""
    return {
        f"{section}.{key}": words
        for section, model in models().items()
        for key, words in _legal(model.model_json_schema(), model.model_json_schema())
    }


def _legal(schema: dict[str, Any], whole: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, part in schema["properties"].items():
        inner = _resolved(part, whole)
        if "properties" in inner:
            yield from ((f"{name}.{key}", words) for key, words in _legal(inner, whole))
        else:
            yield name, in_words(inner, whole)


def _resolved(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    return whole["$defs"][part["$ref"].split("/")[-1]] if "$ref" in part else part


def in_words(part: dict[str, Any], whole: dict[str, Any]) -> str:
    """A JSON schema's type and bounds in words: `whole number, 1 .. 16`, `true` | `false`, `list of 5 numbers, 0 or more`."""
    part = _resolved(part, whole)
    if "anyOf" in part:
        return " or ".join(in_words(choice, whole) for choice in part["anyOf"])
    if "const" in part or "enum" in part:
        return " or ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    kind = part.get("type")
    if kind in ("integer", "number"):
        bounds = _bounds(part)
        return ("whole number" if kind == "integer" else "number") + (f", {bounds}" if bounds else "")
    if kind == "array":
        least, most = part.get("minItems"), part.get("maxItems")
        size = f"{least} " if least == most and least else f"{least or 0} to {most} " if most else f"{least} or more " if least else ""
        return f"list of {size}values, each: {in_words(part['items'], whole)}"
    if kind == "string":
        size = f", {part.get('minLength', 0)} to {part['maxLength']} characters" if "maxLength" in part else ""
        return f"text{size}" + (f" matching `{part['pattern']}`" if "pattern" in part else "")
    return {"boolean": "`true` or `false`", "null": "`null`", "object": "mapping"}[str(kind)]


def _bounds(part: dict[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    both = "minimum" in part and "maximum" in part
    words = [
        *([f"{_number(low)} to {_number(high)}"] if both else []),
        *([f"above {_number(part['exclusiveMinimum'])}"] if "exclusiveMinimum" in part else []),
        *([f"{_number(low)} or more"] if "minimum" in part and not both else []),
        *([f"{_number(high)} or less"] if "maximum" in part and not both else []),
        *([f"below {_number(part['exclusiveMaximum'])}"] if "exclusiveMaximum" in part else []),
        *([f"a multiple of {_number(part['multipleOf'])}"] if "multipleOf" in part else []),
    ]
    return ", ".join(words)


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def page() -> str:
    """The whole page."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    legal, listed = legal_values(), entries(text)
    sections = [entry for entry in listed if "." not in entry.path and entry.path not in PLAIN]
    lines = [HEAD, "## What to copy onto whom", ""]
    for name in PLAIN:
        lines += [f"### `{name}`", "", *_named(name, text), *_table([entry for entry in listed if entry.path == name], {}, legal), ""]
    for section in sections:
        inside = [entry for entry in listed if entry.path.startswith(f"{section.path}.")]
        lines += [f"## `{section.path}`", "", section.meaning, "", *_table(inside, YAML(typ="safe", pure=True).load(text), legal), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _named(name: str, text: str) -> list[str]:
    """A section with names of the user's own: its comment, then its entries as shipped."""
    match = re.search(rf"((?:^#.*\n)*)(^{name}:.*\n(?:^ .*\n)*)", text, re.MULTILINE)
    if not match:
        raise ValueError(f"params.yaml has no section {name}")
    about = [line.removeprefix("#").removeprefix(" ") for line in match[1].splitlines()]
    return ["```text", *about, "```", "", "As shipped:", "", "```yaml", match[2].rstrip(), "```", ""]


def _table(listed: list[Entry], tree: Any, legal: dict[str, str]) -> list[str]:
    """Rows of one section; of a section with names of the user's own, what its model says of an entry."""
    if not tree:
        rows = [(key.split(".", 2)[2], "", words, "") for key, words in legal.items() if key.startswith(f"{listed[0].path}.<name>.")]
        return [*_row(("key of an entry", "legal values")), *(f"| `{key}` | {_cell(words)} |" for key, _, words, _ in rows)] if rows else []
    lines = _row(("key", "shipped", "legal values", "meaning"))
    for entry in listed:
        value = "" if entry.group else f"`{entry.value}`"
        words = legal.get(entry.path, "`true` or `false`" if entry.value in ("true", "false") else "")
        lines.append(f"| `{entry.path}` | {_cell(value)} | {'' if entry.group else _cell(words)} | {_cell(entry.meaning)} |")
    return lines


def _row(names: tuple[str, ...]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def main() -> None:
    """Check the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="bring the page up to date")
    fresh = page()
    if parser.parse_args().write:
        PAGE.write_text(fresh, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != fresh:
        sys.exit("docs/reference/params.md is not what params.yaml and the models say. Run: python -m docs.params_page --write")


if __name__ == "__main__":
    main()
