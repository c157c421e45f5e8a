import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from media import scenes, write_clip
from ruamel.yaml import YAML

from pipeline.datasets.__main__ import listing
from pipeline.datasets.listing import FEW_FRAMES, Choices, clip_name
from pipeline.errors import InputError
from pipeline.video.reading import probe

ROOT = Path(__file__).resolve().parents[2]
PARAMS = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
CHOICES = Choices(skeleton="human", pose="blazepose", matte="blazepose", redetect="blazepose")
PROTOCOL = {
    "val": {
        "001/9/1": {
            "s_n": {"1": ["000.jpg"]},
            "self_imitation": {"target": "001/9/1", "range": [0, 300]},
            "cross_imitation": {"target": "007/1/2", "range": [180, 255]},
        }
    }
}


def write_frames(folder, n=3):
    folder.mkdir(parents=True)
    for i, image in enumerate(scenes(n)):
        cv2.imwrite(str(folder / f"{i:08d}.jpg"), image)


def block(found):
    """The listing's text, read as params.yaml is."""
    return YAML(typ="safe", pure=True).load(found.text(CHOICES))


@pytest.fixture
def iper(tmp_path):
    """iPER as its videos are released, with both lists and the protocol."""
    videos = tmp_path / "iPER_256_video_release"
    videos.mkdir()
    for name in ("001_9_1", "007_1_2", "030_1_1"):
        write_clip(videos / f"{name}.mp4", scenes(3))
    (tmp_path / "val.txt").write_text("001/9/1\n")
    (tmp_path / "train.txt").write_text("030/1/1\n007/1/2\n")
    (tmp_path / "iPER_protocol.json").write_text(json.dumps(PROTOCOL))
    return tmp_path


@pytest.fixture
def solodance(tmp_path):
    """SoloDance's test part as C2F-FWN reads it: two sequences of either role."""
    for role, leaf in (("source", "simg"), ("target", "timg")):
        for name in ("video_002", "video_010"):
            write_frames(tmp_path / "test" / "test_img" / role / name / leaf)
    return tmp_path


@pytest.fixture
def table(tmp_path):
    write_clip(tmp_path / "mouse a.mp4", scenes(3))
    write_frames(tmp_path / "frames" / "b")
    (tmp_path / "a.csv").write_text("labels")
    (tmp_path / "clips.csv").write_text("clip,video,labels,pose,matte\na,mouse a.mp4,a.csv,imported,background_difference\nb,frames/b,,,\n")
    (tmp_path / "pairs.csv").write_text("driver,target,part\nb,a,test\na,b,train\n")
    return tmp_path


def test_iper_gives_its_protocols_pairs(iper):
    found = listing("iper", iper, None)
    params = block(found)
    assert set(params["clips"]) == {"iper_001_9_1", "iper_007_1_2"}  # what no pair names is not listed
    assert set(params["targets"]) == {"iper_001_9_1"}
    assert set(params["pairs"]) == {"iper_001_9_1-to-iper_001_9_1", "iper_007_1_2-to-iper_001_9_1"}
    assert params["pairs"]["iper_007_1_2-to-iper_001_9_1"]["driver"] == "iper_007_1_2"
    assert "iper_001_9_1, redetect: blazepose, motion: {}} # the protocol imitates frames 180 to 255" in found.text(CHOICES)
    assert all(probe(clip["video"]).frames for clip in params["clips"].values())


def test_iper_trains_on_its_other_part(iper):
    assert set(block(listing("iper", iper, "train"))["targets"]) == {"iper_030_1_1", "iper_007_1_2"}


@pytest.mark.parametrize("folder", ["images", "images_HD"])
def test_iper_as_frames(iper, folder):
    for name in ("001/9/1", "007/1/2"):
        write_frames(iper / folder / name)
    for video in (iper / "iPER_256_video_release").iterdir():
        video.unlink()
    (iper / "iPER_256_video_release").rmdir()
    found = listing("iper", iper, "val")
    params = block(found)
    assert params["clips"]["iper_001_9_1"]["video"] == (iper / folder / "001/9/1").as_posix()
    assert any("frames.images_fps" in note for note in found.notes)
    assert any("iper_001_9_1 has 3 frames" in note for note in found.notes)


def test_solodance_pairs_sequences_in_order(solodance):
    params = block(listing("solodance", solodance, None))
    assert [(p["driver"], p["target"]) for p in params["pairs"].values() if p["driver"] != p["target"]] == [
        (f"solodance_source_{name}_simg", f"solodance_target_{name}_timg") for name in ("video_002", "video_010")
    ]
    assert len(params["pairs"]) == 4
    assert all(probe(clip["video"]).frames == 3 for clip in params["clips"].values())


def test_solodance_takes_foregrounds_where_there_are_no_frames(solodance):
    (solodance / "test" / "test_img").rename(solodance / "test" / "test_fg")
    assert len(listing("solodance", solodance, "test").clips) == 4


def test_solodance_that_is_not_whole_is_refused(solodance):
    write_frames(solodance / "test" / "test_img" / "source" / "video_011")
    with pytest.raises(InputError, match=r"as many sequences .* found 3 and 2"):
        listing("solodance", solodance, "test")
    with pytest.raises(InputError, match="found 0 and 0"):
        listing("solodance", solodance, "train")


