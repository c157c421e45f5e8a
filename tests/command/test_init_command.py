"""motion-copy init: videos become clips, a target and pairs; every comment stays, nothing is copied."""

from pathlib import Path

import pytest
from media import scenes, write_clip
from ruamel.yaml import YAML
from walking import ROOT

from pipeline.check.check import faults_of
from pipeline.command.editing import with_empty_list, with_entries, without_entries
from pipeline.command.init import add_videos, legal_name
from pipeline.errors import InputError
from pipeline.names import name_fault

SHIPPED = (ROOT / "params.yaml").read_text()


def load(path: Path):
    return YAML(typ="safe", pure=True).load(path.read_text())


def comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


@pytest.fixture
def project(tmp_path):
    """A project with the shipped params and drawn videos of everyday names."""
    (tmp_path / "params.yaml").write_text(SHIPPED)
    (tmp_path / "data/source").mkdir(parents=True)
    for name in ("Ana Dances (1).mp4", "ben.mp4", "001.mp4"):
        write_clip(tmp_path / "data/source" / name, scenes(2))
    return tmp_path


def test_the_demo_gives_way_to_the_users_videos(project):
    source = project / "data/source"
    said = add_videos(project, source / "Ana Dances (1).mp4", [source / "ben.mp4", source / "001.mp4"])
    tree, shipped = load(project / "params.yaml"), YAML(typ="safe", pure=True).load(SHIPPED)
    assert faults_of(project / "params.yaml") == []
    assert list(tree["clips"]) == ["Ana_Dances_1", "ben", "001"]
    assert tree["clips"]["Ana_Dances_1"]["video"] == tree["clips"]["Ana_Dances_1"]["labels"] == "data/source/Ana Dances (1).mp4"
    assert set(tree["clips"]["ben"]) == set(shipped["clips"]["man"])
    assert set(tree["targets"]["Ana_Dances_1"]) == set(shipped["targets"]["man"])
    assert tree["pairs"] == {
        f"{driver}-to-Ana_Dances_1": {"driver": driver, "target": "Ana_Dances_1", "redetect": "blazepose", "motion": motion}
        for driver, motion in (("Ana_Dances_1", {"method": "none"}), ("ben", {}), ("001", {}))
    }
    assert tree["demo"] == []
    cast = ("demo", "clips", "targets", "pairs")
    assert {key: value for key, value in tree.items() if key not in cast} == {k: v for k, v in shipped.items() if k not in cast}
    text = (project / "params.yaml").read_text()
    assert comments(text) == comments(SHIPPED)
    assert text[text.index("\nexternal:") :] == SHIPPED[SHIPPED.index("\nexternal:") :]  # the rest is the same to the byte
    assert "motion-copy check" in said[-1]
    assert "data/motions/ben-to-Ana_Dances_1.png" in said[-1]


def test_saying_it_again_changes_nothing_and_more_is_added(project):
    ana, ben, late = (project / "data/source" / name for name in ("Ana Dances (1).mp4", "ben.mp4", "001.mp4"))
    add_videos(project, ana, [ben])
    text = (project / "params.yaml").read_text()
    assert "all of it is there already" in add_videos(project, ana, [ben])[0]
    assert (project / "params.yaml").read_text() == text
    add_videos(project, ana, [late])
    tree = load(project / "params.yaml")
    assert list(tree["clips"]) == ["Ana_Dances_1", "ben", "001"]
    assert list(tree["targets"]) == ["Ana_Dances_1"]
    assert list(tree["pairs"]) == ["Ana_Dances_1-to-Ana_Dances_1", "ben-to-Ana_Dances_1", "001-to-Ana_Dances_1"]


def test_equal_names_are_told_apart_and_videos_elsewhere_stay_there(project, tmp_path_factory):
    elsewhere = write_clip(tmp_path_factory.mktemp("elsewhere") / "ben.mov", scenes(2))
    said = add_videos(project, project / "data/source/ben.mp4", [elsewhere])
    tree = load(project / "params.yaml")
    assert {name: clip["video"] for name, clip in tree["clips"].items()} == {"ben": "data/source/ben.mp4", "ben_2": str(elsewhere)}
    assert f"{elsewhere}: read where it lies" in "\n".join(said)
    assert faults_of(project / "params.yaml") == []


def test_a_result_as_a_driver_takes_no_pairs_name(project):
    result = write_clip(project / "data/source/ben-to-001.mp4", scenes(2))
    add_videos(project, project / "data/source/001.mp4", [project / "data/source/ben.mp4", result])
    assert list(load(project / "params.yaml")["clips"]) == ["001", "ben", "ben_to_001"]
    assert faults_of(project / "params.yaml") == []


