"""A stage that dvc started ends when that dvc does: an orphan would go on writing beside the next run.

Which process is its dvc, DVC says itself: while a stage runs, `.dvc/tmp/rwlock` names the process that runs it.
By hand (`nohup python -m stages.… &`) nothing is held.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
WATCH_S = 0.1
ATTEMPTS = 10  # DVC writes its lock file in place, so that it may be met half-written


def hold() -> None:
    """Tie this process to the dvc that started it, where one did; if that has ended already, so does this process."""
    if "DVC_STAGE" not in os.environ:
        return
    if sys.platform.startswith("linux"):  # at once and by the kernel, where no shell stands between
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    pids = _running_dvc(Path.cwd())
    if pids is None:
        return
    import psutil

    dvc = next((process for process in psutil.Process().parents() if process.pid in pids), None)
    if dvc is None:
        _end()
    else:
        threading.Thread(target=_end_with, args=(dvc,), daemon=True).start()


def _running_dvc(folder: Path) -> set[int] | None:
    """Ids of the processes that run stages of the project around a folder, by its DVC; None where that cannot be told."""
    root = next((above for above in [folder, *folder.parents] if (above / ".dvc").is_dir()), None)
    if root is None:
        return None
    for _ in range(ATTEMPTS):
        try:
            held = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text(encoding="utf-8"))
            readers = [reader for several in held.get("read", {}).values() for reader in several]
            return {int(holder["pid"]) for holder in [*held.get("write", {}).values(), *readers]}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            time.sleep(WATCH_S)
    return None


def _end_with(process: Any) -> None:
    while process.is_running():
        time.sleep(WATCH_S)
    _end()


def _end() -> None:
    print("error: the dvc that started this stage has ended, so the stage does too: run dvc repro again.", file=sys.stderr, flush=True)
    os._exit(1)
