"""When each frame of a clip is shown: exact timestamps, or none for a folder of images."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.errors import InputError


@dataclass(frozen=True)
class Clock:
    """Timestamps of t frames: pts (t) integers in units of time_base seconds; all None when the clip has no time.

    fps is the nominal rate as a fraction ("30000/1001"); the timestamps rule where the rate varies.
    """

    fps: str | None
    time_base: str | None
    pts: tuple[int, ...] | None

    @property
    def has_time(self) -> bool:
        return self.pts is not None

    def seconds(self) -> np.ndarray:
        """Timestamps (t) float64 in seconds; InputError for a clip without time."""
        if self.pts is None or self.time_base is None:
            raise InputError("This clip is a folder of images without timestamps; it has no seconds.")
        return np.array([float(Fraction(self.time_base) * p) for p in self.pts], dtype=np.float64)

    def to_attributes(self) -> dict[str, Any]:
        """JSON-ready dict with keys fps, time_base, pts."""
        return {"fps": self.fps, "time_base": self.time_base, "pts": None if self.pts is None else list(self.pts)}

    @staticmethod
    def from_attributes(attributes: dict[str, Any]) -> "Clock":
        """Inverse of to_attributes; ignores other keys."""
        pts = attributes["pts"]
        return Clock(attributes["fps"], attributes["time_base"], None if pts is None else tuple(int(p) for p in pts))

    @staticmethod
    def regular(fps: str, t: int) -> "Clock":
        """A clock of constant rate: frame i at i / fps seconds."""
        rate = Fraction(fps)
        return Clock(fps, f"{rate.denominator}/{rate.numerator}", tuple(range(t)))


NO_TIME = Clock(None, None, None)
