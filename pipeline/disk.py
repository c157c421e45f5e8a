"""Files that are on the disk before they count, that take another's place at once, and that are told by their digest."""

import hashlib
import os
from pathlib import Path


def flush_file(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def replace_text(path: Path, text: str, mode: int | None = None) -> None:
    """Put a text (UTF-8) in a file's place, never into it: DVC may have linked the file to its cache. mode: the new file's, if given."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    if mode is not None:
        beside.chmod(mode)
    os.replace(beside, path)


def digest_file(path: str | os.PathLike[str], kind: str = "sha256") -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
