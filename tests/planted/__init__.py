"""Faults of one line each, by which mutants.py tries the fast tests: what stands in a file, what is put there, and which tests must notice.

`old` occurs exactly once in its file, which test_planted.py holds true. A fault is a plausible slip that leaves everything running: the
pictures come out a little wrong, or a number in a table does. A module an area.
"""

from planted import appearance, carried, exports, faces, frames, mattes, moving, poses, project, scores
from planted.fault import Fault as Fault

AREAS = (mattes, appearance, poses, moving, carried, faces, scores, frames, project, exports)
FAULTS = [fault for area in AREAS for fault in area.FAULTS]
