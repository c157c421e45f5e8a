"""The doors. Before one imports what takes time, Ctrl+C is one line, and so is a Python without the project's packages; a stage that
dvc has started is tied to it and notes what it runs with."""

from pipeline import installed, interrupts

interrupts.hold()
installed.require()

from pipeline import leash, record  # noqa: E402 - they import libraries, which takes a while

leash.hold()
record.begin()
