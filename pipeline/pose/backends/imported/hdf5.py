"""HDF5 files of other tools, read by h5py (extra `labels`)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError

LARGE_BYTES, MOST_GROWTH = 2**30, 1000  # no compression of real labels does better


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; InputError when h5py is not installed, or the file is none or lacks what is read from it."""
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(f"{path} is read by h5py, which is not installed. Run: pip install -e '.[labels]'") from None
    try:
        with h5py.File(path, "r") as file:
            _require_self_contained(path, file)
            yield file
    except InputError:
        raise
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path} must be labels of DeepLabCut or SLEAP in HDF5, found it unreadable ({what}); export it again") from error


def _require_self_contained(path: Path, file: Any) -> None:
    """InputError when reading would open another file, or make far more of the file than it holds."""
    import h5py  # pyright: ignore[reportMissingImports]

    def of_link(name: str, link: Any) -> str | None:
        return f"hold its labels itself, found {name} leading to {link.filename}" if isinstance(link, h5py.ExternalLink) else None

    def of_item(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"hold its labels itself, found {name} stored in other files"
        if item.nbytes > LARGE_BYTES and item.nbytes > MOST_GROWTH * max(item.id.get_storage_size(), 1):
            return f"hold what it promises, found {name} of {item.nbytes / 1e9:.0f} GB nearly empty"
        return None

    # a walk ends at the first finding; an error cannot leave it
    if found := file.visititems_links(of_link) or file.visititems(of_item):
        raise InputError(f"{path} must {found}; save it anew, as one file")


def text(value: Any) -> str:
    """A string of any kind that HDF5 knows."""
    if isinstance(value, np.ndarray):
        value = value.tobytes() if value.ndim else value.item()
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def texts(dataset: Any) -> list[str]:
    """The strings of a dataset (n)."""
    return [text(value) for value in dataset[:]]
