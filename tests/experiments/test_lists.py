"""The lists that are committed fit params.yaml; one that does not says where."""

import copy
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.experiments.lists import HERE, changed, experiments, list_names, read_list

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
LIST = {
    "question": "?",
    "target": "man",
    "stage": "evaluate_reconstruction@{target}",
    "base": {"crop.size_px": 64},
    "seeds": [1, 2],
    "metrics": ["psnr"],
    "reference": "all",
    "baselines": ["plate"],
    "rows": {"few": {"doc": "", "set": {"face.vectors": 2}, "against": "some"}, "all": {"doc": ""}, "some": {"doc": ""}},
}


def write(folder: Path, **changes) -> Path:
    with (folder / "mine.yaml").open("w") as file:
        YAML().dump({**copy.deepcopy(LIST), **changes}, file)
    return folder


def of(folder: Path, name: str = "mine"):
    return experiments(name, read_list(name, folder), PARAMS, folder)


def test_there_are_lists():
    assert {"ablations", "baselines", "parts"} <= set(list_names())


def test_every_key_of_the_ablations_is_in_params():
    made = experiments("ablations", read_list("ablations"), PARAMS)
    assert len({e.name for e in made}) == len(made) >= 30


def test_the_ablations_are_those_of_the_paper():
    rows = [row for name in ("ablations", "parts") for row in read_list(name).rows.values()]
    sets = [row.set for row in rows if row.paper and row.set]
    assert {"appearance.network.dense_skips": False} in sets
    assert {"appearance.memory.enabled": False} in sets
    assert {"refine.enabled": True} in sets
    assert {"face.similarity": "image_features"} in sets
    face = YAML(typ="safe", pure=True).load(PARAMS.read_text())["face"]  # the row that sets nothing
    assert sorted([c["face.vectors"] for c in sets if "face.vectors" in c] + [face["vectors"]]) == [2, 3, 4, 5, 6]
    counts = [c["face.candidates"] for c in sets if "face.candidates" in c]
    assert sorted([*counts, read_list("parts").base["face.candidates"]]) == [1, 2, 3]
    losses = [set(c) for c in sets if any("losses" in key for key in c)]
    assert len(losses) == 5
    assert sum("appearance.losses.pixel" in keys for keys in losses) == 3


def test_all_baselines_say_how_many_steps_take_as_long():
    listed = read_list("baselines")
    own = {name for name, row in listed.rows.items() if "appearance.steps" in row.set}
    assert own == set(listed.rows) - {listed.reference}
    assert listed.base["appearance.steps"]


def test_all_rows_of_the_ablations_see_as_many_images():
    presets = YAML(typ="safe", pure=True).load((HERE / "presets.yaml").read_text())
    shipped = YAML(typ="safe", pure=True).load(PARAMS.read_text())["appearance"]
    listed = read_list("ablations")
    steps = listed.base["appearance.steps"]
    for row in listed.rows.values():
        preset = presets[row.preset]["target"]["appearance"] if row.preset else {}
        values = {key: row.set.get(f"appearance.{key}", preset.get(key, shipped[key])) for key in ("k", "batch_windows", "accumulate")}
        assert row.set.get("appearance.steps", steps) * np.prod(list(values.values())) == 6 * steps, row.doc


def test_target_seeds_and_base_can_be_given_anew(tmp_path):
    base = ["crop.size_px=128", "appearance.losses.gw=0.5", "split.hold_out_fraction=0.1"]
    listed = changed(read_list("mine", write(tmp_path)), "eve", [7], base)
    assert (listed.target, listed.seeds) == ("eve", [7])
    assert listed.base == {"crop.size_px": 128, "appearance.losses.gw": 0.5, "split.hold_out_fraction": 0.1}
    assert changed(listed, None, None, []) == listed
    with pytest.raises(InputError, match=r"--seeds: .*seeds and names must differ"):
        changed(listed, None, [1, 1], [])
    with pytest.raises(InputError, match=r"must be KEY=VALUE, found crop\.size_px"):
        changed(listed, None, None, ["crop.size_px"])


def test_presets_of_the_baselines_are_there():
    presets = YAML(typ="safe", pure=True).load((HERE / "presets.yaml").read_text())
    assert {row.preset for row in read_list("baselines").rows.values() if row.preset} == set(presets)


def test_rows_that_others_are_compared_with_come_first(tmp_path):
    assert [e.row for e in of(write(tmp_path))] == ["all", "all", "some", "some", "few", "few"]