def test_a_table_serves_any_data_set(table):
    params = block(listing("table", table, None))
    assert params["clips"]["a"]["video"] == (table / "mouse a.mp4").as_posix()
    assert params["clips"]["a"]["labels"] == (table / "a.csv").as_posix()
    assert (params["clips"]["a"]["pose"], params["clips"]["b"]["pose"]) == ("imported", "blazepose")
    assert params["targets"]["a"]["matte"] == "background_difference"
    assert set(params["pairs"]) == {"a-to-a", "b-to-a", "b-to-b", "a-to-b"}
    assert set(block(listing("table", table, "test"))["pairs"]) == {"a-to-a", "b-to-a"}
    assert set(block(listing("table", table, None, ["b"]))["pairs"]) == {"b-to-b", "a-to-b"}


@pytest.mark.parametrize("name", ["iper", "solodance", "table"])
def test_the_block_has_the_keys_of_params(name, request):
    params = block(listing(name, request.getfixturevalue(name), None))
    for kind in ("clips", "targets", "pairs"):
        keys = set(next(iter(PARAMS[kind].values())))
        assert all(set(entry) == keys for entry in params[kind].values()), kind
    assert set(params) == {"demo", "clips", "targets", "pairs"}
    assert all(key == f"{pair['driver']}-to-{pair['target']}" for key, pair in params["pairs"].items())
    assert {f"{t}-to-{t}" for t in params["targets"]} <= set(params["pairs"])
    assert {c for pair in params["pairs"].values() for c in (pair["driver"], pair["target"])} == set(params["clips"])


def test_what_is_missing_is_listed(iper, capsys):
    (iper / "iPER_256_video_release" / "007_1_2.mp4").unlink()
    (iper / "val.txt").unlink()
    with pytest.raises(InputError, match=r"is not whole, missing 2 \(above\)"):
        listing("iper", iper, "val")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("val.txt, which names the videos of this part")
    assert lines[1] == "missing: clip iper_007_1_2"
    assert set(listing("iper", iper, "val", partial=True).pairs) == {("iper_001_9_1", "iper_001_9_1")}


def test_a_missing_protocol_says_where_it_is(iper, capsys):
    (iper / "iPER_protocol.json").unlink()
    with pytest.raises(InputError, match="is not whole"):
        listing("iper", iper, "val")
    assert "svip-lab/impersonator, thirdparty/his_evaluators/data/iPER_protocol.json" in capsys.readouterr().err
    (iper / "iPER_protocol.json").write_text('{"val": {"001/9/1": {}}}')
    with pytest.raises(InputError, match="must be the protocol of"):
        listing("iper", iper, "val")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("clips.csv", None, r"clips\.csv is missing: write a CSV with the columns clip, video"),
        ("clips.csv", "clip,film\na,b\n", r"must have the columns clip, video and may have labels, .*, found film, no video"),
        ("clips.csv", "clip,video\na,a.mp4\na,b.mp4\n", r"names the clip a twice, again in line 3"),
        ("clips.csv", "clip,video\na,\n", r"line 2: video is empty"),
        ("clips.csv", "clip,video\na,a.mp4\nmouse b,b.mp4\n", r"clips\.csv, line 3: clip 'mouse b' must be a letter or digit .* found ' '"),
        ("clips.csv", "clip,video\n../../a,a.mp4\n", r"line 2: clip '\.\./\.\./a' must be a letter or digit .* found '\.' first"),
        ("pairs.csv", "driver,target\na.b,a\n", r"^clip 'a\.b' must be a letter or digit"),
        ("pairs.csv", "driver,target\n", r"pairs\.csv has no row"),
    ],
)
def test_a_wrong_table_is_named(table, file, text, message):
    (table / file).unlink()
    if text is not None:
        (table / file).write_text(text)
    with pytest.raises(InputError, match=message):
        listing("table", table, None)


def test_labels_that_are_not_there_are_missing(table, capsys):
    (table / "a.csv").unlink()
    with pytest.raises(InputError, match="is not whole"):
        listing("table", table, None)
    assert "labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "part", "targets", "message"),
    [
        ("fish", None, None, "layout not published. Write clips.csv and pairs.csv"),
        ("dance", None, None, "dance is not a data set known here; there are iper, solodance, and table"),
        ("iper", "test", None, "--part must be one of val, train for iper, found test"),
        ("iper", "val", ["iper_9"], "--targets must be targets of iper, found iper_9"),
    ],
)
def test_what_is_not_known_is_named(iper, name, part, targets, message):
    with pytest.raises(InputError, match=message):
        listing(name, iper, part, targets)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="must hold iPER_"):
        listing("iper", tmp_path, "val")
    with pytest.raises(InputError, match="must be the data set's folder"):
        listing("iper", tmp_path / "none", "val")


def test_names_are_no_numbers_and_short_targets_are_told(table):
    assert clip_name("iper", "001/9/1") == "iper_001_9_1"
    assert any(f"{FEW_FRAMES}" not in note and "b has 3 frames" in note for note in listing("table", table, None).notes)


def test_the_command_prints_or_writes_the_block(table):
    command = [sys.executable, "-m", "pipeline.datasets", "table", str(table)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert printed.returncode == 0, printed.stderr
    out = table / "params.yaml"
    for expected in (0, 1):  # a file that is there is not overwritten
        done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == expected
    assert out.read_text() == printed.stdout
    assert "exists already" in done.stderr
