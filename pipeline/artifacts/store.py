"""Whole-or-absent publishing, and the one way arrays are laid out: Zarr v3, a chunk a frame, sharded, checksummed."""

import contextlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
import zarr.codecs
import zarr.storage

from pipeline.artifacts.packing import Packing, ShardsWriter, compressed
from pipeline.artifacts.replacing import require_replaceable
from pipeline.artifacts.writing import flush, leftovers, only_writer, partial_name
from pipeline.errors import InputError

VERSION = 1
PICTURES = ("time", "y", "x", "channel")  # axes of one name have one length within a group, or xarray refuses it
WRITE_ALL: Any = {"write_empty_chunks": True}  # zeros too, so that an absent file is always a loss, never black frames


@contextlib.contextmanager
def publish(path: str | os.PathLike[str], kind: str | None = None) -> Iterator[Path]:
    """Yield a hidden path beside `path`; what is written there replaces `path` at the end, or vanishes on any error.

    InputError when something else than an artifact of `kind` lies there, see require_replaceable(), or when another process is writing
    the same artifact. What a killed one left of it is removed.
    """
    final = Path(path)
    require_replaceable(final, kind)
    final.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(final):
        for left in leftovers(final):
            remove(left)
        temporary = partial_name(final)
        try:
            yield temporary
            flush(temporary)
            remove(final)
            os.replace(temporary, final)
        finally:
            remove(temporary)


