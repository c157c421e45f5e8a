import base64
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.experiments import write_experiments
from pipeline.artifacts.scores import write_scores
from pipeline.errors import InputError
from pipeline.report import facts, pictures
from pipeline.report.departures import DEPARTURES
from pipeline.report.experiments import experiment_sections

Build = Callable[[Path], str]


def blobs(page: str, media: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(rf'src="data:{media};base64,([^"]+)"', page)]


def test_page_is_whole_and_needs_nothing_else(run_folder: Path, build: Build) -> None:
    page = build(run_folder)
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "Not there" not in page
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page


def test_videos_are_small_h264_with_their_index_in_front(run_folder: Path, build: Build) -> None:
    videos = blobs(build(run_folder), "video/mp4")
    assert len(videos) == 3  # one a pair, one for the target's reconstruction
    for blob in videos:
        assert blob.find(b"moov") < blob.find(b"mdat")
        with av.open(io.BytesIO(blob)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert sum(1 for _ in container.decode(video=0)) == 15  # video_max_frames
    assert build(run_folder).count("(the first 15 of 20 frames)") == 3


def test_pictures_decode_and_fit_the_page(run_folder: Path, build: Build) -> None:
    pictures = blobs(build(run_folder), "image/jpeg")
    assert len(pictures) >= 14
    for blob in pictures:
        image = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape[1] <= 1400


def test_same_run_gives_the_same_page_but_for_video_bytes(run_folder: Path, build: Build) -> None:
    # x264's macroblock tree is not byte-deterministic for small pictures.
    first, second = (re.sub(r"data:video/mp4;base64,[^\"]+", "", build(run_folder)) for _ in range(2))
    assert first == second


def test_facts_are_told(run_folder: Path, build: Build) -> None:
    page = build(run_folder)
    assert "3 joints repaired" in page
    assert "right_wrist, interpolated: frames 3-4" in page
    assert "left_ankle, dropped: frames 9" in page
    assert "face: 1 of 20 frames: its joints are missing" in page
    assert "The camera moves (up to 7.5 px)" in page
    assert "<td>maskrcnn_v2</td>" in page
    assert "2 (frames 3-4)" in page
    assert "tcm: not computed: add tcm to evaluation.metrics" in page
    assert '<p class="warn">feet slide</p>' in page
    assert "retargeting.figures.height px" in page
    assert "fuse@bob-to-ann" in page
    for sentence in DEPARTURES:
        assert sentence.split("'")[0] in page


def test_the_crop_is_described_and_its_warnings_are_shown(run_folder: Path, build: Build) -> None:
    page = build(run_folder)
    assert "The person is only 40 px high." in page
    mattes = open_crops(run_folder / "crops/ann.zarr").mattes[:16]  # of 20 frames the last 4 are held out
    shares = (mattes > 127).mean(axis=(1, 2))
    filled = f"the person fills {100 * np.median(shares):.0f} % of it"
    assert f"The crop: 96 × 64 px, a box that follows the person; {filled} (median over training frames) and is 40 px high" in page
    assert "through the crop (96 × 64 px)" in page


def test_tables_of_experiments_have_a_place_of_their_own(run_folder: Path, build: Build) -> None:
    assert "Experiments" not in build(run_folder)
    about = {"name": "ablations", "question": "?", "target": "ann", "base": {}, "metrics": [], "docs": {}, "paper": {}, "notes": []}
    write_experiments(run_folder / "experiments/ablations.parquet", [], about)
    page = build(run_folder)
    assert '<a href="#experiments">' in page
    assert ">ablations</h3>" in page


def test_every_pair_is_shown_its_own_scores_and_every_target_its_own(run_folder: Path, build: Build) -> None:
    for pair, error in (("ann-to-ann", 1.25), ("bob-to-ann", 7.75)):
        write_scores(run_folder / f"metrics/{pair}.json", {"imitation": {"pose_error_px": error}, "settings": {"not_computed": {}}})
    sections = re.split(r'(?=<h2 id=")', build(run_folder))
    told = {re.match(r'<h2 id="([^"]+)"', part)[1]: part for part in sections if part.startswith("<h2 id=")}  # type: ignore[index]
    for anchor, error, other in (("pair-ann-to-ann", "1.25", "7.75"), ("pair-bob-to-ann", "7.75", "1.25")):
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", told[anchor])
        assert cells[cells.index("pose_error_px") : cells.index("pose_error_px") + 3] == ["pose_error_px", "lower", error]
        assert other not in cells
    assert "26.50" in told["target-ann"]


def test_a_pair_and_a_target_say_which_faces_were_left_out(run_folder: Path, build: Build) -> None:
    for name, count in (("ann", 3), ("bob-to-ann", 5)):
        faces = {"frames": 8, "compared": 8 - count, "left_out": {"no face found (result)": count}}
        write_scores(run_folder / f"metrics/{name}.json", {"settings": {"faces": faces, "not_computed": {}}})
    sections = re.split(r'(?=<h2 id=")', build(run_folder))
    told = {re.match(r'<h2 id="([^"]+)"', part)[1]: part for part in sections if part.startswith("<h2 id=")}  # type: ignore[index]
    for anchor, count in (("target-ann", 3), ("pair-bob-to-ann", 5)):
        line = f"Faces compared in {8 - count} of 8 frames; left out: {count} no face found (result)."
        assert [name for name, part in told.items() if line in part] == [anchor]


def test_the_worst_held_out_frames_are_those_of_the_lowest_scores(run_folder: Path, build: Build, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(pictures, "worst", lambda _crops, _fused, rows, unit: shown.append((rows, unit)) or b"")
    build(run_folder)
    assert shown == [([(16, 36.0), (17, 37.0)], "dB")]  # scores are 20 + frame; two are shown


def test_everything_is_escaped(run_folder: Path, build: Build) -> None:
    page = build(run_folder)
    assert "a &lt;net&gt;" in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page
    assert page.count("<script>") == 1


def test_missing_artifacts_are_listed_and_left_out(run_folder: Path, build: Build) -> None:
    for gone in ("faces", "foregrounds", "videos", "plates", "metrics"):
        shutil.rmtree(run_folder / gone)
    page = build(run_folder)
    assert "Not there" in page
    assert f"<li>{run_folder}/plates/ann.zarr</li>" in page
    assert page.count(f"<li>{run_folder}/faces/ann.parquet</li>") == 1


def test_empty_folder_gives_a_page(tmp_path: Path, build: Build) -> None:
    assert "Not there" in build(tmp_path)


def test_damaged_artifact_is_an_error(run_folder: Path, build: Build) -> None:
    (run_folder / "keypoints/bob.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bob\.parquet is not a readable keypoints table"):
        build(run_folder)


def test_no_folder_is_no_run(tmp_path: Path, build: Build) -> None:
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputError, match="must be the folder that a run leaves its artifacts in, found no folder there"):
            build(data)


def test_what_a_killed_run_left_is_not_shown(tmp_path: Path) -> None:
    for name in (".a.partial.parquet", ".a.partial.json", ".toy.partial/asset.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{")
    assert experiment_sections(tmp_path) == []
    assert "No stage left its figures" in facts.time_table(tmp_path)
    assert "Nothing was fetched" in facts.licence_table([tmp_path])


@pytest.mark.parametrize("content", ["", "[1]", "null", "{", '{"seconds": "long"}', '{"seconds": [1]}', "[" * 9999])
def test_damaged_figures_and_licences_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json is not a readable JSON of a stage's figures"):
        facts.time_table(tmp_path)
    (tmp_path / "x.json").rename(tmp_path / "asset.json")
    with pytest.raises(InputError, match=r"asset\.json is not a readable description of an asset"):
        facts.licence_table([tmp_path])
