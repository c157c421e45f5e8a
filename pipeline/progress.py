"""One progress line with the time left."""

import sys
import time
from types import TracebackType

LINE_EVERY_S = 10.0
REDRAW_EVERY_S = 0.2


class Progress:
    """Progress over `total` steps: redrawn in place on a terminal, a fresh line every 10 s elsewhere."""

    def __init__(self, total: int, label: str, unit: str = "frame") -> None:
        self.total, self.label, self.unit = total, label, unit
        self.done = 0
        self._start = self._shown = time.monotonic()
        self._tty = sys.stderr.isatty()
        self._values: dict[str, float] = {}

    def advance(self, n: int = 1, **values: float) -> None:
        """Count n more steps; `values` are shown beside the count."""
        self.done += n
        self._values.update(values)
        now = time.monotonic()
        if now - self._shown >= (REDRAW_EVERY_S if self._tty else LINE_EVERY_S):
            self._shown = now
            self._print(now)

    def close(self) -> None:
        """Print the last line."""
        self._print(time.monotonic())
        if self._tty:
            print(file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()

    def _print(self, now: float) -> None:
        elapsed = max(now - self._start, 1e-9)
        rate = self.done / elapsed
        left = (self.total - self.done) / rate if rate > 0 else float("inf")
        values = "".join(f"  {k} {v:.4g}" for k, v in self._values.items())
        line = f"{self.label}: {self.done}/{self.total} {self.unit}s  {rate:.2f}/s  {_clock(left)} left{values}"
        print(f"\r\033[K{line}" if self._tty else line, end="" if self._tty else "\n", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"
