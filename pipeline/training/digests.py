"""Digests of what a result is made from: parameters, arrays, files, code."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.disk import digest_file
from pipeline.imports import ROOT, closure


def fingerprint(facts: Mapping[str, Any]) -> str:
    """sha256 of the facts as JSON with sorted keys: equal facts, equal name, on every machine."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_arrays(arrays: Iterable[np.ndarray]) -> str:
    """sha256 over dtype, shape and bytes of the arrays in turn (blocks of one clip may be given one by one)."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def digest_code(module: str | os.PathLike[str], root: Path = ROOT) -> dict[str, str]:
    """sha256 by path of a source and of all that it imports: what a training runs on. A checkpoint of other code is not taken up."""
    first = Path(module).resolve().relative_to(root).as_posix()
    return {path: digest_file(root / path) for path in sorted(closure(first, root))}
