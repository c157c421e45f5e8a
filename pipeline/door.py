"""What every door does around its one call into a room: parse, clock itself, fail in one line."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from pipeline import interrupts
from pipeline.disk import replace_text
from pipeline.errors import InputError
from pipeline.failures import end_of, flush_output
from pipeline.members import require_alone
from pipeline.record import require_listed, require_unchanged


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


def run_door(main: Callable[[], None], several: bool = False) -> None:
    """Run a door: whatever goes wrong, an edit of what it ran with too, ends in one line on stderr and an exit code.

    several: whether processes that torchrun started may share its work; else it refuses to be one of them.

    That is 1, and 130 for Ctrl+C. A reader that closes its end of a pipe (`--help | head`) ends it without a word; the
    traceback of what nobody foresaw lies in .scratch/errors.
    """

    def whole() -> None:
        interrupts.release()
        require_listed()
        if not several:
            require_alone()
        main()
        require_unchanged()

    failure: BaseException | None = None
    for step in (whole, flush_output):
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
    _require_times(path)
    figures: dict[str, float] = {} if frames is None else {"frames": frames}
    start = time.perf_counter()
    yield figures
    if path is None:
        return
    seconds = time.perf_counter() - start
    figures = {"seconds": seconds, "peak_memory_mb": _peak_memory_mb(), **figures}
    if figures.get("frames"):
        figures.setdefault("frames_per_s", figures["frames"] / seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps({k: round(float(v), 3) for k, v in figures.items()}, indent=1, sort_keys=True) + "\n")


def _require_times(path: Path | None) -> None:
    """Raise InputError unless the path is free, empty, or holds times as stage_clock() writes them."""
    if path is None or not path.exists() or (path.is_file() and not path.stat().st_size):
        return
    try:
        known = "peak_memory_mb" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        known = False
    if not known:
        raise InputError(f"{path} is not a file of times that was made here: name another path with --time, or move it away yourself")


def _peak_memory_mb() -> float:
    """Largest resident set so far of this process, or of the largest of its children that have ended."""
    try:
        import resource
    except ImportError:  # Windows, which keeps its own record
        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit / 2**20
