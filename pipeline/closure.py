"""Which code each door stands for: all that it imports, to the end, each file with its digest.

DVC does not follow imports, and a module that no stage names would leave results silently stale. So check_names, which comes before
every stage, writes a listing for each door, and a stage depends on its door's. Packages of which params choose one (FAMILIES) are
left out: dvc.yaml names the chosen one.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.disk import digest_file
from pipeline.imports import ROOT, closure

FOLDER, SUFFIX = "data/code", ".sha256"
FAMILIES = ("pipeline/pose/backends", "pipeline/pose/refiners", "pipeline/matting/backends", "pipeline/background/backends")


def listings(root: Path = ROOT) -> dict[str, str]:
    """The text of each door's listing by the door's name, lines `<sha256>  <path from the root>` as sha256sum reads them.

    check_names itself, which writes them, has none: it runs whenever any code changes.
    """
    doors = (path.stem for path in sorted((root / "stages").glob("*.py")) if path.stem not in ("__init__", "check_names"))
    return {door: "".join(f"{digest_file(root / file)}  {file}\n" for file in code_of(door, root)) for door in doors}


def code_of(door: str, root: Path = ROOT) -> list[str]:
    """Files that a door leads to, as paths from the root, without those of FAMILIES and empty ones, which say nothing."""
    files = closure(f"stages/{door}.py", root)
    return sorted(file for file in files if not family_of(file) and (root / file).stat().st_size)


def family_of(file: str) -> str | None:
    """Which of FAMILIES a file belongs to; what chooses among its packages, the family's own __init__.py, is none of them."""
    return next((folder for folder in FAMILIES if file.startswith(f"{folder}/") and file != f"{folder}/__init__.py"), None)


def stale(listing: str, root: Path) -> list[str]:
    """Files of a listing that are no longer as it says."""
    return [path for path, digest in _parsed(listing).items() if not (root / path).is_file() or digest_file(root / path) != digest]


def listed(listing: str) -> list[str]:
    """Files of a listing, as paths from the root."""
    return list(_parsed(listing))


def _parsed(listing: str) -> Mapping[str, str]:
    return {path: digest for digest, _, path in (line.partition("  ") for line in listing.splitlines())}