@contextlib.contextmanager
def readable(path: str | os.PathLike[str], what: str, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged or foreign file makes its reader raise into InputError; what may not be read is not damaged."""
    try:
        yield
    except (InputError, MemoryError, PermissionError):
        raise
    except Exception as error:  # Zarr, Parquet, JSON and safetensors each raise many kinds, and a lost key a KeyError
        raise InputError(f"{path} is not a readable {what}: {_said(error)}. {remedy}") from error


def _said(error: Exception) -> str:
    """An error in one line, with its kind where the text alone would be a mere name (KeyError: 'fps')."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__} {text}" if len(text) < 30 else text


def remove(path: Path) -> None:
    """Delete a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_free_bytes(path: str | os.PathLike[str], needed: int) -> None:
    """Raise InputError unless the disk that will hold `path` has `needed` bytes free."""
    require_room({Path(path): needed})


def require_room(needed: Mapping[Path, int]) -> None:
    """Raise InputError unless several files, of so many bytes each, have room beside each other on the disks that will hold them."""
    disks: dict[int, list[Path]] = {}
    for path in needed:
        disks.setdefault(_folder_there(path).stat().st_dev, []).append(path)
    for paths in disks.values():
        total, folder = sum(needed[path] for path in paths), _folder_there(paths[0])
        free = shutil.disk_usage(folder).free
        if free < total:
            what = f"{paths[0]} needs" if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more need"
            raise InputError(
                f"{what} about {total / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free: make room (dvc gc -w) and run again."
            )


def _folder_there(path: Path) -> Path:
    """The folder that a file will lie in, or the nearest one above it that is there."""
    return next(folder for folder in path.absolute().parents if folder.exists())


class Appends(Protocol):
    """Anything that takes blocks of frames."""

    def append(self, block: np.ndarray) -> None: ...


class ArrayWriter:
    """Appends blocks of frames (n ...) to a Zarr array (t ...).

    axes: their names, of which a frame without channels takes the first three. packing: how frames become bytes; without it compressed().
    """

    def __init__(
        self,
        group: zarr.Group,
        name: str,
        frame_shape: tuple[int, ...],
        dtype: str,
        axes: tuple[str, ...] = PICTURES,
        packing: Packing | None = None,
    ) -> None:
        packing = packing or compressed(frame_shape, dtype)
        self.length = 0
        self._expected = frame_shape, np.dtype(dtype)
        self._array = group.create_array(
            name,
            shape=(0, *frame_shape),
            chunks=(packing.chunk, *frame_shape),
            shards=(packing.shard, *frame_shape),
            dtype=dtype,
            fill_value=0,
            dimension_names=axes[: 1 + len(frame_shape)],
            config=WRITE_ALL,
            **packing.codecs,
        )
        assert isinstance(group.store, zarr.storage.LocalStore)
        self._shards = ShardsWriter(group.store.root / self._array.path, packing, frame_shape, dtype)

    def append(self, block: np.ndarray) -> None:
        """Add frames (n ...) of the array's dtype; ValueError when shape or dtype differ."""
        block, (shape, dtype) = np.asarray(block), self._expected
        if block.shape[1:] != shape or block.dtype != dtype:
            raise ValueError(f"expected frames {shape} {dtype}, got {block.shape[1:]} {block.dtype}")
        self._shards.append(block)

    def flush(self) -> None:
        """Write what is left; called by the owner at the end."""
        self._shards.finish()
        self.length = self._shards.length
        self._array.resize((self.length, *self._array.shape[1:]))


class ArrayReader:
    """Reads a (t ...) array by integer or slice; a damaged chunk raises InputError naming file and frame."""

    def __init__(self, array: zarr.Array, path: Path, remedy: str) -> None:
        self._array, self._path, self._remedy = array, path, remedy
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.dtype = np.dtype(str(array.dtype))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice) -> np.ndarray:
        if not isinstance(key, (int, np.integer, slice)):
            raise TypeError("read frames by integer or slice: fancy indexing on shards is very slow")
        if not isinstance(key, slice):
            key = int(key)
            if not -len(self) <= key < len(self):
                raise IndexError(f"frame {key} of {len(self)}")
        try:
            return np.asarray(self._array[key])
        except PermissionError:
            raise
        except Exception as error:  # zarr, numcodecs and the OS each raise their own kinds for a damaged chunk
            raise InputError(f"{self._path} is damaged at frames {key}: {error}. {self._remedy}") from error

    def blocks(self, n: int = 16) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (start, frames) in order, n frames at a time."""
        for start in range(0, len(self), n):
            yield start, self[start : start + n]


@contextlib.contextmanager
def create_group(path: str | os.PathLike[str], kind: str, attributes: dict[str, Any]) -> Iterator[zarr.Group]:
    """Publish a Zarr group with kind, version and attributes; whole or absent."""
    with publish(path, kind) as temporary:
        group = zarr.open_group(zarr.storage.LocalStore(temporary), mode="w", zarr_format=3)
        group.attrs.update({"kind": kind, "version": VERSION, **attributes})
        yield group


def open_group(path: str | os.PathLike[str], kinds: tuple[str, ...], remedy: str) -> tuple[zarr.Group, dict[str, Any]]:
    """Open a Zarr group for reading and check what it is; InputError names file, finding and remedy."""
    if not Path(path).is_dir():
        raise InputError(f"{path} does not exist. {remedy}")
    try:
        # format 3 alone: an older one may name codecs that run code, such as pickle
        group = zarr.open_group(zarr.storage.LocalStore(Path(path), read_only=True), mode="r", zarr_format=3)
        attributes = dict(group.attrs)
    except Exception as error:  # a foreign folder, a cut JSON, a wrong format: all mean the same to the user
        raise InputError(f"{path} is not a readable Zarr group: {error}. {remedy}") from error
    if attributes.get("kind") not in kinds or attributes.get("version") != VERSION:
        found = f"{attributes.get('kind')} version {attributes.get('version')}"
        raise InputError(f"{path} must be {' or '.join(kinds)} version {VERSION}, found {found}. {remedy}")
    return group, attributes


def read_array(group: zarr.Group, name: str, path: str | os.PathLike[str], remedy: str) -> ArrayReader:
    """Reader of one array of a group; InputError when it is absent."""
    try:
        array = group[name]
    except Exception as error:  # KeyError for absence, JSON errors for damage
        raise InputError(f"{path} has no readable array {name}: {error}. {remedy}") from error
    if not isinstance(array, zarr.Array):
        raise InputError(f"{path}: {name} is not an array. {remedy}")
    if absent := _absent_file(Path(path) / name, array):
        raise InputError(f"{path} is damaged: {absent} is missing. {remedy}")
    return ArrayReader(array, Path(path), remedy)


def _absent_file(folder: Path, array: zarr.Array) -> str | None:
    """The first file that an array should have along its time axis and has not; Zarr would read it as zeros."""
    step = (array.shards or array.chunks)[0] if array.ndim else 1
    rest = "/0" * (array.ndim - 1)
    names = (f"c/{i}{rest}" for i in range(math.ceil(array.shape[0] / step) if array.size else 0))
    return next((f"{folder.name}/{name}" for name in names if not (folder / name).is_file()), None)


def require_array(name: str, array: ArrayReader | np.ndarray, shape: tuple[int | None, ...], dtype: str) -> None:
    """ValueError unless an array has a shape (None = any length) and a dtype: an artifact made by hand, or half of two."""
    same = len(array.shape) == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if not same or array.dtype != np.dtype(dtype):
        wanted = " ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} must be {dtype} ({wanted}), found {array.dtype} ({' '.join(map(str, array.shape))})")


def read_size(attributes: dict[str, Any], key: str) -> tuple[int, int]:
    """A size (height, width) among attributes; ValueError unless it is two whole numbers above 0."""
    size = attributes[key]
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"{key} must be height and width in px, found {size!r}")
    return size[0], size[1]


def write_array(group: zarr.Group, name: str, values: np.ndarray, axes: tuple[str, ...]) -> None:
    """Write one small array whole (crop rows, flags, boxes), its axes named."""
    values = np.ascontiguousarray(values)
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(1, n) for n in values.shape),
        dtype=values.dtype,
        compressors=[zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), zarr.codecs.Crc32cCodec()],
        fill_value=0,
        dimension_names=axes,
        config=WRITE_ALL,
    )
    array[...] = values
