"""Ctrl+C while a door still imports what it works with: one line, as later on, not the traceback of a half-loaded library.

No garbage is collected meanwhile: what is imported stays, and looking at it takes a tenth of the time.
"""

import gc
import os
import signal
import sys

INTERRUPTED = 130  # what shells give for Ctrl+C
NOTHING_KEPT = "Nothing half-written was kept."
TOLD = f"interrupted. {NOTHING_KEPT} Run it again"


def hold() -> None:
    """From now on to release(), end in one line at Ctrl+C: nothing is open yet, and nothing needs to be tidied.

    Only where this process was started as `python -m …`, whose package is imported just now: whoever imports a door as a
    module keeps own ways, and so does a process that is to ignore the signal.
    """
    if sys.argv[:1] != ["-m"]:
        return
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def release() -> None:
    """Let Ctrl+C raise KeyboardInterrupt again: from here on somebody catches it, and what lies half-written is removed."""
    gc.enable()
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, f"error: {TOLD}\n".encode())  # print() might be in the middle of something
    os._exit(INTERRUPTED)
