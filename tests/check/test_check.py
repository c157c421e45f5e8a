"""The check before every stage: each fault is one line that names its key, and what is right passes."""

import copy
import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML
from walking import ROOT, cast

from pipeline.artifacts.further import read_clips
from pipeline.check.check import CONTENT, check_names, faults_of
from pipeline.check.choices import FUSE_STAGES, choices
from pipeline.check.footage import list_footage
from pipeline.closure import listings
from pipeline.errors import InputError

CHOSEN = {
    "matting": {"edges": "none"},
    "face_mesh": {"network": "none"},
    "background": {"fill": "exemplar"},
    "appearance": {"features": "st_vgg16"},
    "fuse": {"stage": "refined"},
}
HOSTILE = "../../precious", "$(touch x)", "a;b", "a b", ""


def write(folder: Path, **edits) -> Path:
    """The drawn cast and what else is checked, with some dotted keys (__ for a dot) replaced; DEL removes one."""
    tree = copy.deepcopy({**CHOSEN, **cast()})
    for dotted, value in edits.items():
        *parents, last = dotted.split("__")
        node = tree
        for part in parents:
            node = node[part.replace("_to_", "-to-")]
        if value is DEL:
            del node[last.replace("_to_", "-to-")]
        else:
            node[last.replace("_to_", "-to-")] = value
    path = folder / "params.yaml"
    YAML(typ="safe", pure=True).dump(tree, path)
    return path


DEL = object()
FURTHER = {"target": "ann", "after": "ann", "matte": "blazepose", "matting": {}, "steps": None}


def only(path: Path) -> str:
    """The one fault of a params file."""
    faults = faults_of(path)
    assert len(faults) == 1, faults
    assert "\n" not in faults[0]
    return faults[0]


def test_what_is_right_has_no_fault(tmp_path):
    assert faults_of(ROOT / "params.yaml") == []
    assert faults_of(write(tmp_path)) == []
    full = {**cast()["clips"]["ben"], "span": [0, 3], "camera": "moving", "joint_map": {}, "joint_names": None}
    assert faults_of(write(tmp_path, clips__Zoë=full, external={}, demo=["demo_single_cam02"])) == []


