import math
import re
from pathlib import Path

import numpy as np

from pipeline.artifacts.experiments import write_experiments
from pipeline.report.curves import POINTS, charts
from pipeline.report.experiments import experiment_sections
from pipeline.report.facts import camera_warning, matte_table, ranges, skipped_regions
from pipeline.report.metrics import (
    faces_line,
    imitation_table,
    paper_table,
    reconstruction_table,
    regions_table,
    scores_of,
    settings_lines,
    settings_of,
)
from pipeline.report.page import table


def row(html: str, name: str) -> list[str]:
    """Texts of the cells of the row that starts with `name`."""
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", html)]
    return next(c for c in cells if c and c[0] == name)


def test_paper_stands_only_beside_metrics_of_the_same_name() -> None:
    html = reconstruction_table({"reconstruction": {"psnr": 26.5, "st_lpips": 0.1}, "plate": {"psnr": 17.45}})
    assert row(html, "psnr") == ["psnr", "higher", "26.50", "17.45", "27.52 / 26.72 / 27.82"]
    assert row(html, "st_lpips") == ["st_lpips", "lower", "0.1", "–", "–"]


def test_every_number_stands_under_its_own_method_in_its_own_row() -> None:
    methods = ("reconstruction", "warped_pose", "nearest_pose_moved", "nearest_pose", "plate")
    scores = {method: {"psnr": 20.0 + i, "st_lpips": 0.1 + i / 100} for i, method in enumerate(methods)}
    html = reconstruction_table(scores | {"settings": {}})
    heads = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", html)
    assert heads[:2] == ["metric", "better"]
    assert heads[2:7] == ["ours", "nearest pose, warped", "nearest pose, moved", "nearest pose", "plate alone"]
    assert row(html, "psnr")[:7] == ["psnr", "higher", "20.00", "21.00", "22.00", "23.00", "24.00"]
    assert row(html, "st_lpips")[:7] == ["st_lpips", "lower", "0.1", "0.11", "0.12", "0.13", "0.14"]
    html = imitation_table({"imitation": {"pose_error_px": 1.5, "pose_detected": 0.75, "motion_consistency": 0.5, "flicker": 1.25}})
    told = {"pose_error_px": ("lower", "1.5"), "pose_detected": ("higher", "0.75"), "motion_consistency": ("higher", "0.5")}
    for metric, cells in (told | {"flicker": ("near 1", "1.25")}).items():
        assert tuple(row(html, metric)[1:3]) == cells


def test_paper_table_has_the_numbers_of_table_1() -> None:
    html = paper_table()
    assert "46.62" in html
    assert "64.12" in html
    assert html.count("<tr>") == 1 + 3 + 2 + 3 + 3


def test_scores_that_are_not_there_are_said() -> None:
    assert "not scored" in reconstruction_table({})
    assert "not scored" in imitation_table({"settings": {}})
    assert regions_table({}) == ""
    assert settings_lines({}) == ""
    assert "fid: not computed: needs a file" in settings_lines({"settings": {"not_computed": {"fid": "needs a file"}}})


def test_other_systems_stand_beside_ours() -> None:
    files = {"fsv2v": {"external": {"fsv2v": {"psnr": 24.25}}, "settings": {"external": {"video": "a.mp4"}}}}
    html = reconstruction_table({"reconstruction": {"psnr": 26.5}, "plate": {"psnr": 17.45}}, scores_of(files))
    assert row(html, "psnr")[2:5] == ["26.50", "17.45", "24.25"]
    assert "external: fsv2v" in html
    html = imitation_table({"imitation": {"flicker": 1.5}}, {"fsv2v": {"flicker": 1.25, "tcm": 0.5}})
    assert row(html, "flicker")[2:4] == ["1.5", "1.25"]
    assert row(html, "tcm")[2:4] == ["–", "0.5"]
    assert "a.mp4" in settings_of(files)
    assert settings_of({}) == ""


def test_faces_that_were_left_out_are_said_and_scores_that_are_null_are_dashes() -> None:
    left_out = {"no face found (result)": 3, "under 16 px between the eyes (driver)": 2}
    scores = {
        "imitation": {"face_landmarks": None, "face_identity": 0.31, "face_identity_own": 0.25},
        "settings": {"faces": {"frames": 9, "compared": 4, "left_out": left_out}, "not_computed": {"face_landmarks": "no frame"}},
    }
    line = "Faces compared in 4 of 9 frames; left out: 3 no face found (result), 2 under 16 px between the eyes (driver)."
    assert line in faces_line(scores)
    assert faces_line({}) == faces_line({"settings": {"faces": {"frames": 9, "compared": 9, "left_out": {}}}}) == ""
    html = imitation_table(scores)
    assert row(html, "face_landmarks")[:3] == ["face_landmarks", "lower", "–"]
    assert row(html, "face_identity_own")[1:3] == ["to compare with", "0.25"]
    assert "face_landmarks: not computed: no frame" in settings_lines(scores)


