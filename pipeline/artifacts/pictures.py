"""Pictures for people to look at: files that say that they were made here."""

import os
from pathlib import Path

from pipeline.artifacts.replacing import tagged_png, tagged_webp
from pipeline.artifacts.store import publish
from pipeline.errors import InputError


def require_suffix(option: str, path: Path, suffix: str, what: str) -> None:
    """InputError where the file that an option names would not be called what is written into it."""
    if path.suffix.lower() != suffix:
        raise InputError(f"{option} must be called {suffix}, since {what} is written, found {path}: name it so.")


def write_picture(path: str | os.PathLike[str], png: bytes) -> None:
    """Publish an encoded PNG; InputError when a picture that was not made here lies at `path`."""
    with publish(path, "sheet") as temporary:
        temporary.write_bytes(tagged_png(png))


def write_moving_picture(path: str | os.PathLike[str], webp: bytes) -> None:
    """Publish an encoded animated WebP; InputError when one that was not made here lies at `path`."""
    with publish(path, "moving picture") as temporary:
        temporary.write_bytes(tagged_webp(webp))
