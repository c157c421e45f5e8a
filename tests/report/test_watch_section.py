"""The section of the size people watch: both tables, and the worst frames first."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.artifacts.scores import read_curve, read_scores
from pipeline.artifacts.watched import Watched, open_watched, write_watched
from pipeline.report.watch import watch_section


def opened(data: Path) -> tuple[dict, dict, Watched]:
    metrics = data / "metrics"
    return read_scores(metrics / "ann.json"), read_curve(metrics / "frames/ann.tsv"), open_watched(metrics / "watched/ann.zarr")


def pictures(html: str) -> list[np.ndarray]:
    blobs = [base64.b64decode(text) for text in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)]
    return [cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR) for blob in blobs]


def test_methods_and_stages_have_a_table_each(run_folder: Path) -> None:
    html = "".join(watch_section(*opened(run_folder), worst=2))
    heads = [re.findall(r"<th[^>]*>(.*?)</th>", part) for part in re.findall(r"<thead>(.*?)</thead>", html)]
    assert heads[0] == ["metric", "better", "ours", "nearest pose, moved", "nearest pose"]
    assert heads[1] == ["metric", "better", "as generated", "regions refined"]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    assert ["st_lpips", "lower", "0.21", "0.18", "0.19"] in rows
    assert ["sharpness", "near 1", "0.7", "–", "1.02"] in rows
    assert "40 × 90 px about the person" in html
    assert "3 of 4 held-out frames" in html


def test_the_worst_frames_come_first_and_at_their_own_size(run_folder: Path) -> None:
    html = "".join(watch_section(*opened(run_folder), worst=2))
    assert re.findall(r"Among the worst by st_lpips: frame (\d+), ([\d.]+)</fig", html) == [("18", "0.3"), ("19", "0.23")]
    shown = pictures(html)
    assert len(shown) == 2
    assert shown[0].shape[1] == pytest.approx(4 * 40, abs=40)  # truth, ours, warped, nearest in a row
    values = [int(np.median(shown[0][40:80, 10 + 44 * i : 30 + 44 * i])) for i in range(4)]
    assert values == pytest.approx([60, 100, 140, 180], abs=3)


def test_wide_views_stand_in_a_square_that_fits_the_page(run_folder: Path, tmp_path: Path) -> None:
    scores, columns, watched = opened(run_folder)
    wide = {name: np.full((3, 300, 900, 3), 9, np.uint8) for name in watched.pictures}
    write_watched(tmp_path / "wide.zarr", watched.frames.tolist(), wide)
    html = "".join(watch_section(scores, columns, open_watched(tmp_path / "wide.zarr"), worst=1))
    assert pictures(html)[0].shape[1] <= 1250


def test_what_was_not_scored_is_said_or_left_out() -> None:
    assert watch_section({}, {}, None, 3) == []
    why = {"settings": {"watch": {"frames": 0, "not_computed": "no true matte shows the person"}}}
    assert "Not computed: no true matte shows the person." in "".join(watch_section(why, {}, None, 3))
