"""What an artifact may take the place of: nothing, an empty file, or an artifact of its own kind; never what a user keeps there.

An artifact says itself what it is: a Zarr group and a Parquet table by their attribute `kind`, a picture, page or model by a tag,
a text by the very form in which it is written here.
"""

import json
import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import InputError

TAG = "motion-copy"
PAGE_TAG = f'<meta name="generator" content="{TAG}">'
VIDEO_COMMENT = "This video was generated: a person's look rendered in another clip's motion. It does not show real events."
USERS = ("data/source", "data/incoming")
SCRATCH = ".scratch"  # what lies in there is made here
PNG_HEAD = 8 + 25  # signature and the header's chunk
READ_BYTES = 1 << 20
LISTED = re.compile(r"[0-9a-f]{64}  (pipeline|stages)/[^ ]+")
_WEBP_CHUNK = b"MADE" + struct.pack("<I", len(TAG)) + TAG.encode() + b"\0" * (len(TAG) % 2)


def require_replaceable(path: Path, kind: str | None) -> None:
    """Raise InputError unless `path` is free, empty, or holds an artifact of `kind` (None: one of the same suffix).

    Nothing is ever written into the user's folders data/source and data/incoming.
    """
    place = path.absolute().resolve()
    for users in USERS:
        if place.is_relative_to(Path(users).resolve()):
            raise InputError(f"{path} lies in {users}, which is yours and only read: name another path to write to")
    if not path.exists() or SCRATCH in place.parts:
        return
    if path.is_file() and not path.stat().st_size:
        return
    found = kind_of(path)
    if found is None or (kind is not None and found != kind):
        what = f"an artifact of the kind {found}" if found else "a folder" if path.is_dir() else "a file that was not made here"
        kept = f"; only {kind} may be replaced there" if kind else ""
        raise InputError(f"{path} is {what}{kept}: name another path to write to, or move it away yourself")


def kind_of(path: Path) -> str | None:
    """What kind of artifact lies at a path; None for anything that was not made here, a damaged artifact included."""
    read = _KINDS.get(path.suffix.lower() if path.is_file() else "/")
    try:
        return read(path) if read else None
    except Exception:  # the readers raise many kinds; whatever cannot be read is not known to be ours
        return None


def tagged_png(blob: bytes) -> bytes:
    """The PNG with a text chunk that says that it was made here."""
    chunk = b"tEXt" + b"Software\0" + TAG.encode()
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return blob[:PNG_HEAD] + packed + blob[PNG_HEAD:]


def tagged_webp(blob: bytes) -> bytes:
    """The WebP with a last chunk that says that it was made here; readers pass over chunks that they do not know."""
    data = blob[8:] + _WEBP_CHUNK
    return b"RIFF" + struct.pack("<I", len(data)) + data


def _folder(path: Path) -> str | None:
    for name, at in (("zarr.json", ("attributes", "kind")), ("asset.json", ("kind",)), ("export.json", ("kind",))):
        if (path / name).is_file():
            value: Any = json.loads((path / name).read_text(encoding="utf-8"))
            for key in at:
                value = value[key]
            return str(value)
    return None


def _parquet(path: Path) -> str | None:
    return str(json.loads((pq.read_schema(path).metadata or {})[b"motion_copy"])["kind"])


def _json(path: Path) -> str | None:
    text = path.read_text(encoding="utf-8")
    tree = json.loads(text)
    if not isinstance(tree, dict) or json.dumps(tree, indent=1, sort_keys=True) + "\n" != text:
        return None
    return str(tree.get("kind") or ("sidecar" if tree.get("generated") else "scores"))


def _table(path: Path) -> str | None:
    """A header, and numbers below it as write_curve() has them; without any the header is `step`."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    if (not rows and header != "step") or any(len(row) != header.count("\t") + 1 or [_number(cell) for cell in row] != row for row in rows):
        return None
    return f"table by {header.split(chr(9))[0]}"


def _number(cell: str) -> str:
    value = float(cell)
    return f"{value:.6g}" if math.isfinite(value) else cell


def _weights(path: Path) -> str | None:
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size)) if size < READ_BYTES * 16 else {}
    return header["__metadata__"][TAG]


def _picture(path: Path) -> str | None:
    with path.open("rb") as file:
        return "sheet" if tagged_png(bytes(PNG_HEAD))[PNG_HEAD:] == file.read(PNG_HEAD + 4 + 4 + 9 + len(TAG) + 4)[PNG_HEAD:] else None


def _moving(path: Path) -> str | None:
    return "moving picture" if path.read_bytes().endswith(_WEBP_CHUNK) else None


def _page(path: Path) -> str | None:
    with path.open("rb") as file:
        return "page" if PAGE_TAG.encode() in file.read(READ_BYTES) else None


def _video(path: Path) -> str | None:
    import av  # takes a moment, and few write videos

    with av.open(str(path)) as container:
        return "video" if container.metadata.get("comment") == VIDEO_COMMENT else None


def _words(path: Path) -> str | None:
    """A table of experiments in words has the table itself beside it."""
    beside = path.with_suffix(".parquet")
    return "experiments" if beside.is_file() and _parquet(beside) == "experiments" else None


def _constant(path: Path) -> str | None:
    return "names" if path.read_text(encoding="utf-8").startswith("The names in params.yaml are") else None


def _listing(path: Path) -> str | None:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "code" if all(LISTED.fullmatch(line) for line in lines) else None


_KINDS = {
    "/": _folder,
    ".parquet": _parquet,
    ".json": _json,
    ".tsv": _table,
    ".safetensors": _weights,
    ".png": _picture,
    ".webp": _moving,
    ".html": _page,
    ".mp4": _video,
    ".md": _words,
    ".ok": _constant,
    ".sha256": _listing,
}
