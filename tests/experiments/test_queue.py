"""Queueing in a real repository: what is done or waiting is not queued again."""

import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.experiments.lists import Experiment
from pipeline.experiments.queue import _settings, queue, require_commit, require_known_sources
from pipeline.experiments.results import Repository

ONE, TWO = (Experiment(f"mine-all-s{seed}-abc123", "all", seed, "score", {"steps": 4, "appearance.seed": seed}, {}) for seed in (1, 2))


def test_queueing_twice_queues_nothing_new(tiny):
    head = tiny.run("git", "rev-parse", "HEAD").strip()
    params = (tiny.folder / "params.yaml").read_text()
    tiny.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{TWO.name}", head)
    said: list[str] = []
    finished = Repository(tiny.folder).finished()
    assert finished == {TWO.name: head}
    assert queue([ONE, TWO], finished, tiny.folder, said.append) == [ONE.name]
    assert said == [f"queued 1/1 {ONE.name}"]
    assert queue([ONE, TWO], finished, tiny.folder, said.append) == []
    assert len(said) == 1
    assert (tiny.folder / "params.yaml").read_text() == params
    assert tiny.run("git", "status", "--short") == ""
    stashed = tiny.run("git", "show", "refs/exps/celery/stash:params.yaml")
    assert "steps: 4" in stashed
    assert "# told" in stashed


def test_values_arrive_as_they_were_meant(tiny):
    """Through DVC's own reading of -S."""
    from dvc.utils.hydra import apply_overrides

    values = {"threshold": 0.5, "steps": 3, "layers": [0.0, 0.5], "face.beta": "1 - alpha", "face.alpha": 2e-05, "seed": None}
    added = {"targets.ann.appearance.network.dense_skips": False, "targets.ann.appearance.system": "it's, {so}", "face.alpha": 1e-05}
    settings = _settings(Experiment("n", "r", 1, "s", values, added))
    apply_overrides(tiny.folder / "params.yaml", settings[1::2])
    tree = YAML(typ="safe", pure=True).load((tiny.folder / "params.yaml").read_text())
    assert {key: tree[key] for key in ("threshold", "steps", "layers", "seed")} == {
        k: values[k] for k in ("threshold", "steps", "layers", "seed")
    }
    assert tree["face"] == {"alpha": 1e-05, "beta": "1 - alpha"}
    assert tree["targets"]["ann"]["appearance"] == {"network": {"dense_skips": False}, "system": "it's, {so}"}


def test_a_clip_that_a_copy_would_lack_is_an_error(tiny):
    params = YAML(typ="safe").load((tiny.folder / "params.yaml").read_text())
    require_known_sources(tiny.folder, "ann", params["clips"], params["targets"])
    require_known_sources(tiny.folder, "eve", params["clips"], params["targets"])  # a stage fetches it
    tiny.run("git", "rm", "-q", "--cached", "data/source/ann.mkv")
    with pytest.raises(InputError, match=r"dvc add data/source/ann\.mkv && git add data/source/ann\.mkv\.dvc"):
        require_known_sources(tiny.folder, "ann", params["clips"], params["targets"])
    tiny.run("dvc", "add", "-q", "data/source/ann.mkv")
    tiny.run("git", "add", "data/source/ann.mkv.dvc")
    require_known_sources(tiny.folder, "ann", params["clips"], params["targets"])


def test_experiments_need_a_commit(tmp_path):
    with pytest.raises(InputError, match="need a repository with a commit"):
        require_commit(tmp_path)


def test_what_dvc_refuses_is_told(tiny):
    with pytest.raises(InputError, match="dvc exp run --queue"):
        queue([Experiment("mine-bad-s1-abc123", "bad", 1, "score", {"no.such.key": 1}, {})], {}, tiny.folder)
