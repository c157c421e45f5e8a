"""Tables that say what they are: Parquet, its kind, version and further attributes as JSON in the schema's metadata."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.store import VERSION, publish, readable
from pipeline.errors import InputError


def write_table(path: str | os.PathLike[str], kind: str, table: pa.Table, attributes: Mapping[str, Any], **layout: Any) -> None:
    """Publish a table of a kind with JSON-like attributes; layout: how pyarrow is to store its columns."""
    described = json.dumps({**attributes, "kind": kind, "version": VERSION}, sort_keys=True)
    with publish(path, kind) as temporary:
        table = table.replace_schema_metadata({"motion_copy": described})
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True, **layout)


def read_table(path: str | os.PathLike[str], kind: str, what: str, remedy: str) -> tuple[pa.Table, dict[str, Any]]:
    """A table and its attributes, kind and version among them; InputError when missing, of another kind or damaged.

    what: the table in a message.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist. {remedy}")
    with readable(path, what, remedy):
        table = pq.read_table(path, page_checksum_verification=True)
        attributes = dict(json.loads((table.schema.metadata or {})[b"motion_copy"]))
    if attributes.get("kind") != kind or attributes.get("version") != VERSION:
        found = f"{attributes.get('kind')} version {attributes.get('version')}"
        raise InputError(f"{path} must be {kind} version {VERSION}, found {found}. {remedy}")
    return table, attributes
