"""When each frame of a clip is shown: exact timestamps, or none for a folder of images."""

import itertools
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
        base = Fraction(self.time_base)
        return np.array([p * base.numerator / base.denominator for p in self.pts], dtype=np.float64)

    def step_s(self) -> float:
        """The usual time between frames in seconds; 1 for a single frame. InputError as seconds()."""
        seconds = self.seconds()
        return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0

    def steps(self) -> np.ndarray:
        """Timestamps (t) from the first, in usual steps between frames: whole numbers at a constant rate. InputError as seconds()."""
        seconds = self.seconds()
        times = (seconds - seconds[:1]) / self.step_s()
        whole = np.rint(times)
        return np.where(np.abs(times - whole) < 1e-6, whole, times)

    def to_attributes(self) -> dict[str, Any]:
        """JSON-ready dict with keys fps, time_base, pts."""
        return {"fps": self.fps, "time_base": self.time_base, "pts": None if self.pts is None else list(self.pts)}

    @staticmethod
    def from_attributes(attributes: dict[str, Any]) -> "Clock":
        """Inverse of to_attributes; ignores other keys. ValueError for a rate that is none, or times that do not grow."""
        fps, base, pts = (attributes[key] for key in ("fps", "time_base", "pts"))
        for key, value in (("fps", fps), ("time_base", base)):
            if value is not None and not _is_rate(value):
                raise ValueError(f"{key} must be a fraction above 0 as text, found {value!r}")
        if pts is None:
            return Clock(fps, base, None)
        if base is None or not isinstance(pts, list) or not all(type(p) is int for p in pts):
            raise ValueError("timestamps must be whole numbers in units of a time_base, found others")
        stuck = next((i for i, (a, b) in enumerate(itertools.pairwise(pts)) if b <= a), None)
        if stuck is not None:
            raise ValueError(f"timestamps must grow, found {pts[stuck]} and then {pts[stuck + 1]} at frame {stuck + 1}")
        return Clock(fps, base, tuple(pts))

    def require_frames(self, t: int) -> None:
        """ValueError unless there is a timestamp for each of t frames, or none at all."""
        if self.pts is not None and len(self.pts) != t:
            raise ValueError(f"there must be a timestamp for each of {t} frames, found {len(self.pts)}")

    @staticmethod
    def regular(fps: str, t: int) -> "Clock":
        """A clock of constant rate: frame i at i / fps seconds."""
        rate = Fraction(fps)
        return Clock(fps, f"{rate.denominator}/{rate.numerator}", tuple(range(t)))


def _is_rate(value: Any) -> bool:
    try:
        return isinstance(value, str) and Fraction(value) > 0
    except (ValueError, ZeroDivisionError):
        return False


NO_TIME = Clock(None, None, None)
