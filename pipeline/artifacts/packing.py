"""How arrays of frames become bytes: Zarr's shards, written chunk by chunk as soon as each is packed, in several threads.

The bytes are those that Zarr itself would write, whatever the number of threads and however the frames come in blocks. Memory
holds a few chunks, not a shard.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import zarr.codecs
from numcodecs import blosc  # pyright: ignore[reportAttributeAccessIssue]

SHARD_FRAMES = 64
SHARD_BYTES = 256 * 2**20
THREADS = 4  # at most; a chunk or two for each are in memory
BATCH_BYTES = 2**20  # small chunks are packed several at a time
ABSENT = 2**64 - 1  # offset and length, in a shard's index, of a chunk that is not there


class Packing(NamedTuple):
    """A layout: `shard` frames a file, `chunk` frames that are packed as one, what Zarr is told of both, and how one is packed.

    pack takes the frames of a chunk (n ...), n <= chunk, fewer at the array's end alone.
    """

    shard: int
    chunk: int
    codecs: dict[str, Any]
    pack: Callable[[np.ndarray], bytes]


def checksummed(packed: bytes) -> bytes:
    """Bytes with their CRC-32C behind them, as the codec crc32c writes it."""
    return packed + google_crc32c.value(packed).to_bytes(4, "little")


def compressed(frame_shape: tuple[int, ...], dtype: str) -> Packing:
    """A chunk a frame by Zstandard: fit for any array, quick to write, and open to whatever reads Zarr."""
    size = np.dtype(dtype).itemsize
    frame_bytes = int(np.prod(frame_shape)) * size
    codecs = [zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), zarr.codecs.Crc32cCodec()]

    def pack(frame: np.ndarray) -> bytes:
        return checksummed(blosc.compress(frame, b"zstd", 1, blosc.BITSHUFFLE, 0, size))

    return Packing(int(max(1, min(SHARD_FRAMES, SHARD_BYTES // max(frame_bytes, 1)))), 1, {"compressors": codecs}, pack)


class ShardsWriter:
    """Packs blocks of frames in threads and writes the shards of one array; `folder` is the array's own."""

    def __init__(self, folder: Path, packing: Packing, frame_shape: tuple[int, ...], dtype: str) -> None:
        self._folder, self._packing = folder, packing
        self._shape, self._dtype = frame_shape, np.dtype(dtype)
        chunk_bytes = packing.chunk * int(np.prod(frame_shape)) * self._dtype.itemsize
        self._batch = packing.chunk * max(1, min(packing.shard // packing.chunk, BATCH_BYTES // max(chunk_bytes, 1)))
        self._threads = max(1, min(THREADS, os.cpu_count() or 1))
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[list[bytes]]] = deque()
        self._buffer: np.ndarray | None = None
        self._spare: list[np.ndarray] = []
        self._filled = self._shards = self.length = 0
        self._shard: _Shard | None = None

    def append(self, block: np.ndarray) -> None:
        """Take frames (n ...); they are copied."""
        start = 0
        while start < len(block):
            if self._buffer is None:
                self._buffer = self._spare.pop() if self._spare else np.empty((self._batch, *self._shape), self._dtype)
            n = min(len(block) - start, self._batch - self._filled)
            self._buffer[self._filled : self._filled + n] = block[start : start + n]
            self._filled += n
            self.length += n
            start += n
            if self._filled == self._batch:
                self._submit()

    def finish(self) -> None:
        """Pack and write the rest."""
        if self._filled:
            self._submit()
        while self._waiting:
            self._collect()
        if self._shard is not None:
            self._close()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _submit(self) -> None:
        assert self._buffer is not None
        while len(self._waiting) >= self._threads:
            self._collect()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads)
        self._waiting.append(self._pool.submit(self._packed, self._buffer, self._filled))
        self._buffer, self._filled = None, 0

    def _packed(self, buffer: np.ndarray, n: int) -> list[bytes]:
        step = self._packing.chunk
        chunks = [self._packing.pack(buffer[start : min(start + step, n)]) for start in range(0, n, step)]
        self._spare.append(buffer)
        return chunks

    def _collect(self) -> None:
        for chunk in self._waiting.popleft().result():
            if self._shard is None:
                self._shard = _Shard(self._folder / f"c/{self._shards}" / "/".join("0" for _ in self._shape), self._slots())
            self._shard.add(chunk)
            if self._shard.full:
                self._close()

    def _slots(self) -> int:
        return self._packing.shard // self._packing.chunk

    def _close(self) -> None:
        assert self._shard is not None
        self._shard.close()
        self._shard = None
        self._shards += 1


class _Shard:
    """A file of Zarr's codec sharding_indexed: chunks one behind the other, then where each begins and how long it is."""

    def __init__(self, path: Path, slots: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._index = np.full((slots, 2), ABSENT, "<u8")
        self._count = self._offset = 0

    @property
    def full(self) -> bool:
        return self._count == len(self._index)

    def add(self, chunk: bytes) -> None:
        self._write(chunk)
        self._index[self._count] = self._offset, len(chunk)
        self._offset += len(chunk)
        self._count += 1

    def close(self) -> None:
        self._write(checksummed(self._index.tobytes()))

    def _write(self, part: bytes) -> None:
        """Open for each part, so that a writer that fails leaves no open file, which some systems would not let go."""
        with self._path.open("ab") as file:
            file.write(part)
