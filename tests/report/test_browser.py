"""The page in a real browser: it opens from disk, and every video can be played."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--timeout=8000"]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_page_opens_from_disk_and_all_videos_play(run_folder: Path, build: Callable[[Path], str], tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(build(run_folder), encoding="utf-8")
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<html[^>]*data-videos="(\d+)/(\d+)"', done.stdout)
    assert found is not None
    assert found.groups() == ("3", "3")
