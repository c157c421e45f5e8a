"""What a look into an artifact found, in words and pictures."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

LONG_LIST = 8
LONG_TEXT = 100


@dataclass
class Findings:
    """What is said about an artifact, and the pictures (with labels) of its contact sheet."""

    title: str
    attributes: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    pictures: list[np.ndarray] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def show(self, label: str, picture: np.ndarray) -> None:
        self.labels.append(label)
        self.pictures.append(picture)

    def text(self) -> str:
        attributes = [f"  {key}: {shortened(value)}" for key, value in sorted(self.attributes.items())]
        return "\n".join([self.title, *(["attributes", *attributes] if attributes else []), *self.lines])


def shortened(value: Any) -> str:
    """A value in one short line: long lists lose their middle, long texts their end, inner mappings name their keys."""
    if isinstance(value, list) and len(value) > LONG_LIST:
        return f"{len(value)} values: {shortened(value[:3])[1:-1]} … {shortened(value[-2:])[1:-1]}"
    if isinstance(value, list):
        return "[" + ", ".join(shortened(item) for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{k}: {shortened(v)}" for k, v in value.items())
        return "{" + (inner if len(inner) <= LONG_TEXT else ", ".join(map(str, value))) + "}"
    text = str(value)
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}… ({len(text)} characters)"


def statistics(values: np.ndarray) -> str:
    """Range and mean over the finite values, and how many are not finite."""
    values = np.asarray(values)
    finite = values[np.isfinite(values)].astype(np.float64)
    gone = values.size - finite.size
    if not finite.size:
        return f"no finite value, {gone} NaN"
    text = f"min {finite.min():.6g}, max {finite.max():.6g}, mean {finite.mean():.6g}, std {finite.std():.4g}"
    return text + (f", {gone} of {values.size} NaN" if gone else "")
