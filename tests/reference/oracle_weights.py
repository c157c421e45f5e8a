"""Weights that anybody can draw again: the fill rule of the oracles' goldens (R1 to R6), and their digest."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

Spec = Iterable[tuple[str, tuple[int, ...], str]]
Override = Callable[[np.ndarray], np.ndarray | None]


def fill(spec: Spec, gain: float = 1.0, overrides: Mapping[str, Override] | None = None) -> dict[str, np.ndarray]:
    """Return an array for every (key, shape, dtype) of a state dict; each key seeds its own draw, so order does not count.

    overrides maps the end of a key to a function of the key's float64 standard normal draw; what it returns replaces the
    rule's value (cast to the dtype), None leaves the rule in force. The first override that answers wins.
    """
    weights = {}
    for key, shape, dtype in spec:
        shape, value = tuple(shape), None
        if len(shape) and not _is_integer(dtype):
            draw = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
            for end, override in (overrides or {}).items():
                value = override(draw) if value is None and key.endswith(end) else value
            value = by_rule(key, draw, gain) if value is None else value
        weights[key] = np.zeros(shape, dtype) if value is None else np.asarray(value, dtype)
    return weights


def by_rule(key: str, draw: np.ndarray, gain: float) -> np.ndarray:
    """Return the value of one float32 key by the rules R1 to R5 from its draw."""
    if draw.ndim >= 2:
        return draw.astype(np.float32) * np.float32(gain / np.sqrt(np.prod(draw.shape[1:])))
    if key.endswith("running_mean"):
        return np.zeros(draw.shape, np.float32)
    if key.endswith(("running_var", "weight")):
        return np.ones(draw.shape, np.float32)
    return draw.astype(np.float32) * np.float32(0.01)


def digest(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the sorted keys' bytes, each followed by its tensor's raw bytes, as the goldens' meta states it."""
    total = hashlib.sha256()
    for key in sorted(weights):
        total.update(key.encode())
        total.update(np.ascontiguousarray(weights[key]).tobytes())
    return total.hexdigest()


def _is_integer(dtype: str) -> bool:
    return np.issubdtype(np.dtype(dtype), np.integer)
