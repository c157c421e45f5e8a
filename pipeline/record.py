"""What a stage ran with: noted before it begins, held against what is there when it ends and DVC records it.

DVC looks at params, code and data after the command has run. Whatever was edited meanwhile it would record as what the result
was made from, and never run the stage again.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml.error import YAMLError

from pipeline.closure import FOLDER, listed, stale
from pipeline.disk import digest_file
from pipeline.errors import InputError
from pipeline.plan import resolve_stage, values_of

PLAN, PARAMS = "dvc.yaml", "params.yaml"
CODE = ("pipeline/", "stages/")
UNREAD = ("__pycache__", ".pyc")  # as .dvcignore has it


class File(NamedTuple):
    """A file by its size and time, source code by its contents too, so that a mere touch of it is nothing."""

    size: int
    mtime_ns: int
    sha256: str


class Record:
    """The declared values, files and folders of one stage, as they are now; of a listing of code also the files that it lists.

    stale: files of the listing that were edited since it was written, and are thus not what DVC will record.
    """

    def __init__(self, address: str, root: Path) -> None:
        self._root = root
        self._deps, self._values = resolve_stage(address, _text(root / PLAN), _text(root / PARAMS))
        texts = [_text(root / dep) for dep in self._deps if dep.startswith(f"{FOLDER}/") and (root / dep).is_file()]
        self.stale = [path for text in texts for path in stale(text, root)]
        self._deps = [*self._deps, *(path for text in texts for path in listed(text))]
        self._files = self._look()

    def changed(self) -> list[str]:
        """What is no longer as it was: params by dotted key, files by path."""
        try:
            values = values_of(self._values, _text(self._root / PARAMS))
        except (YAMLError, OSError, UnicodeDecodeError):  # in the middle of an edit
            return [PARAMS]
        found = [f"{PARAMS}: {key}" for key, value in self._values.items() if values[key] != value]
        now = self._look()
        return found + [path for path in sorted(self._files.keys() | now.keys()) if not _same(self._files.get(path), now.get(path))]

    def _look(self) -> dict[str, File]:
        return {path: file for dep in self._deps for path, file in _files(self._root, dep)}


_noted: list[Record] = []


def begin() -> None:
    """Note what the stage that DVC has started (DVC_STAGE) will run with; by hand nothing is recorded and nothing noted."""
    if address := os.environ.get("DVC_STAGE"):
        try:
            _noted[:] = [Record(address, Path.cwd())]
        except (KeyError, FileNotFoundError, YAMLError):  # a stage of somebody else's plan, that calls a door
            _noted.clear()


def require_listed() -> None:
    """Raise InputError when the stage would run other code than check_names has listed for it."""
    for record in _noted:
        if record.stale:
            cure = "run dvc repro, or dvc repro check_names before a single stage"
            raise InputError(f"{record.stale[0]} is not as check_names listed it: {cure}")


def require_unchanged() -> None:
    """Raise InputError when something that the stage ran with changed since begin()."""
    for record in _noted:
        if changed := record.changed():
            more = f" and {len(changed) - 1} more" if changed[1:] else ""
            raise InputError(f"{changed[0]}{more} changed while the stage ran, so its result is not recorded: run dvc repro again")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _same(before: File | None, now: File | None) -> bool:
    if before is None or now is None:
        return before is now
    return before.sha256 == now.sha256 if before.sha256 else before == now


def _files(root: Path, path: str) -> Iterator[tuple[str, File]]:
    """All files of a path, a file or a folder, that are there, by their paths from the root."""
    if (root / path).is_dir():
        with os.scandir(root / path) as entries:
            for entry in entries:
                name = f"{path}/{entry.name}"
                if entry.name.endswith(UNREAD):
                    continue
                if entry.is_dir():
                    yield from _files(root, name)
                else:
                    yield name, _file(root, name, entry.stat())
    elif (root / path).exists():
        yield path, _file(root, path, os.stat(root / path))


def _file(root: Path, path: str, status: os.stat_result) -> File:
    code = path.startswith(CODE)
    return File(status.st_size, status.st_mtime_ns, digest_file(root / path) if code else "")
