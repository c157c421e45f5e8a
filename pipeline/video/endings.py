"""Whether a file ends where it should, of containers of which FFmpeg takes a cut file for a shorter one: MXF, NUT and MPEG-TS.

Sources: SMPTE 377 (MXF: each part says how long it is, and the header where the footer lies), nut.txt of FFmpeg's wiki (NUT: the last
twelve bytes lead to the index), ISO 13818-1 (MPEG-TS: packets of 188 bytes, which some put 4 before, or 16 after).
"""

import os
from pathlib import Path
from typing import BinaryIO

MXF_PART, MXF_HEADER = bytes.fromhex("060e2b34"), bytes.fromhex("060e2b34020501010d0102010102")  # how keys of parts, and the first, begin
MXF_RUN_IN = 65_536  # at most so many bytes of something else come first
NUT_INDEX = bytes.fromhex("4e58dd672f23e64e")
TS_SYNC, TS_BYTES, TS_STEPS = 0x47, 188, (188, 192, 204)
TS_PACKETS = 30  # looked at before the end


def mxf_is_whole(path: Path) -> bool:
    """Whether an MXF file has its footer, where its header says so, and its last part as long as that one says.

    A recording that is not finished has no footer yet; bytes that are no part end the look.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(MXF_RUN_IN + len(MXF_HEADER)).find(MXF_HEADER)
        at = max(start, 0)
        if start >= 0 and (head := _mxf_part(file, at)):
            file.seek(head[0] + 24)  # versions, alignment, places of this and of the last partition
            footer = start + int.from_bytes(file.read(8))
            if footer >= size:
                return False
            at = max(at, footer)
        while at < size and (part := _mxf_part(file, at)):
            at = sum(part)
        file.seek(min(at, size))
        return at <= size and not MXF_PART.startswith(file.read(4) or b" ")


def _mxf_part(file: BinaryIO, at: int) -> tuple[int, int] | None:
    """Where the content of the part at a place begins, and its length; None where no part begins."""
    file.seek(at)
    head = file.read(17)
    if len(head) < 17 or not head.startswith(MXF_PART):
        return None
    more = head[16] & 0x7F if head[16] & 0x80 else 0
    length = file.read(more)
    if len(length) < more or (head[16] & 0x80 and not 1 <= more <= 8):
        return None
    return at + 17 + more, int.from_bytes(length) if more else head[16]


def nut_has_index(path: Path) -> bool:
    """Whether a NUT file ends with its index, which is written last."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 12, 0))
        back = int.from_bytes(file.read(8))
        if not 12 < back <= size:
            return False
        file.seek(size - back)
        return file.read(8) == NUT_INDEX


def ts_ends_with_a_packet(path: Path) -> bool:
    """Whether the last packet of an MPEG-TS is whole; True too where the file's end is no row of packets, so that nothing is known."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TS_PACKETS * max(TS_STEPS), 0), os.SEEK_SET)
        tail = file.read()
    for step in TS_STEPS:
        for first in range(min(step, len(tail))):
            row = tail[first::step]
            if len(row) > TS_PACKETS // 2 and row.count(TS_SYNC) == len(row):
                return len(tail) - (first + (len(row) - 1) * step) >= TS_BYTES
    return True
