"""What every door does around its one call into a room: parse, die with its parent, clock itself, fail in one line."""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.failures import end_of, flush_output

PR_SET_PDEATHSIG = 1
SHELLS = {"sh", "dash", "bash", "ash", "busybox", "zsh", "ksh"}
WATCH_S = 0.1


def door_parser(description: str, reads: dict[str, str], writes: dict[str, str], optional: dict[str, str] | None = None):
    """Return an argument parser with one `--name PATH` option per artifact read or written, plus --params and --time."""
    parser = argparse.ArgumentParser(description=description)
    for name, text in {**reads, **writes}.items():
        parser.add_argument(f"--{name}", required=True, type=Path, metavar="PATH", help=text)
    for name, text in (optional or {}).items():
        parser.add_argument(f"--{name}", type=Path, metavar="PATH", default=None, help=text)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), metavar="PATH", help="params file")
    parser.add_argument("--time", type=Path, default=None, metavar="PATH", help="where to write seconds and peak memory (JSON)")
    return parser


def run_door(main: Callable[[], None]) -> None:
    """Run a door: no orphan survives a killed dvc, and whatever goes wrong ends in one line on stderr and an exit code.

    That is 1, and 130 for Ctrl+C. A reader that closes its end of a pipe (`--help | head`) ends it without a word; the
    traceback of what nobody foresaw lies in .scratch/errors.
    """
    _die_with_parent()
    failure: BaseException | None = None
    for step in (main, flush_output):
        try:
            step()
        except BaseException as error:  # the last resort: no user is shown a traceback
            failure = failure or error
    if isinstance(failure, SystemExit):
        raise failure
    if failure is not None:
        sys.exit(end_of(failure))


@contextlib.contextmanager
def stage_clock(path: Path | None, frames: int | None = None) -> Iterator[dict[str, float]]:
    """Measure a stage: seconds, peak resident memory (MB, children too), frames per second; written to `path` if it succeeds.

    The yielded dict may be filled with further numbers (for instance `frames`).
    """
    figures: dict[str, float] = {} if frames is None else {"frames": frames}
    start = time.perf_counter()
    with _PeakMemory() as peak:
        yield figures
    if path is None:
        return
    seconds = time.perf_counter() - start
    figures = {"seconds": seconds, "peak_memory_mb": peak.megabytes, **figures}
    if figures.get("frames"):
        figures.setdefault("frames_per_s", figures["frames"] / seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({k: round(float(v), 3) for k, v in figures.items()}, indent=1, sort_keys=True) + "\n")


class _PeakMemory:
    """Largest resident set of this process and its children, sampled for the children, exact for the process itself."""

    def __init__(self) -> None:
        self.megabytes = 0.0

    def __enter__(self) -> "_PeakMemory":
        return self

    def __exit__(self, *_: object) -> None:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.megabytes = max(own, children) / 1024


def _die_with_parent() -> None:
    """Have Linux kill this process when dvc dies: an orphan would go on writing beside the next run."""
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call took effect
        os.kill(os.getpid(), signal.SIGKILL)
    if _is_command_shell(parent):
        threading.Thread(target=_die_with_grandparent, args=(parent,), daemon=True).start()


def _is_command_shell(pid: int) -> bool:
    """Whether a process is a shell with one command (`sh -c`): dvc starts stages by one, and some stay as a process between."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(words[0]).name in SHELLS and "-c" in words


def _die_with_grandparent(shell: int) -> None:
    """Kill this process once the shell above it has another parent than now."""
    grandparent = _parent_of(shell)
    while _parent_of(shell) == grandparent:
        time.sleep(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _parent_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
