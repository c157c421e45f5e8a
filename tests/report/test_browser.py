"""The page in a real browser: it opens from disk, and every video can be played."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browser import needs_browser, videos_that_play


@pytest.mark.slow
@needs_browser
def test_page_opens_from_disk_and_all_videos_play(run_folder: Path, build: Callable[[Path], str], tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(build(run_folder), encoding="utf-8")
    assert videos_that_play(path, tmp_path / "profile") == (3, 3)
