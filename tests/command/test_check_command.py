"""motion-copy check: one line for everything that can be known to be wrong before a stage runs."""

from pathlib import Path

import pytest
from media import scenes, write_clip
from ruamel.yaml import YAML
from walking import ROOT, cast, edit_params

from pipeline.command.__main__ import find_project, main
from pipeline.command.check import everything_wrong, summary
from pipeline.command.sections import CAST, REFERENCE, SECTIONS
from pipeline.errors import InputError

SHIPPED = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    """The drawn cast's params.yaml."""
    path = tmp_path_factory.mktemp("base") / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, cast())
    return path.read_text()


@pytest.fixture
def wrong(base, tmp_path, monkeypatch):
    """A function: the complaints about the drawn cast's params after texts (old, new) are replaced."""
    (tmp_path / "data/source").mkdir(parents=True)
    for name in ("ann.mkv", "ben.mp4", "ann.parquet", "ben.parquet"):
        (tmp_path / "data/source" / name).touch()
    monkeypatch.chdir(tmp_path)

    def faults(*edits: tuple[str, str]) -> list[str]:
        text = base
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        Path("params.yaml").write_text(text)
        found = everything_wrong(Path("params.yaml"))
        assert all(line.isprintable() for line in found)
        return found

    return faults


def test_what_is_right_says_so(wrong, monkeypatch):
    assert wrong() == []
    assert summary(Path("params.yaml")) == "2 clips, 1 target, 2 pairs"
    monkeypatch.chdir(ROOT)
    assert everything_wrong(Path("params.yaml")) == []  # the demo's clips are fetched by a stage


def test_every_section_is_asked():
    assert {key.split(".")[0] for key in SECTIONS} | set(CAST) == set(SHIPPED)
    assert set(SHIPPED["reference"]) == set(REFERENCE)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("driver: ben", "driver: bem", "pairs.ben-to-ann.driver is 'bem', not a clip; clips has ann, ben; did you mean ben?"),
        ("skeleton: human", "skeleton: humn", "clips.ann.skeleton is 'humn'; legal: fish, human, mouse; did you mean human?"),
        ("source/ann.mkv", "source/an.mkv", "clips.ann.video is data/source/an.mkv, which does not exist: put the file there, or"),
        ("source/ben.parquet", "source/b.parquet", "clips.ben.labels is data/source/b.parquet, which does not exist: put the file"),
        ("source/ann.mkv", "demo/x/a.mp4", "clips.ann.video is data/demo/x/a.mp4, which does not exist: list its asset in demo"),
        ("select: auto", "select: {track: -1}", "clips.ann.select must be auto, {frame: 0,"),
        ("select: auto", "select: auto\n    camera: steady", "clips.ann.camera must be one of auto, still, moving, found 'steady'"),
        ("select: auto", "select: auto\n    span: [3, 2]", "clips.ann.span must be the numbers of the first and the last frame"),
        ("select: auto", "select: auto\n    joint_map: 3", "clips.ann.joint_map is 3: "),
        ("\nsplit:", "\nsplitt:", "splitt is not a known section; legal: demo, clips,"),
        ("hold_out_fraction: 0.2", "hold_out_fraction: 2", "split.hold_out_fraction is 2: "),
        ("enabled: true ", "enabled: 1 ", "reference.enabled is 1: input should be true or false"),
        ("\n  find: ", "\n  fnd: {}\n  find: ", "reference.fnd is not a known key; legal here: enabled, keep, find, learn; did you"),
        ("    crop: {}", "    crop: {margn: 2}", "targets.ann.crop.margn is not a known key; legal here: "),
        ("    reference: {}", "    reference: {find: {count: 9}}", "targets.ann.reference.find.count is 9: "),
        ("    reference: {}", "    reference: {enable: false}", "targets.ann.reference.enable is not a known key; legal here: "),
        ("    appearance: {}", "    appearance: {k: 0}", "targets.ann.appearance.k is 0: "),
        ("method: none", "method: nome", "pairs.ann-to-ann.motion.method is 'nome': "),
        ("shows: full\n", "shows: half\n", "external.truth.shows is 'half': "),
        ("fill: exemplar", "fill: exemplr", "background.fill is 'exemplr'; legal: deepfill, exemplar, telea; did you mean exemplar?"),
    ],
)
def test_each_fault_is_a_line_that_names_its_key(old, new, line, wrong):
    found = wrong((old, new))
    assert [fault for fault in found if fault.startswith(line)], found


def test_what_dvc_dies_of_is_named(wrong):
    clips = "clips:\n  2024-01-05: {}\n  7: {}\n  ana@2: {}\n  a.b: {}"
    found = wrong(("clips:", clips))
    for written in ("2024-01-05 is no text to YAML but a date", "7 is no text to YAML but a number", "'ana@2' must be", "'a.b' must be"):
        assert [fault for fault in found if fault.startswith(f"clips: the name {written}")], found


def test_all_faults_are_told_at_once_and_each_once(wrong):
    found = wrong(("driver: ben", "driver: bem"), ("max_height_px:", "max_height_px: 3 #"), ("seed: 1", "seed: one"))
    assert len(found) == len(set(found)) >= 3
    assert sum("frames.max_height_px" in fault for fault in found) == 1


@pytest.mark.parametrize("text", ["clips: [", "", "- a\n"])
def test_a_broken_file_is_one_line(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text)
    assert len(everything_wrong(Path("params.yaml"))) == 1


def test_only_its_own_checkout_is_served(tmp_path):
    assert find_project(ROOT / "tests" / "command") == ROOT
    with pytest.raises(InputError, match=r"lies in no project: dvc\.yaml and params\.yaml must be there"):
        find_project(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="is another checkout than the one that is installed"):
        find_project(tmp_path / "sub")


@pytest.mark.parametrize("here", [ROOT, ROOT / "docs"])
def test_the_command_prints_and_exits(here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    monkeypatch.setattr("sys.argv", ["motion-copy", "check"])
    main()
    assert capsys.readouterr().out == "params.yaml: nothing is wrong; 2 clips, 1 target, 2 pairs\n"
    monkeypatch.chdir(here)
    monkeypatch.setattr("pipeline.command.check.everything_wrong", lambda _: ["clips.a is wrong", "demo is wrong"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    assert capsys.readouterr().out == "params.yaml: clips.a is wrong\nparams.yaml: demo is wrong\n"


def test_verify_serves_any_folder_and_hands_its_exit_code_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write_clip(tmp_path / "a.mp4", scenes(2))
    for arguments, code in (([str(path)], 2), (["nobody.mp4"], 3), ([str(path), "--trust", "nothing.pem"], 3)):
        monkeypatch.setattr("sys.argv", ["motion-copy", "verify", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        assert done.value.code == code
    said = capsys.readouterr()
    assert said.out.startswith(f"{path}: ")
    assert "nothing.pem must be a file of certificates" in said.err


def test_outside_a_project_it_ends_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["motion-copy", "init", "a.mp4", "b.mp4"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
