"""HDF5 files of other tools, read by h5py (extra `labels`)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; InputError when h5py is not installed, or the file is none or lacks what is read from it."""
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(f"{path} is read by h5py, which is not installed. Run: pip install -e '.[labels]'") from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path} must be labels of DeepLabCut or SLEAP in HDF5, found it unreadable ({what}); export it again") from error


def text(value: Any) -> str:
    """A string of any kind that HDF5 knows."""
    if isinstance(value, np.ndarray):
        value = value.tobytes() if value.ndim else value.item()
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def texts(dataset: Any) -> list[str]:
    """The strings of a dataset (n)."""
    return [text(value) for value in dataset[:]]
