"""Tables from results made by hand."""

import hashlib
import json
import math

import pytest

from pipeline.artifacts.experiments import read_experiments
from pipeline.errors import InputError
from pipeline.experiments.lists import ExperimentList
from pipeline.experiments.results import Repository, Result
from pipeline.experiments.table import records, write_table
from pipeline.inspect.look import inspect

LISTED = ExperimentList.model_validate(
    {
        "question": "Which parts help?",
        "target": "ann",
        "stage": "evaluate_reconstruction@{target}",
        "base": {"crop.size_px": 64},
        "seeds": [1, 2],
        "metrics": ["psnr", "watch.st_lpips", "reconstruction.tcm", "regions.face.refined.st_lpips", "stages.generated.watch.alex"],
        "reference": "all",
        "baselines": ["plate"],
        "rows": {
            "all": {"doc": "everything", "paper": "2"},
            "less": {"doc": "without it", "set": {"face.alpha": 0.0}},
            "same": {"doc": "again"},
            "late": {"doc": "not run"},
            "pair": {"doc": "against another", "against": "less"},
        },
    }
)
FRAMES = list(range(20, 24))


def result(*psnr: float, tcm: float, commit: str = "c0ffee1", made_from: str = "x", seconds: float = 60.0) -> Result:
    return Result(
        {
            "frame": FRAMES,
            "reconstruction_psnr": list(psnr),
            "plate_psnr": [15.0, 15.5, 16.0, 14.0],
            "watch.reconstruction_st_lpips": [0.25, math.nan, math.nan, 0.75],  # some frames are watched
            "stages.generated.watch.alex": [0.5, math.nan, math.nan, 0.7],
        },
        {
            "reconstruction": {"psnr": 1.0, "tcm": tcm, "watch": {"st_lpips": 9.0}},
            "plate": {"tcm": 0.1, "watch": {"st_lpips": 0.8}},
            "regions": {"face": {"refined": {"st_lpips": 0.3}}},
        },
        {"training_s": seconds, "frames_per_s": 25.0},
        commit,
        made_from,
    )


ALL = {1: result(20, 21, 22, 23, tcm=0.5), 2: result(21, 22, 21, 22, tcm=0.6)}
LESS = {1: result(19, 20, 21.2, 21.8, tcm=0.5), 2: result(20.1, 20.9, 20, 20.84, tcm=0.6, seconds=80.0)}
RESULTS = {"all": ALL, "less": LESS, "same": ALL, "pair": {1: ALL[1]}}


def record(row: str, metric: str, results=RESULTS):
    return next(r for r in records(LISTED, results) if (r["row"], r["metric"]) == (row, metric))


def test_means_are_over_frames_then_seeds():
    found = record("all", "psnr")
    assert (found["mean"], found["spread"]) == (21.5, 0.0)
    assert (found["seeds"], found["by_seed"]) == ([1, 2], [21.5, 21.5])
    assert (found["verdict"], found["against"]) == ("reference", None)


def test_a_row_that_is_worse_is_told_lower():
    """Differences -1, -1, -0.8, -1.2 and -0.9, -1.1, -1, -1.16: means -1 and -1.04, 12.7 × 0.02 from 0 would do."""
    found = record("less", "psnr")
    assert found["difference"] == pytest.approx(-1.02)
    assert found["standard_error"] == pytest.approx(0.02)
    assert (found["pairs"], found["left_out"], found["verdict"], found["against"]) == (8, 0, "lower", "all")


def test_equal_rows_are_not_told_apart():
    for metric in LISTED.metrics:
        found = record("same", metric)
        assert (found["verdict"], found["difference"]) == ("not told apart", 0)
    assert record("less", "reconstruction.tcm")["verdict"] == "not told apart"
    assert record("less", "watch.st_lpips")["verdict"] == "not told apart"
    assert record("less", "reconstruction.tcm")["pairs"] == 2


def test_a_row_may_be_compared_with_another():
    found = record("pair", "psnr")
    assert found["against"] == "less"
    assert found["difference"] == pytest.approx(1)
    assert (found["pairs"], found["verdict"]) == (4, "too little to say")  # one seed


def test_what_did_not_run_is_missing():
    found = record("late", "psnr")
    assert math.isnan(found["mean"])
    assert (found["verdict"], found["seeds"], record("late", "training_s")["verdict"]) == ("missing", [], "missing")


def test_a_baseline_stands_in_the_scores_of_the_reference():
    assert record("plate", "psnr")["mean"] == pytest.approx(15.125)
    assert record("plate", "psnr")["verdict"] == "lower"
    assert record("plate", "reconstruction.tcm")["mean"] == pytest.approx(0.1)
    for metric in ("regions.face.refined.st_lpips", "stages.generated.watch.alex"):
        assert record("plate", metric)["verdict"] == "missing"  # it has no regions and no stages of its own
    assert not [r for r in records(LISTED, RESULTS) if (r["row"], r["metric"]) == ("plate", "training_s")]


def test_scores_at_the_size_people_watch_are_those_of_the_frames_watched():
    assert record("all", "watch.st_lpips")["mean"] == pytest.approx(0.5)
    assert record("all", "stages.generated.watch.alex")["mean"] == pytest.approx(0.6)
    assert record("plate", "watch.st_lpips")["mean"] == 0.8  # without a column, that of the whole


def test_costs_stand_beside():
    assert record("less", "training_s")["mean"] == 70
    assert record("less", "frames_per_s")["mean"] == 25


