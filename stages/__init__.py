"""The doors. Before one imports what takes time, Ctrl+C is one line, and a stage that dvc has started is tied to it and notes
what it runs with. Garbage is collected only when the door begins: what is imported stays, and a tenth of the time went into it."""

import gc
import sys

from pipeline import interrupts

interrupts.hold()
if sys.argv[:1] == ["-m"]:  # started as `python -m stages.…`; run_door() enables it again
    gc.disable()

from pipeline import leash, record  # noqa: E402 - they import libraries, which takes a while

leash.hold()
record.begin()
