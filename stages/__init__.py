"""The doors: one module for each stage of dvc.yaml, run as `python -m stages.<name>`."""

import os

# Turns that a waiting thread spins before it sleeps, read when torch loads OpenMP. Its own 300 000 keep a core from those that have work,
# so that a training beside other busy processes falls to a fraction of its speed (tests/benchmarks/waiting.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