def test_frames_that_are_not_finite_are_left_out_and_counted():
    broken = {**RESULTS, "less": {**LESS, 2: result(math.nan, 21, 20, 21, tcm=0.6)}}
    found = record("less", "psnr", broken)
    assert (found["pairs"], found["left_out"]) == (7, 1)
    assert math.isfinite(found["mean"])


def test_the_table_is_written_and_read(tmp_path):
    parquet, text = write_table(tmp_path, "mine", LISTED, RESULTS)
    rows, about = read_experiments(parquet)
    assert [r["row"] for r in rows[:7]] == ["all"] * 7
    assert about["question"] == "Which parts help?"
    assert about["notes"][0] == "Not finished: late (seeds 1, 2); pair (seeds 2)."
    assert "WARNING" not in text.read_text()
    lines = text.read_text().splitlines()
    assert "| all | everything | 2 | 21.5 ± 0 | 0.5 ± 0 | 0.55 ± 0.071 | 0.3 ± 0 | 0.6 ± 0 | 60 ± 0 | 25 ± 0 | 1, 2 |" in lines
    assert "| late | not run | – | – | – | – | – | – | – | – | missing |" in lines
    assert "12.7 standard errors at two seeds, 4.3 at three, 2.8 at five" in text.read_text()
    assert any(line.startswith("| less | all | lower (-1.02, se 0.02)") for line in lines)
    assert "| late | all | missing | missing | missing | missing | missing |" in lines
    assert write_table(tmp_path / "again", "mine", LISTED, RESULTS)[0].read_bytes() == parquet.read_bytes()
    assert "experiments, version 1" in inspect(parquet).text()


def test_rows_of_different_code_are_warned_of(tmp_path):
    other = {**RESULTS, "less": {1: LESS[1], 2: result(20, 20, 20, 20, tcm=0.6, commit="beef000", made_from="y")}}
    text = write_table(tmp_path, "mine", LISTED, other)[1].read_text()
    assert "WARNING: rows were made by different code or params" in text
    assert "at commit beef000: less" in text


# --- what a revision holds --------------------------------------------------------------------------------------------

TSV = "frame\treconstruction_psnr\n20\t21.5\n21\tnan\n"
TIMES = {"train_appearance@ann": 40.0, "train_refiner@ann": 2.5, "generate_foreground@ann-to-ann": 1.0}


def finish(tiny, name: str, params: str, code: str = "1" * 32) -> str:
    """What an experiment leaves: a commit with dvc.lock, params and scores, a ref, and the rest in DVC's cache."""
    tiny.write("params.yaml", params)
    tiny.write("data/metrics/ann.json", '{"reconstruction": {"psnr": 21.5}}')
    lock = f"stages:\n  s:\n    deps:\n    - path: pipeline/a.py\n      hash: md5\n      md5: {code}\n    outs:\n"
    contents = {"frames/ann.tsv": TSV}
    contents |= {f"time/{stage}.json": json.dumps({"seconds": s, "frames_per_s": 30 / s}) for stage, s in TIMES.items()}
    for place, content in contents.items():
        digest = hashlib.md5(content.encode()).hexdigest()
        tiny.write(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}", content)
        lock += f"    - path: data/metrics/{place}\n      hash: md5\n      md5: {digest}\n      size: 1\n"
    tiny.write("dvc.lock", lock)
    tiny.run("git", "add", "dvc.lock", "params.yaml", "data/metrics/ann.json")
    baseline = tiny.run("git", "rev-parse", "HEAD").strip()
    tiny.run("git", "commit", "-qm", name)
    revision = tiny.run("git", "rev-parse", "HEAD").strip()
    tiny.run("git", "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", revision)
    tiny.run("git", "reset", "-q", "--hard", baseline)
    return revision


def test_an_experiment_is_read_through_its_revision(tiny):
    params = (tiny.folder / "params.yaml").read_text()
    names = {
        "one": finish(tiny, "one", params),
        "seeded": finish(tiny, "seeded", params.replace("refine: {seed: 0}", "refine: {seed: 7}")),
        "other": finish(tiny, "other", params.replace("steps: 8", "steps: 9")),
        "code": finish(tiny, "code", params, "2" * 32),
    }
    repository = Repository(tiny.folder)
    assert repository.finished() == names
    read = {name: repository.result(revision, "ann", frozenset({"refine.seed"})) for name, revision in names.items()}
    one = read["one"]
    assert one.frames["frame"] == [20, 21]
    assert one.frames["reconstruction_psnr"][0] == 21.5
    assert math.isnan(one.frames["reconstruction_psnr"][1])
    assert one.scores == {"reconstruction": {"psnr": 21.5}}
    assert one.costs == {"training_s": 42.5, "frames_per_s": 30.0}
    assert tiny.run("git", "rev-parse", "HEAD").startswith(one.commit)
    assert one.made_from == read["seeded"].made_from
    assert len({read[name].made_from for name in ("one", "other", "code")}) == 3
    assert tiny.run("git", "status", "--short") == ""


def test_scores_that_were_collected_as_garbage_are_named(tiny):
    revision = finish(tiny, "one", (tiny.folder / "params.yaml").read_text())
    digest = hashlib.md5(TSV.encode()).hexdigest()
    (tiny.folder / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}").unlink()
    with pytest.raises(InputError, match=f"{revision[:7]} cannot be read: dvc gc has taken its scores by frame"):
        Repository(tiny.folder).result(revision, "ann", frozenset())
