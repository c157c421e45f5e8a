"""Which names of clips, targets, pairs and other systems are legal: they become parts of file names, stages and commands."""

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

LEGAL = "a letter or digit of any script first, then letters, digits, _ and -"
BETWEEN = "-to-"
LONGEST_BYTES = 80  # a file's name may have 255, a pair's holds two names
LONGEST_PAIR = 2 * LONGEST_BYTES + len(BETWEEN)


def name_fault(name: Any, longest: int = LONGEST_BYTES) -> str | None:
    """What is wrong with a name of at most so many bytes, as the rest of a sentence that begins with it; None for a legal one.

    A key that YAML reads as another thing than text (a number, a date, true, null) is refused: it would not come out as written.
    """
    if not isinstance(name, str):
        return f"is no text to YAML but {_kind(name)}: put it in quotes"
    if not name:
        return f"is empty: {LEGAL}"
    bad = next((c for i, c in enumerate(name) if not _may_stand(c, i)), None)
    if bad is not None:
        return f"must be {LEGAL}; found {bad!a}" + (" first" if bad == name[0] else "")
    if len(name.encode()) > longest:
        return f"is longer than {longest} bytes: shorten it"
    return None


def named(kind: str) -> Callable[[str], str]:
    """The `type` of an option that takes the name of a clip, target, pair or external entry; InputError for an illegal one."""

    def check(name: str) -> str:
        fault = name_fault(name, LONGEST_PAIR if kind == "pair" else LONGEST_BYTES)
        if fault:
            raise InputError(f"{kind} {name!r} {fault}.")
        return name

    return check


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """What sorts names in natural order, img2 before img10; names that differ in capitals alone always in the same order."""
    parts = [(1, int(part), part) if part.isdecimal() else (0, 0, part.lower()) for part in re.split(r"(\d+)", name)]
    return [*parts, (-1, 0, name)]


def look_alike(name: str) -> str:
    """What is the same for names that only differ in capitals, or in how their accents are encoded (one character, or two)."""
    return unicodedata.normalize("NFC", name).casefold()


def absence(path: str | os.PathLike[str]) -> str:
    """Why nothing lies at a path, as the rest of a sentence that begins with it: a link without its file, a name that only looks alike."""
    path = Path(path)
    if path.is_symlink():
        return f"is a link to {os.readlink(path)}, where nothing lies"
    lacking = next((place for place in [*reversed(path.parents), path] if not place.exists()), path)
    try:
        others = sorted(os.listdir(lacking.parent)) if lacking.parent.is_dir() else []
    except OSError:  # a folder that may not be looked into
        others = []
    near = next((other for other in others if look_alike(other) == look_alike(lacking.name)), None)
    if near is None:
        return "does not exist"
    return f"does not exist, but {near!a} lies there, whose capitals or accents are written otherwise than in {lacking.name!a}"


def pair_name(driver: str, target: str) -> str:
    """The name of the pair of a driver and a target."""
    return f"{driver}{BETWEEN}{target}"


def _may_stand(character: str, place: int) -> bool:
    """Letters and numbers of any script; after the first place marks that belong to a letter (é in two parts, नृ), _ and -."""
    kind = unicodedata.category(character)
    return kind[0] in "LN" or (place > 0 and (kind[0] == "M" or character in "_-"))


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    return f"a {type(value).__name__}"