def test_regions_stand_in_the_order_of_the_stages() -> None:
    html = regions_table({"regions": {"face": {"refined": {"psnr": 22.0}, "warped": {"psnr": 20.0}}}})
    assert row(html, "face") == ["face", "psnr", "higher", "20.00", "–", "22.00"]


def test_ranges_are_short() -> None:
    assert ranges(np.array([3, 4, 5, 9, 11, 12])) == "3-5, 9, 11-12"


def test_camera_that_stands_still_warns_of_nothing() -> None:
    assert camera_warning({}) == ""
    assert camera_warning({"inpainting": {"camera_motion": {"moving": False, "max_shift_px": 0.2}}}) == ""
    assert "up to 9.0 px" in camera_warning({"inpainting": {"camera_motion": {"moving": True, "max_shift_px": 9.0}}})


def test_no_skipped_region_is_said() -> None:
    assert "No region was skipped" in skipped_regions({"face": []})


def test_charts_leave_out_what_never_changes_and_survive_nan() -> None:
    html = charts({"step": [0, 1, 2], "loss": [3.0, math.nan, 1.0], "rate": [0.1, 0.1, 0.1]})
    assert html.count("<svg") == 1
    assert "1 to 3, ends at 1" in html
    assert "nan" not in html


def test_long_curves_are_thinned_to_means() -> None:
    n = 10 * POINTS
    html = charts({"step": list(range(n)), "loss": [i % 2 for i in range(n)]})
    points = re.search(r'points="([^"]+)"', html)
    assert points is not None
    assert len(points[1].split()) == POINTS


def test_table_escapes_and_marks_numbers() -> None:
    html = table(["<a>", "b"], [["x & y", 1.5], ["z", None]])
    assert "&lt;a&gt;" in html
    assert "x &amp; y" in html
    assert '<td class="number">1.5</td>' in html
    assert '<td class="number">–</td>' in html


def experiment(row: str, metric: str, mean: float, **known: object) -> dict[str, object]:
    nothing = {"spread": math.nan, "seeds": [1], "by_seed": [mean], "against": None, "difference": math.nan, "standard_error": math.nan}
    return {"row": row, "metric": metric, "mean": mean, **nothing, "pairs": 0, "left_out": 0, "verdict": "", **known}


def test_tables_of_experiments_are_shown(tmp_path: Path) -> None:
    found = {"spread": 0.25, "against": "all", "difference": -0.5, "standard_error": 0.125, "verdict": "lower"}
    records = [
        experiment("all", "psnr", 21.5, verdict="reference"),
        experiment("all", "training_s", 60.0),
        experiment("less", "psnr", 21.0, **found),
        experiment("late", "psnr", math.nan, against="all", verdict="missing"),
    ]
    about = {"name": "mine", "question": "Does <it> help?", "target": "ann", "base": {"crop.size_px": "64"}, "reference": "all"}
    about |= {"metrics": ["psnr"], "docs": {"all": "everything"}, "paper": {"all": "2"}, "notes": ["WARNING: other code.", "Paired."]}
    write_experiments(tmp_path / "mine.parquet", records, about)
    html = "".join(experiment_sections(tmp_path))
    assert row(html, "all") == ["all", "everything", "2", "21.5", "60", "–"]
    assert row(html, "less") == ["less", "baseline", "–", "21 ± 0.25", "–", "–"]
    assert "<td>lower (-0.5, se 0.12)</td>" in html
    assert "<td>missing</td>" in html
    assert "Does &lt;it&gt; help?" in html
    assert '<p class="warn">WARNING: other code.</p>' in html
    assert "All rows: target ann, crop.size_px: 64." in html
    assert html.count("WARNING") == 1


def test_no_tables_no_section(tmp_path: Path) -> None:
    assert experiment_sections(tmp_path / "experiments") == []


def test_mattes_say_what_was_missed_and_how_much_they_flicker() -> None:
    attributes = {"backend": "maskrcnn", "bridged_frames": [3, 4, 9], "guessed_frames": [], "flicker": {"found": 0.0234, "smoothed": 0.01}}
    html = matte_table(attributes)
    assert row(html, "backend")[1] == "maskrcnn"
    assert row(html, "missed, bridged from their neighbours")[1] == "3 (frames 3-4, 9)"
    assert row(html, "missed, guessed from the joints alone")[1] == "none"
    assert row(html, "flicker as found")[1].startswith("2.34 %")
    assert row(html, "flicker after smoothing")[1].startswith("1.00 %")
    alone = matte_table({"backend": "background_difference"})  # it misses nobody by itself, and is measured by nobody
    assert "missed" not in alone
    assert "flicker" not in alone
