"""motion-copy check on imported labels, networks that only see people, and names that look alike."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.check.choices import there_are
from pipeline.check.entries import entry_faults
from pipeline.command.check import _files, _signing
from pipeline.command.labels import label_faults, people_faults

CLIP = {"video": "v.mp4", "labels": "v.csv", "skeleton": "mouse", "pose": "imported", "refiner": "none", "select": "auto"}


def faults(**changes: Any) -> list[str]:
    return list(label_faults({"clips": {"m": {**CLIP, **changes}}}))


@pytest.mark.parametrize("labels", ["v.csv", "v.CSV", "v.h5", "v.hdf5", "v.slp", "v.json", "v.parquet"])
def test_files_of_labels_pass(labels):
    assert faults(labels=labels, joint_map={"neckL": "left_ear", "centre": None}) == []


def test_what_another_backend_sees_has_no_labels():
    assert faults(pose="blazepose", labels="v.mp4", joint_names=["x"]) == []


def test_a_folder_may_hold_video_and_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("labeled").mkdir()
    assert faults(video="labeled", labels="labeled") == []


NAMES = ["snout", "left_ear", "right_ear", "tail_base"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"labels": "v.mp4"}, "clips.m.labels is v.mp4, the video itself; pose imported reads .parquet, .csv,"),
        ({"labels": "v.xlsx"}, "clips.m.labels is v.xlsx; pose imported reads"),
        ({"joint_map": {"nose": "snoot"}}, "clips.m.joint_map has snoot, which is no joint of skeleton mouse; it has snout,"),
        ({"joint_map": {"a": "snout", "b": "snout"}}, "clips.m names 2 labels snout: joint_map must leave one"),
        ({"labels": "v.npy"}, "clips.m.joint_names names the joints of an .npy array, and of nothing else: add it"),
        ({"joint_names": NAMES}, "clips.m.joint_names names the joints of an .npy array, and of nothing else: take it out"),
        ({"labels": "v.npy", "joint_names": [*NAMES, "paw"]}, "clips.m.joint_names has paw, which is no joint of skeleton mouse"),
        ({"labels": "v.npy", "joint_names": [*NAMES, "snout"]}, "clips.m names 2 labels snout: joint_map must leave one"),
        ({"labels": "v.npy", "joint_names": NAMES, "joint_map": {"nose": "snout"}}, "clips.m.joint_map renames nose, which joint_names"),
    ],
)
def test_each_fault_of_labels_is_a_line(changes, line):
    found = faults(**changes)
    assert len(found) == 1, found
    assert found[0].startswith(line)


def test_values_of_another_kind_are_left_to_others():
    for changes in ({"labels": 3}, {"joint_map": [1]}, {"joint_map": {1: 2}, "skeleton": "x"}, {"skeleton": None}):
        assert faults(**changes) == []


def people(skeleton: str, pose: str = "blazepose") -> list[str]:
    clip = {**CLIP, "skeleton": skeleton, "pose": pose}
    pair = {"driver": "m", "target": "m", "redetect": "blazepose"}
    return list(people_faults({"clips": {"m": clip}, "targets": {"m": {"clip": "m", "matte": "maskrcnn"}}, "pairs": {"m-to-m": pair}}))


def test_networks_that_see_people_are_told_of_animals():
    assert people("human") == []
    said = people("mouse")
    assert [line.split(", and skeleton")[0] for line in said] == [
        "clips.m.pose is blazepose, which sees people",
        "targets.m.matte is maskrcnn, which sees people",
        "pairs.m-to-m.redetect is blazepose, which sees people",
    ]
    assert [line.rsplit(": set ", 1)[1] for line in said] == ["imported", "background_difference", "none"]
    assert len(people("fish", "imported")) == 2


def test_names_that_look_the_same_are_told_apart():
    entry = {"video": "v.mp4", "labels": "v.mp4", "skeleton": "human", "pose": "blazepose", "refiner": "none", "select": "auto"}
    empty: dict[str, Any] = {"targets": {}, "footage": {}, "pairs": {}, "external": {}}
    said = entry_faults({"clips": {"Zoë": entry, "Zoe\u0308": entry, "zoë": entry}, **empty}, {})
    assert said == ["clips: the names 'Zo\\xeb' and 'Zoe\\u0308' look the same: rename one"]
    assert there_are(["Zoe\u0308", "ana"], "Zoë").endswith(
        "did you mean 'Zoe\\u0308', whose capitals or accents are written otherwise than in 'Zo\\xeb'?"
    )
    assert "did you mean 'Ana', whose capitals" in there_are(["Ana"], "ana")


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("v.mp4").touch()
    tree = {"demo": [], "clips": {"m": {**CLIP, "pose": "blazepose", "labels": "v.mp4"}}}
    assert list(_files(tree)) == []
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    assert next(_files(tree)) == "clips.m.video is v.mp4, which may not be read: give yourself the permission (chmod u+rX)"


@pytest.fixture
def signing(tmp_path, monkeypatch):
    """A function: what check says of a target's consent, and of who signs."""
    monkeypatch.chdir(tmp_path)
    Path("data/consent").mkdir(parents=True)
    Path("data/consent/ann.txt").write_bytes(b"\xef\xbb\xbfYes.")
    Path("data/consent/ann.docx").write_bytes(b"PK\3\4\xff")
    Path("elsewhere.txt").write_text("Yes.")
    os.mkfifo("data/consent/pipe")

    def faults(consent: Any, certificate: Any = None, key: Any = None) -> list[str]:
        target = {"clip": "ann"} | ({"consent": consent} if consent is not None else {})
        tree = {"targets": {"ann": target}, "sign": {"certificate": certificate, "key": key}}
        Path("params.yaml").write_text(json.dumps(tree))
        return list(_signing(Path("params.yaml"), tree))

    return faults


def test_consent_and_certificates_are_looked_at_before_hours_of_work(signing):
    assert signing(None) == signing("data/consent/ann.txt") == []
    for consent, words in (
        ("data/consent/nobody.txt", "must be a readable text file with the person's consent: No such file or directory"),
        ("data/consent/ann.docx", "must be text in UTF-8"),
        ("data/consent/pipe", "found a named pipe"),
        ("elsewhere.txt", "must be a file in data/consent, found 'elsewhere.txt'"),
        (3, "must be a file in data/consent, found 3"),
    ):
        (line,) = signing(consent)
        assert line.startswith("targets.ann.consent: ")
        assert words in line
    assert "must both be paths or both null" in signing(None, "c.pem")[0]
    assert "c.pem must be readable for signing: No such file" in signing(None, "c.pem", "k.pem")[0]
    assert "sign.key is 3" in signing(None, "c.pem", 3)[0]


def test_no_key_is_made_by_looking(signing, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert signing(None) == []
    assert not (tmp_path / "config").exists()
