"""The check that comes before every stage: names that are safe in paths and commands, values that pick files, who refers to whom."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.artifacts.replacing import require_replaceable
from pipeline.artifacts.store import publish
from pipeline.check.choices import choice_faults
from pipeline.check.entries import KEYS, entry_faults
from pipeline.closure import SUFFIX, listings
from pipeline.disk import replace_text
from pipeline.errors import InputError
from pipeline.params import read_all

CONTENT = "The names in params.yaml are legal.\n"


def faults_of(params: str | os.PathLike[str]) -> list[str]:
    """Complaints about a params file, one line each, [] when all is well; InputError when it cannot be read."""
    tree = read_all(params)
    if not isinstance(tree, Mapping):
        found = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise InputError(f"{params} must be a mapping of sections, found {found}: bring back an earlier one (git checkout {params}).")
    return entry_faults(tree, _as_written(params)) + choice_faults(tree)


def check_names(params: str | os.PathLike[str], out: str | os.PathLike[str], code: str | os.PathLike[str]) -> None:
    """Write the constant file `out` if a params file has no fault; else InputError with the first one and how many more there are.

    code: folder of the listings of code, a file a door, see pipeline/closure.py.
    """
    faults = faults_of(params)
    if faults:
        more = f" ({len(faults) - 1} more: motion-copy check)" if len(faults) > 1 else ""
        raise InputError(f"{params}: {faults[0]}{more}")
    for door, text in listings().items():
        path = Path(code) / f"{door}{SUFFIX}"
        require_replaceable(path, "code")
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    with publish(out, "names") as temporary:
        temporary.write_text(CONTENT, encoding="utf-8")


def _as_written(params: str | os.PathLike[str]) -> dict[Any, str]:
    """Keys of the checked sections that are no text to YAML, as they stand in the file."""
    texts = YAML(typ="base", pure=True).load(Path(params).read_text(encoding="utf-8"))
    keys = [key for kind in KEYS if isinstance(texts.get(kind), Mapping) for key in texts[kind]]
    written = {}
    for key in keys:
        value = _read(key)
        if not isinstance(value, (str, list, dict)):
            written[value] = key
    return written


def _read(text: Any) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except Exception:  # a name such as `a: b` or `*x` is no document by itself, and text all the same
        return text