def test_a_row_has_base_seed_and_what_it_sets(tmp_path):
    few = of(write(tmp_path))[-1]
    assert few.set == {"crop.size_px": 64, "face.vectors": 2, "appearance.seed": 2, "refine.seed": 2}
    assert few.stage == "evaluate_reconstruction@man"
    assert few.name.startswith("mine-few-s2-")


def test_the_name_follows_what_is_set(tmp_path):
    before = {e.row: e.name for e in of(write(tmp_path))}
    after = {
        e.row: e.name for e in of(write(tmp_path, rows={**LIST["rows"], "some": {"doc": "told otherwise", "set": {"face.alpha": 0.1}}}))
    }
    assert {row for row in before if before[row] != after[row]} == {"some"}


def test_a_preset_goes_over_the_target_and_the_pairs_of_other_drivers(tmp_path):
    preset = {"doc": "", "target": {"appearance": {"k": 1, "losses": {"gw": 0}}}, "pair": {"motion": {"method": "ankle_height"}}}
    with (tmp_path / "presets.yaml").open("w") as file:
        YAML().dump({"theirs": preset}, file)
    made = of(write(tmp_path, rows={"all": {"doc": "", "preset": "theirs"}}))
    assert made[0].added == {
        "targets.man.appearance.k": 1,
        "targets.man.appearance.losses.gw": 0,
        "pairs.woman-to-man.motion.method": "ankle_height",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": {"crop.size": 64}}, r"rows\.all: params\.yaml has no crop\.size; crop has: mode, margin, size_px"),
        ({"base": {"crop": 3}}, r"crop must be a single value"),
        ({"target": "eve"}, r"params\.yaml has no targets\.eve"),
        ({"reference": "none"}, r"reference is 'none', no row has that name"),
        ({"seeds": [1, 1]}, "seeds and names must differ"),
        ({"baselines": ["all"]}, "seeds and names must differ"),
        ({"metric": []}, r"mine\.yaml: metric: Extra inputs"),
        ({"rows": {"all": {"doc": "", "preset": "gone"}}}, r"presets\.yaml has no preset gone; it has: theirs"),
        ({"rows": {"all": {"doc": "", "against": "gone"}}}, r"rows\.all\.against is 'gone'"),
        ({"rows": {"all": {"doc": ""}, "a b": {"doc": ""}}}, "a name is made of"),
    ],
)
def test_a_list_that_does_not_fit_says_where(changes, said, tmp_path):
    (tmp_path / "presets.yaml").write_text("theirs: {doc: '', target: {}, pair: {}}\n")
    with pytest.raises(InputError, match=said):
        of(write(tmp_path, **changes))


def test_what_a_target_or_a_preset_sets_itself_is_refused(tmp_path):
    """Their values win over those of the sections, so that the row would be one in name only."""
    params = YAML().load(PARAMS.read_text())
    params["targets"]["man"]["appearance"] = {"losses": {"gw": 2.0}, "steps": 400}
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(params, file)

    def of_these(base: dict) -> list:
        return experiments("mine", read_list("mine", write(tmp_path, base=base)), tmp_path / "params.yaml", tmp_path)

    assert of_these({"appearance.losses.pixel": 1.0})
    assert of_these({"appearance.steps": 400}), "the same value is no quarrel"
    for key, value in (("appearance.losses.gw", 0.0), ("appearance.steps", 100)):
        with pytest.raises(InputError, match=rf"params\.yaml has targets\.man\.{key}, which would win over {key}"):
            of_these({key: value})
    (tmp_path / "presets.yaml").write_text("theirs: {doc: '', target: {face: {vectors: 5}}, pair: {}}\n")
    with pytest.raises(InputError, match=r"face\.vectors is set by the row's preset too"):
        of(write(tmp_path, rows={"all": {"doc": "", "preset": "theirs", "set": {"face.vectors": 2}}}))


def test_an_unknown_list_names_those_there_are(tmp_path):
    with pytest.raises(InputError, match="called yours; there are: mine"):
        read_list("yours", write(tmp_path))


@pytest.mark.parametrize("name", list_names())
def test_metrics_of_the_lists_are_computed(name):
    """By frame under the metric's own name, else under a dotted one whose last part is asked for."""
    asked = YAML(typ="safe", pure=True).load(PARAMS.read_text())["evaluation"]["metrics"]
    by_frame = ("psnr", "psnr_person", "ssim", "st_lpips")
    for metric in read_list(name).metrics:
        assert metric.split(".")[-1] in asked, metric
        assert ("." in metric) != (metric in by_frame), metric
