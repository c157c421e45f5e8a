"""What a user is meant to read: the one error, and warnings."""

import os
import stat
import sys
from pathlib import Path


class InputError(Exception):
    """Bad input: one line saying what must hold, what was found, where, and what to do."""


def require_plain(path: str | os.PathLike[str]) -> None:
    """InputError where a path leads to neither a file nor a folder: a pipe would be waited for without end.

    What does not exist passes; whoever opens it says so.
    """
    if not Path(path).exists():
        return
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        found = kinds.get(stat.S_IFMT(mode), "a device")
        raise InputError(f"{path} must be a file or a folder, found {found}: put the file itself there.")


def warn(line: str) -> None:
    """Say on stderr what a user should know, though nothing stops."""
    print(f"warning: {line}", file=sys.stderr)
