"""How many pictures an image file holds, by its own lists: the pages of a TIFF, the frames of an animated PNG or WebP.

And whether a GIF is whole, which FFmpeg does not ask, and whether a photograph is mirrored, which PyAV does not tell.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import InputError, require_plain

TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101  # TIFF: thumbnails and masks stand beside the pages
GIF_EXTENSION, GIF_PICTURE, GIF_END = 0x21, 0x2C, 0x3B  # how its blocks begin
JPEG_HEAD, JPEG_EXIF, JPEG_PICTURE = b"\xff\xd8", b"\xff\xe1", b"\xff\xda"
EXIF_NAME, ORIENTATION, MIRRORED = b"Exif\0\0", 274, (2, 4, 5, 7)  # of the eight ways to hold a camera
MOST_PAGES = 1_000_000
MOST_ENTRIES = 65_535  # of a picture in a TIFF; a damaged number may be of any size


def is_tiff(path: Path) -> bool:
    """Whether a file starts as a TIFF."""
    return _head(path)[:4] in TIFF_HEADS


def tiff_pages(path: Path) -> list[int]:
    """Places of a TIFF's pages among its pictures, thumbnails and masks left out; InputError when its list breaks off."""
    with path.open("rb") as file:
        try:
            kinds = list(_directories(file))
        except struct.error:
            raise InputError(f"{path} is cut short: its list of pictures leads beyond its end. Copy it again.") from None
    return [place for place, kind in enumerate(kinds) if not kind & REDUCED_OR_MASK] or list(range(len(kinds)))


def png_frames(path: Path) -> int:
    """Frames of an animated PNG; 1 of any other file."""
    if _head(path)[:8] != PNG_HEAD:
        return 1
    with path.open("rb") as file:
        for kind, size in _chunks(file, 8, ">I4s", 4):
            if kind == b"acTL":
                return max(1, int.from_bytes(file.read(4)))
            if kind == b"IDAT" or size < 0:
                break
    return 1


def exif_mirrored(path: Path) -> bool:
    """Whether the EXIF data of a JPEG, PNG or WebP say that its picture is a mirror image, as of some front cameras."""
    head = _head(path)
    with path.open("rb") as file:
        if head[:2] == JPEG_HEAD:
            found = _jpeg_exif(file)
        elif head[:8] == PNG_HEAD:
            found = next((file.read(size) for kind, size in _chunks(file, 8, ">I4s", 4) if kind == b"eXIf"), b"")
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            found = next((file.read(size) for kind, size in _chunks(file, 12, "<4sI", 0, padded=True) if kind == b"EXIF"), b"")
        else:
            found = b""
    return _orientation(found.removeprefix(EXIF_NAME)) in MIRRORED


def webp_durations(path: Path) -> list[int]:
    """Durations in ms of an animated WebP's frames; empty for any other file. InputError when the file is shorter than it says."""
    head = _head(path)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return []
    durations = []
    with path.open("rb") as file:
        for kind, _ in _chunks(file, 12, "<4sI", 0, padded=True):
            if kind == b"ANMF":
                durations.append(int.from_bytes(file.read(15)[12:15], "little"))
    if durations and path.stat().st_size < 8 + int.from_bytes(head[4:8], "little"):
        raise InputError(f"{path} is cut short: it is smaller than it declares. Copy it again.")
    return durations


def gif_is_whole(path: Path) -> bool:
    """Whether a GIF's blocks follow each other up to its end, or its closing mark; FFmpeg takes a cut one for a shorter one."""
    content = path.read_bytes()
    at = 13 + _palette(content, 10)
    while at < len(content):
        kind = content[at]
        if kind == GIF_END:
            return True
        if kind not in (GIF_EXTENSION, GIF_PICTURE):
            return False
        at += 2 if kind == GIF_EXTENSION else 11 + _palette(content, at + 9)  # head of the block, for a picture with its code size
        while at < len(content) and content[at]:
            at += 1 + content[at]
        if at >= len(content):
            return False
        at += 1
    return at == len(content)


def _jpeg_exif(file: BinaryIO) -> bytes:
    """The first segment of EXIF data before a JPEG's picture; empty without one."""
    at = len(JPEG_HEAD)
    while True:
        file.seek(at)
        mark, size = file.read(2), int.from_bytes(file.read(2))
        if mark[:1] != JPEG_HEAD[:1] or mark == JPEG_PICTURE or size < 2:
            return b""
        if mark == JPEG_EXIF and (content := file.read(size - 2)).startswith(EXIF_NAME):
            return content
        at += 2 + size


def _orientation(exif: bytes) -> int:
    """The number by which EXIF data tell how the camera was held; 1, upright, where they tell none."""
    order = "<" if exif[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, at)
        for i in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, at + 2 + 12 * i)
            if tag == ORIENTATION:
                return value
    except struct.error:  # cut or damaged: FFmpeg makes nothing of it either
        pass
    return 1


def _palette(content: bytes, at: int) -> int:
    """Bytes of the palette that the flags at a place announce."""
    flags = content[at] if at < len(content) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _head(path: Path) -> bytes:
    require_plain(path)
    with path.open("rb") as file:
        return file.read(12)


def _chunks(file: BinaryIO, start: int, layout: str, trailer: int, padded: bool = False) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of each chunk, the file standing at its content."""
    at = start
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        first, second = struct.unpack(layout, head)
        kind, size = (second, first) if isinstance(second, bytes) else (first, second)
        yield kind, size
        at += 8 + size + trailer + (size % 2 if padded else 0)


def _directories(file: BinaryIO) -> Iterator[int]:
    """Yield the kind (tag 254) of each picture in a TIFF, BigTIFF included; struct.error beyond the end of the file."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    at = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
    count_layout, entry_bytes, next_layout = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        file.seek(at)
        (entries,) = struct.unpack(count_layout, file.read(struct.calcsize(count_layout)))
        table = file.read(min(entries, MOST_ENTRIES) * entry_bytes)
        kind = 0
        for i in range(entries):
            tag, value_kind = struct.unpack_from(f"{order}HH", table, i * entry_bytes)
            if tag == SUBFILE_TYPE:
                layout = f"{order}H" if value_kind == 3 else f"{order}I"
                (kind,) = struct.unpack_from(layout, table, i * entry_bytes + (12 if big else 8))
        yield kind
        (at,) = struct.unpack(next_layout, file.read(struct.calcsize(next_layout)))
