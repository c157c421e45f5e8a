"""Where the oracles lie: the folder that MOTION_COPY_ORACLES names."""

import os
from pathlib import Path

import pytest


def oracle(name: str) -> Path:
    """Return the path of an oracle's file; the test is skipped where the folder is not given."""
    folder = os.environ.get("MOTION_COPY_ORACLES")
    if not folder:
        pytest.skip("the oracles' folder is not given: name it in MOTION_COPY_ORACLES")
    return Path(folder) / name
