"""How a door fails: one line on stderr and an exit code; what nobody foresaw leaves its traceback in a file."""

import contextlib
import errno
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from pipeline.errors import InputError
from pipeline.interrupts import INTERRUPTED, NOTHING_KEPT, TOLD

ERRORS = Path(".scratch/errors")
LONGEST = 2000  # characters of a line; what is cut out lies in the middle, since the remedy stands at the end
REMEDIES = {
    errno.EACCES: "give yourself the permission (chmod u+rwX), or name another path",
    errno.EPERM: "give yourself the permission (chmod u+rwX), or name another path",
    errno.EROFS: "name a path on a disk that may be written to",
    errno.ENOSPC: "make room (dvc gc -w) and run it again",
    errno.EDQUOT: "make room within your quota (dvc gc -w) and run it again",
    errno.EFBIG: "write to a disk, or under a limit (ulimit -f), that takes files of that size",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ENOTDIR: "correct the path, a part of which is a file",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOENT: "put it there, or correct the path",
    errno.EMFILE: "let a process open more files (ulimit -n)",
    errno.EIO: "look after the disk, and copy the file anew",
}
SHRINK = "give it more memory, or lower frames.max_height_px, crop.size_px or the batch in params.yaml"


def end_of(error: BaseException) -> int:
    """Say in one line on stderr why a door ends, and return its exit code; a reader that left gets no word."""
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError, ValueError):  # stderr may be closed too
            print(one_line(f"error: {_told(error)}"), file=sys.stderr, flush=True)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def flush_output() -> None:
    """Hand over what was printed; BrokenPipeError when its reader has left."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter's last flush would complain
        raise


def one_line(text: str) -> str:
    """The text in one line of a bearable length, without characters that steer a terminal."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


def _told(error: BaseException) -> str:
    said = str(error).strip().rstrip(".")
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return TOLD
    if isinstance(error, MemoryError) or _of_memory(error):
        return f"the memory must hold what this step works on, found too little ({said or type(error).__name__}): {SHRINK}"
    if isinstance(error, RecursionError):
        return f"an input is nested too deeply to be read ({said}): export it again. Traceback in {_kept(error)}"
    if isinstance(error, FloatingPointError):
        return f"numbers must stay finite: {said}. {NOTHING_KEPT}"
    if isinstance(error, UnicodeError):
        return f"text must be UTF-8, found other bytes ({said}): save it as UTF-8. Traceback in {_kept(error)}"
    if isinstance(error, OSError) and error.strerror:
        remedy = REMEDIES.get(error.errno or 0)
        return f"{error.strerror}: {error.filename or 'while writing'}{f': {remedy}' if remedy else ''}. {NOTHING_KEPT}"
    return f"internal error: {type(error).__name__}: {said or 'no message'}; details in {_kept(error)}"


def _of_memory(error: BaseException) -> bool:
    """Whether it is a library's own word for too little memory: torch (GPU and CPU) and OpenCV raise no MemoryError."""
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    said = str(error)
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in said) or "Insufficient memory" in said


def _kept(error: BaseException) -> Path | str:
    """The file that the traceback was written to; where none can be written it goes to stderr, never lost."""
    text = "".join(traceback.format_exception(error))
    if len(text) > 100_000:  # a RecursionError's frames differ in nothing
        text = f"{text[:50_000]}\n…\n{text[-50_000:]}"
    door = Path(sys.argv[0]).stem or "python"
    for folder in (ERRORS, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{door}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
            path.write_text(f"{' '.join(sys.argv)}\n{text}", encoding="utf-8", errors="backslashreplace")
            return path
    sys.stderr.write(text)
    return "the lines above"
