"""A page in a real browser, where the system has one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--timeout=8000"]
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")


def videos_that_play(page: Path, profile: Path) -> tuple[int, int]:
    """How many of the page's videos can be played when it is opened from disk, and how many it has."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<html[^>]*data-videos="(\d+)/(\d+)"', done.stdout)
    assert found is not None, done.stdout[:1000]
    return int(found[1]), int(found[2])