@pytest.mark.parametrize("kind", ["clips", "targets", "footage", "pairs", "external"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_not_legal_is_named_with_its_section(kind, name, tmp_path):
    entries = cast()[kind] or {"ben": FURTHER}
    path = write(tmp_path, **{kind: {**entries, name: next(iter(entries.values()))}})
    assert faults_of(path)[0].startswith(f"{kind}: the name {name!r} ")


def test_numbers_and_dates_are_shown_as_they_were_written(tmp_path):
    path = write(tmp_path)
    text = path.read_text()
    for written, kind in (("007", "a number"), ("001_1_1", "a number"), ("2024-01-05", "a date"), ("1e3", "a number"), ("true", "a truth")):
        path.write_text(text.replace("\nclips:\n", f"\nclips:\n  {written}: {{}}\n"))
        assert only(path).startswith(f"clips: the name {written} is no text to YAML but {kind}")
        path.write_text(text.replace("\nclips:\n", f"\nclips:\n  '{written}': {{}}\n"))
        assert all(fault.startswith(f"clips.{written}.") for fault in faults_of(path))


@pytest.mark.parametrize("found", [None, 3, [], "a"])
@pytest.mark.parametrize("kind", ["clips", "targets", "pairs", "external"])
def test_sections_and_entries_are_mappings(kind, found, tmp_path):
    assert faults_of(write(tmp_path, **{kind: found}))[0] == (
        f"{kind} must be a mapping of names to entries, {{}} for none, found {found!r}"
    )
    name = next(iter(cast()[kind]))
    faults = faults_of(write(tmp_path, **{f"{kind}__{name.replace('-to-', '_to_')}": found}))
    assert any(fault.startswith(f"{kind}.{name} must be a mapping of ") for fault in faults)


@pytest.mark.parametrize(("kind", "name"), [("clips", "ben"), ("targets", "ann"), ("pairs", "ben-to-ann"), ("external", "truth")])
def test_every_key_is_needed_and_no_other_is_known(kind, name, tmp_path):
    place = f"{kind}__{name.replace('-to-', '_to_')}"
    for key in cast()[kind][name]:
        faults = faults_of(write(tmp_path, **{f"{place}__{key}": DEL}))
        assert faults == [] if key == "select" else f"{kind}.{name}.{key} is missing; needed: " in faults[0]
        near = only(write(tmp_path, **{f"{place}__{key}x": 1}))
        assert near.startswith(f"{kind}.{name}.{key}x is not a known key; legal: ")
        assert near.endswith(f"did you mean {key}?")


@pytest.mark.parametrize("key", ["clips.ben.video", "clips.ben.labels", "external.truth.video"])
@pytest.mark.parametrize("found", [None, 3, ["a.mp4"], ""])
def test_paths_are_text(key, found, tmp_path):
    assert only(write(tmp_path, **{key.replace(".", "__"): found})) == f"{key} must be a path as text, found {found!r}: put it in quotes"


@pytest.mark.parametrize("found", ["../x", "$(touch x)", "blazepos", None, 3])
@pytest.mark.parametrize(
    "key",
    [
        *("clips.ben.skeleton", "clips.ben.pose", "clips.ben.refiner", "targets.ann.matte", "pairs.ben-to-ann.redetect"),
        *("matting.edges", "face_mesh.network", "background.fill", "appearance.features", "fuse.stage"),
    ],
)
def test_what_picks_a_file_must_be_there(key, found, tmp_path):
    fault = only(write(tmp_path, **{key.replace("-to-", "_to_").replace(".", "__"): found}))
    assert fault.startswith(f"{key} is {found!r}; legal: ")


def test_every_choice_offered_is_legal_and_what_is_meant_is_guessed(tmp_path):
    legal = choices()
    assert legal["clips.pose"] == ["blazepose", "imported", "openpose"]
    assert legal["pairs.redetect"] == ["blazepose", "none", "openpose"]
    assert {"human", "fish", "mouse"} <= set(legal["clips.skeleton"])
    assert {"blazepose", "background_difference", "maskrcnn", "detectron2"} <= set(legal["targets.matte"])
    assert legal["matting.edges"] == ["modnet", "none"]
    assert legal["background.fill"] == ["deepfill", "exemplar", "telea"]
    for pose in legal["clips.pose"]:
        assert faults_of(write(tmp_path, clips__ben__pose=pose)) == []
    assert only(write(tmp_path, clips__ben__pose="blazpose")).endswith("; did you mean blazepose?")


def test_the_stages_of_polish_are_those_of_fuse():
    from pipeline.fuse.fuse import FuseParams

    assert get_args(FuseParams.model_fields["stage"].annotation) == FUSE_STAGES


@pytest.mark.parametrize("found", [None, "demo_single_cam02", ["../x"], ["demo_single_cam2"], [3]])
def test_demo_is_a_list_of_assets(found, tmp_path):
    fault = only(write(tmp_path, demo=found))
    assert fault.startswith("demo.0 is " if isinstance(found, list) else "demo must be a list of assets")


def test_a_misspelt_driver_or_target_is_named_with_what_is_meant(tmp_path):
    misspelt = only(write(tmp_path, pairs__ben_to_ann__driver="bem"))
    assert misspelt == "pairs.ben-to-ann.driver is 'bem', not a clip; clips has ann, ben; did you mean ben?"
    misspelt = only(write(tmp_path, pairs__ben_to_ann__target="anne"))
    assert misspelt == "pairs.ben-to-ann.target is 'anne', not a target; targets has ann; did you mean ann?"
    assert "pairs.ben-to-ann.driver is ['ben']" in only(write(tmp_path, pairs__ben_to_ann__driver=["ben"])).replace('"', "")


def test_a_target_has_its_clip_and_its_pair_with_itself(tmp_path):
    forgotten = write(tmp_path, pairs__ann_to_ann=DEL, external={})
    assert only(forgotten).startswith("pairs.ann-to-ann is missing: each target needs its pair with itself; add ann-to-ann: {driver: ann,")
    target = cast()["targets"]["ann"]
    faults = faults_of(write(tmp_path, targets={"ann": target, "anni": {**target, "clip": "anni"}}))
    assert faults[0] == "targets.anni has no clip: a target is named after its clip, clips has ann, ben; did you mean ann?"
    other = write(tmp_path, targets__ann__clip="ben")
    assert only(other) == "targets.ann.clip must be ann, since a target is named after its clip, found 'ben'"


def test_a_pair_is_named_after_its_two(tmp_path):
    pair = cast()["pairs"]["ben-to-ann"]
    fault = only(write(tmp_path, pairs__ben2ann=pair))
    assert fault == "pairs.ben2ann must be named ben-to-ann, after its driver and target"


@pytest.mark.parametrize("name", ["ben-to-ann", *(f"ben-to-ann-{made}" for made in ("redetected", "remeasured", "identities"))])
def test_no_clip_writes_where_a_pair_does(name, tmp_path):
    fault = only(write(tmp_path, **{f"clips__{name.replace('-to-', '_to_')}": cast()["clips"]["ben"]}))
    assert fault == f"clips.{name} has the name of what the pair ben-to-ann makes: rename the clip"


def test_another_systems_result_is_of_a_pair(tmp_path):
    fault = only(write(tmp_path, external__truth__driver="eve"))
    assert fault.startswith("external.truth is of the pair eve-to-ann, which pairs has not; pairs has ann-to-ann, ben-to-ann")


@pytest.mark.parametrize("name", ["matting", "crop", "reference", "appearance", "face", "refine"])
def test_overrides_are_mappings(name, tmp_path):
    assert only(write(tmp_path, **{f"targets__ann__{name}": None})).startswith(f"targets.ann.{name} must be a mapping of keys to values")


def test_the_out_is_constant_and_absent_after_a_fault(tmp_path):
    out, code = tmp_path / "data" / "names.ok", tmp_path / "data" / "code"
    check_names(write(tmp_path), out, code)
    first = out.read_bytes()
    check_names(ROOT / "params.yaml", out, code)
    assert out.read_bytes() == first == CONTENT.encode()
    out.unlink()
    with pytest.raises(InputError, match=r"params\.yaml: pairs\.ben-to-ann\.driver is 'bem'.* \(2 more: motion-copy check\)$"):
        check_names(write(tmp_path, pairs__ben_to_ann__driver="bem", fuse__stage="x", demo=["x"]), out, code)
    assert not out.exists()


def test_code_is_listed_beside_the_names_and_a_users_file_is_left(tmp_path):
    code = tmp_path / "code"
    check_names(write(tmp_path), tmp_path / "names.ok", code)
    assert {path.name: path.read_text() for path in code.iterdir()} == {f"{door}.sha256": text for door, text in listings().items()}
    check_names(write(tmp_path), tmp_path / "names.ok", code)
    (code / "fuse.sha256").write_text("mine\n")
    with pytest.raises(InputError, match=r"fuse\.sha256 is a file that was not made here"):
        check_names(write(tmp_path), tmp_path / "names.ok", code)
    assert (code / "fuse.sha256").read_text() == "mine\n"


def test_no_file_and_no_mapping_are_one_line(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        faults_of(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a\n")
    with pytest.raises(InputError, match="must be a mapping of sections"):
        faults_of(tmp_path / "params.yaml")


# --- further clips ----------------------------------------------------------------------------------------------------


def with_two(folder: Path, **edits) -> Path:
    """A target with two further clips, ben and eve."""
    clips = {**cast()["clips"], "eve": cast()["clips"]["ben"]}
    return write(folder, clips=clips, footage={"ben": {**FURTHER}, "eve": {**FURTHER, "after": "ann/ben"}}, **edits)


@pytest.mark.parametrize(
    ("edits", "fault"),
    [
        ({"footage__eve__after": "ann"}, "footage.eve.after must be ann/ben, the clip before it of its target, .*, found 'ann'"),
        ({"footage__ben__after": "ann/eve"}, "footage.ben.after must be ann, its target, since training goes on .*, found 'ann/eve'"),
        ({"footage__ben__target": "anna", "footage__eve__after": "ann"}, "footage.ben.target is 'anna', not a target; .*did you mean ann"),
        ({"footage__ben__target": ["ann"], "footage__eve__after": "ann"}, r"footage.ben.target is \['ann'\], not a target"),
        ({"footage__ben__steps": 0}, "footage.ben.steps must be a whole number from 1, or null .*, found 0"),
        ({"footage__ben__steps": True}, "footage.ben.steps must be a whole number from 1, or null .*, found True"),
        ({"footage__ben__matting": None}, "footage.ben.matting must be a mapping"),
        ({"footage__ben__matte": "blazepos"}, "footage.ben.matte is 'blazepos'; legal: .*did you mean blazepose"),
        ({"footage__ben__steps": DEL}, "footage.ben.steps is missing; needed: target, after, matte, matting, steps"),
        ({"footage__ben__crop": {}}, "footage.ben.crop is not a known key"),
        ({"clips__eve__skeleton": "fish"}, "footage.eve must have the skeleton of its target's clip, 'human', found 'fish' in clips.eve"),
    ],
)
def test_further_clips_make_one_chain_a_target(edits, fault, tmp_path):
    assert faults_of(with_two(tmp_path)) == []
    found = only(with_two(tmp_path, **edits))
    assert re.match(fault, found), found


def test_a_further_clip_is_a_clip_and_not_the_targets_own(tmp_path):
    assert "footage.ann is the target's own clip already" in only(write(tmp_path, footage={"ann": FURTHER}))
    assert "footage.eve has no clip: footage is named after its clip" in only(write(tmp_path, footage={"eve": FURTHER}))
    assert "footage must be a mapping of names to entries" in only(write(tmp_path, footage=[]))


def test_a_list_has_a_targets_clips_in_order_in_each_folder_and_strange_files_are_said(tmp_path, capsys):
    entries = {"b": {"target": "ann"}, "c": {"target": "zoe"}, "a": {"target": "ann"}}
    folders = [tmp_path / "models" / "ann", tmp_path / "faces" / "ann"]
    folders[0].mkdir(parents=True)
    for name in ("a-appearance.json", "a-appearance.discriminators.safetensors", "gone-appearance.json", ".hidden"):
        (folders[0] / name).touch()
    assert list_footage(entries, "ann", folders) == ["b", "a"]
    assert [read_clips(folder) for folder in folders] == [["b", "a"], ["b", "a"]]
    assert capsys.readouterr().err.count("warning") == 1
    list_footage(entries, "ann", folders)
    said = capsys.readouterr().err
    assert "remove gone-appearance.json." in said
    assert list_footage({}, "ann", folders[1:]) == []


def test_a_clip_may_leave_out_its_choice_and_nothing_that_dvc_puts_into_a_stage(tmp_path):
    assert faults_of(write(tmp_path, clips__ann__select=DEL)) == []
    assert only(write(tmp_path, clips__ann__labels=DEL)) == "clips.ann.labels is missing; needed: video, labels, skeleton, pose, refiner"
    plan = (ROOT / "dvc.yaml").read_text()
    assert not re.search(r"item\.select|\.select\b", plan)
