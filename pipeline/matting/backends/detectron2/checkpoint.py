"""The model zoo's .pkl read without running anything in it, and converted once to safetensors."""

import hashlib
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import save_file
from safetensors.torch import load_file

from pipeline.disk import digest_file
from pipeline.errors import InputError

# All that a pickled dict of arrays needs, by the names that old and new NumPy give it.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1"),  # how Python 3 writes bytes in the old protocols
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _RECONSTRUCT for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _SCALAR for core in ("core", "_core")},
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def read_pickled_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays {name: array} of a model zoo's .pkl; InputError when it holds anything but numbers."""
    content = path.read_bytes()
    digits = re.search(r"_([0-9a-f]{6})\.pkl$", path.name)
    if digits and not hashlib.md5(content, usedforsecurity=False).hexdigest().startswith(digits[1]):
        raise InputError(f"{path} must have an md5 that begins with {digits[1]}, as its name says; the file is damaged, fetch it again")
    try:
        stored = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # whatever a damaged or hostile file makes the reader stumble over
        raise InputError(f"{path} must be a pickle of arrays only ({error}); it was not used") from None
    arrays = stored.get("model", stored) if isinstance(stored, dict) else None
    if not isinstance(arrays, dict) or not arrays:
        raise InputError(f"{path} must hold a dict of arrays, found {type(stored).__name__}")
    arrays = {str(key): np.asarray(value) for key, value in arrays.items()}
    strange = [key for key, value in arrays.items() if value.dtype.kind not in "fiub"]
    if strange:
        raise InputError(f"{path} must hold arrays of numbers, found {arrays[strange[0]].dtype} at {strange[0]}")
    return arrays


def converted(path: Path, cache: Path) -> Path:
    """Return the safetensors file with the arrays of a .pkl, written into `cache` under the .pkl's sha256 the first time."""
    target = cache / f"{digest_file(path)}.safetensors"
    if not target.is_file():
        arrays = {key: np.ascontiguousarray(value) for key, value in read_pickled_arrays(path).items()}
        cache.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.part")
        save_file(arrays, part)
        os.replace(part, target)
    return target


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a converted file; InputError when it is damaged."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} is damaged ({error}); delete it, it will be made again") from None
