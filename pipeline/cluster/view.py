"""All stages in one view: how many are done, what each running one last said; redrawn on a terminal, lines elsewhere."""

import shutil
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from pipeline.failures import one_line

REDRAW_EVERY_S = 0.5
LINE_EVERY_S = 30.0


class View:
    """What is known of every stage that workers run."""

    def __init__(self, addresses: Iterable[str], out: TextIO = sys.stderr) -> None:
        self.waiting = dict.fromkeys(addresses)
        self.running: dict[str, str] = {}
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._out, self._tty = out, out.isatty()
        self._drawn, self._shown = 0, 0.0

    def says(self, address: str, line: str, where: str = "") -> None:
        """A stage runs, and printed a line (empty: it has just begun, or begun anew on another worker)."""
        if address not in self.waiting and address not in self.running:
            return
        if not line:
            again = " again" if address in self.running else ""
            self._event(f"{address}: begun{again}{f' on {where}' if where else ''}")
        self.waiting.pop(address, None)
        self.running[address] = one_line(line)

    def ends(self, address: str) -> None:
        """A stage is done."""
        last = self.running.get(address)
        self._out_of_the_way(address)
        self.done.add(address)
        self._event(f"{address}: done, {len(self.done)} of {self._all()}{f'; {last}' if last else ''}")

    def fails(self, address: str, line: str, skipped: Iterable[str]) -> None:
        """A stage failed, and others will not run for that."""
        self._out_of_the_way(address)
        self.failed[address] = one_line(line)
        self._event(f"{address}: FAILED: {self.failed[address]}")
        for name in skipped:
            self._out_of_the_way(name)
            self.skipped.setdefault(name, address)

    def draw(self, always: bool = False) -> None:
        """Show where everything is: often on a terminal, seldom in a file."""
        now = time.monotonic()
        if not always and now - self._shown < (REDRAW_EVERY_S if self._tty else LINE_EVERY_S):
            return
        self._shown = now
        self._clear()
        lines = self.lines()
        if self._tty:
            width = shutil.get_terminal_size().columns - 1
            lines = [line[:width] for line in lines]
            self._drawn = len(lines)
        print("\n".join(lines), file=self._out, flush=True)

    def lines(self) -> list[str]:
        """The view: one line of counts and one for each stage that runs."""
        failed = f", {len(self.failed)} failed, {len(self.skipped)} left out" if self.failed else ""
        counts = f"{len(self.done)} of {self._all()} stages done, {len(self.running)} running, {len(self.waiting)} waiting{failed}"
        longest = max(map(len, self.running), default=0)
        return [counts, *(f"  {name:{longest}}  {line.removeprefix(f'{name}: ')}".rstrip() for name, line in self.running.items())]

    def _all(self) -> int:
        return sum(map(len, (self.waiting, self.running, self.done, self.failed, self.skipped)))

    def _out_of_the_way(self, address: str) -> None:
        self.waiting.pop(address, None)
        self.running.pop(address, None)

    def _event(self, line: str) -> None:
        self._clear()
        print(line, file=self._out, flush=True)

    def _clear(self) -> None:
        if self._tty and self._drawn:
            print(f"\033[{self._drawn}A\033[J", end="", file=self._out)
        self._drawn = 0
