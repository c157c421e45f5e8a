"""One writer an artifact, on the disk before it gets its name: what publish() in store.py stands on."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.disk import flush_file
from pipeline.errors import InputError

WAIT_S = 2.0  # a killed writer may need a moment to end
FLUSHES = 8  # at a time: the disk then writes them together


@contextlib.contextmanager
def only_writer(final: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Be the one process that writes an artifact; InputError when another one does for so long. The lock falls with the process."""
    place = final.parent / f".{final.name}.lock"
    lock = FileLock(place)
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.05)
    except Timeout:
        raise InputError(f"{final} is being written by another process, and one at a time may: wait for it or end it.") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where an open file cannot be removed it stays, empty
            place.unlink()
        lock.release()


def partial_name(final: Path) -> Path:
    """A hidden path beside an artifact that no other process uses."""
    return final.parent / f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}.partial{final.suffix}"


def leftovers(final: Path) -> list[Path]:
    """Partials of an artifact in its folder; for its only writer, those of dead ones."""
    pattern = re.compile(rf"\.{re.escape(final.name)}(\.\d+-[0-9a-f]{{8}})?\.partial{re.escape(final.suffix)}")
    return [path for path in final.parent.iterdir() if pattern.fullmatch(path.name)]


def flush(path: Path) -> None:
    """Have a file, or all files of a folder, written to the disk."""
    if path.is_dir():
        with ThreadPoolExecutor(FLUSHES) as pool:
            list(pool.map(flush_file, [file for file in path.rglob("*") if file.is_file()]))
    else:
        flush_file(path)