def test_what_is_no_video_is_refused_and_nothing_written(project):
    (project / "letter.mp4").write_text("Dear reader")
    for path in (project / "letter.mp4", project / "nobody.mp4"):
        with pytest.raises(InputError, match=path.name):
            add_videos(project, project / "data/source/ben.mp4", [path])
    assert (project / "params.yaml").read_text() == SHIPPED


@pytest.mark.parametrize("clips", ["&a {}\ntargets: *a", '!!map {}\n"targets": {}'])
def test_a_file_that_cannot_be_edited_by_lines_is_left_alone(clips, project):
    path = project / "params.yaml"
    path.write_text(f"clips: {clips}\npairs: {{}}\nexternal: {{}}\n")
    before = path.read_text()
    with pytest.raises(InputError, match="could not be edited without changing more than wanted: add the entries by hand"):
        add_videos(project, project / "data/source/ben.mp4", [project / "data/source/001.mp4"])
    assert path.read_text() == before


def test_a_section_on_one_line_is_opened(project):
    path = project / "params.yaml"
    path.write_text("clips: {\n  }\ntargets: {}\npairs: {}\nexternal: {}\n")
    add_videos(project, project / "data/source/ben.mp4", [project / "data/source/001.mp4"])
    assert list(load(path)["clips"]) == ["ben", "001"]


def test_sections_that_are_no_mappings_are_named(project):
    (project / "params.yaml").write_text("clips: 3\ntargets: {}\npairs: {}\nexternal: {}\n")
    with pytest.raises(InputError, match="clips must be a mapping of names to entries"):
        add_videos(project, project / "data/source/ben.mp4", [project / "data/source/001.mp4"])


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        *(("My Dance (1)", "My_Dance_1"), ("a&b;c", "a_b_c"), ("price$5", "price_5"), ("Ann's", "Ann_s"), ("$(touch x)", "touch_x")),
        *(("-x", "x"), ("...", "clip"), ("Zoë", "Zoë"), ("舞者 2", "舞者_2"), ("001", "001"), ("ana-2", "ana-2"), ("\u0308a", "a")),
    ],
)
def test_names_come_from_file_names(stem, name):
    assert legal_name(stem) == name
    assert name_fault(name) is None


def test_a_long_name_is_cut():
    assert name_fault(legal_name("é" * 200) + "_12") is None


BLOCK = "# head\na: {}  # none yet\nb:\n  x: {k: 1}\n  # about y\n  'y z':\n    k: 2\n\n# tail\nc: [1, 2] # list\n- "


def test_lines_are_put_in_and_taken_out():
    text = BLOCK.removesuffix("- ")
    added = with_entries(text, "a", {"007": {"k": {}}})
    assert added == text.replace("a: {}  # none yet\n", "a:  # none yet\n  '007':\n    k: {}\n")
    assert with_entries(text, "b", {"n": {"k": 3}}) == text.replace("    k: 2\n", "    k: 2\n  n:\n    k: 3\n")
    assert with_entries("a: {x: {k: 1}}\nb: 2\n", "a", {"n": {"k": 3}}) == "a:\n  x:\n    k: 1\n  n:\n    k: 3\nb: 2\n"
    assert without_entries(text, "b", {"x"}) == text.replace("  x: {k: 1}\n", "")
    assert without_entries(text, "b", {"x", "y z"}) == text.replace("b:\n  x: {k: 1}\n", "b: {}\n").replace("  'y z':\n    k: 2\n", "")
    assert with_empty_list(text, "c") == text.replace("c: [1, 2] # list", "c: [] # list")
    assert with_empty_list("c:\n  - 1\n  - 2\nd: 3\n", "c") == "c: []\nd: 3\n"
    with pytest.raises(KeyError):
        with_entries(text, "z", {"n": {}})


@pytest.mark.parametrize(("first", "second"), [("Zoë", "Zoe\u0308"), ("ana", "Ana")])
def test_videos_whose_names_look_alike_become_clips_that_are_told_apart(first, second, project):
    source = project / "data/source"
    for name in (first, second):
        write_clip(source / f"{name}.mp4", scenes(2))
    add_videos(project, source / f"{first}.mp4", [source / f"{second}.mp4"])
    assert faults_of(project / "params.yaml") == []
    clips = load(project / "params.yaml")["clips"]
    assert [clip["video"] for clip in clips.values()] == [f"data/source/{first}.mp4", f"data/source/{second}.mp4"]
    assert len({name.casefold() for name in clips}) == 2


def test_line_ends_stay_as_they_are(project):
    (project / "params.yaml").write_bytes(SHIPPED.replace("\n", "\r\n").encode())
    add_videos(project, project / "data/source/ben.mp4", [project / "data/source/001.mp4"])
    content = (project / "params.yaml").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") > 300
    assert faults_of(project / "params.yaml") == []
