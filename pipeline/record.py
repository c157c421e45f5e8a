"""What a stage ran with: noted before it begins, held against what is there when it ends and DVC records it.

DVC looks at params, code and data after the command has run. Whatever was edited meanwhile it would record as what the result
was made from, and never run the stage again.

Code is told by its digest. Of data, of which there may be a hundred gigabytes, sizes and times are looked at; where only a time
differs, the digest decides: that of the beginning, which is taken of what is small (SMALL_BYTES), and else the one that DVC had
written down then (see recorded.py). Where there is neither, as of long footage that `dvc add` was never told of, a touch counts
as an edit.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml.error import YAMLError

from pipeline.closure import FOLDER, listed, stale
from pipeline.disk import digest_file
from pipeline.errors import InputError
from pipeline.plan import resolve_stage, values_of
from pipeline.recorded import Recorded

PLAN, PARAMS = "dvc.yaml", "params.yaml"
CODE = ("pipeline/", "stages/")
UNREAD = ("__pycache__", ".pyc")  # as .dvcignore has it
SMALL_BYTES = 2**28  # of a file or of a whole folder: a sixth of a second


class File(NamedTuple):
    """A file by its size and time."""

    size: int
    mtime_ns: int


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
        self._files: dict[str, File] = {}
        self._digests: dict[str, str] = {}
        large: list[str] = []
        for dep in self._deps:
            files = dict(_files(root, dep))
            self._files |= files
            if dep.startswith(CODE) or sum(file.size for file in files.values()) <= SMALL_BYTES:
                self._digests |= {path: _digest(root, path) for path in files}
            else:
                large.append(dep)
        self._recorded = Recorded.note(root, large)

    def changed(self) -> list[str]:
        """What is no longer as it was: params by dotted key, files by path."""
        try:
            values = values_of(self._values, _text(self._root / PARAMS))
        except (YAMLError, OSError, UnicodeDecodeError):  # in the middle of an edit
            return [PARAMS]
        found = [f"{PARAMS}: {key}" for key, value in self._values.items() if values[key] != value]
        now = {path: file for dep in self._deps for path, file in _files(self._root, dep)}
        differs = {path: self._differs(path, now.get(path)) for path in sorted(self._files.keys() | now.keys())}
        if unknown := [path for path, differs in differs.items() if differs is None]:
            differs |= {path: not same for path, same in self._recorded.tells(self._root, unknown).items()}
        return found + [path for path, differs in differs.items() if differs]

    def _differs(self, path: str, now: File | None) -> bool | None:
        """Whether a file is another than at the beginning; None where its digest of then is not known here."""
        before = self._files.get(path)
        if before is None or now is None or before.size != now.size:
            return True
        if before == now and not path.startswith(CODE):
            return False
        return self._digests[path] != _digest(self._root, path) if self._digests.get(path) else None


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
                    yield name, _seen(entry.stat())
    elif (root / path).exists():
        yield path, _seen(os.stat(root / path))


def _seen(status: os.stat_result) -> File:
    return File(status.st_size, status.st_mtime_ns)


def _digest(root: Path, path: str) -> str:
    """Digest of a file's bytes; empty for a pipe, which would be waited for, and for what may not be read: the stage says so."""
    try:
        return digest_file(root / path) if stat.S_ISREG(os.stat(root / path).st_mode) else ""
    except OSError:
        return ""
