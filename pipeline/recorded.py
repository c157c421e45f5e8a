"""What DVC has written down of files and folders, in dvc.lock and beside what `dvc add` was told of: their digests.

Source: DVC's user guide, "dvc.yaml files" and ".dvc files"; that of a folder is the md5 of the list of its files as JSON.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.disk import digest_file

LOCK, FOLDER = "dvc.lock", ".dir"  # how the digest of a folder ends


class Recorded(NamedTuple):
    """Text of dvc.lock, and of each `.dvc` file by the path that it tells of; parsed when asked only, which takes a while."""

    lock: str
    added: Mapping[str, str]

    @classmethod
    def note(cls, root: Path, paths: Iterable[str]) -> "Recorded":
        """What is written now of some paths and of the folders that they lie in."""
        candidates = {str(place) for path in paths for place in (Path(path), *Path(path).parents[:-1])}
        return cls(_text(root / LOCK), {path: text for path in sorted(candidates) if (text := _text(root / f"{path}.dvc"))})

    def tells(self, root: Path, files: Iterable[str]) -> dict[str, bool]:
        """Of each file whether it, or the folder that was written down as a whole, has the digest that was written down.

        False for what was not. A folder's files are all read.
        """
        outs = self._outs()
        places = {file: next((str(place) for place in (Path(file), *Path(file).parents) if str(place) in outs), "") for file in files}
        same = {place: bool(place) and _digest(root / place) == outs[place] for place in set(places.values())}
        return {file: same[place] for file, place in places.items()}

    def _outs(self) -> dict[str, str]:
        """md5 by path of what stages made and of what was added; without those of DVC 2, which are no digests of bytes."""
        stages = (_parsed(self.lock).get("stages") or {}).values()
        outs = [(out.get("path"), out) for stage in stages for out in stage.get("outs", ())]
        outs += [(path, out) for path, text in self.added.items() for out in _parsed(text).get("outs", ())]
        return {path: out.get("md5", "") for path, out in outs if out.get("hash") == "md5"}


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        tree = YAML(typ="safe").load(text)
    except YAMLError:  # two branches that were never merged, say
        return {}
    return tree if isinstance(tree, Mapping) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _digest(path: Path) -> str:
    """A file's or a folder's digest as DVC takes it."""
    if not path.is_dir():
        return digest_file(path, "md5")
    names = sorted(Path(folder, name).relative_to(path).as_posix() for folder, _, names in os.walk(path) for name in names)
    listing = json.dumps([{"md5": digest_file(path / name, "md5"), "relpath": name} for name in names], sort_keys=True)
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + FOLDER
