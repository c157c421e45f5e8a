"""Labels as editors, spreadsheets and other systems leave them: read as the plain ones are, or refused or told in words that help."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.pose.backends.imported import load

JOINTS = ("snout", "tail")
BLOCK = np.zeros((3, 64, 64, 3), np.uint8)
HEAD = "scorer,me,me,me,me\nbodyparts,snout,snout,tail,tail\ncoords,x,y,x,y\n"
TABLE = HEAD + "0,1,2,3,4\n1,,,3,4\n2,1.5,2.5,3,4\n"
TRUE = np.array([[[1, 2], [3, 4]], [[np.nan, np.nan], [3, 4]], [[1.5, 2.5], [3, 4]]])


def see(path: Path, **options: Any) -> np.ndarray:
    """Points (t j 2) of the one animal."""
    known = {"joints": JOINTS, "joint_map": {}, "joint_names": None, "frames": 3, "images": None, "source": "v.mp4"}
    seen = load(path, **{**known, **options})(BLOCK)
    return np.stack([people.points[0] if len(people.points) else np.full((2, 2), np.nan) for people in seen])


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        see(path, **options)
    return str(caught.value)


UNUSUAL: dict[str, str | bytes] = {
    "lines of Windows": TABLE.replace("\n", "\r\n"),
    "lines of an old Mac": TABLE.replace("\n", "\r"),
    "spaces after commas": TABLE.replace(",", ", "),
    "spaces around names": TABLE.replace("snout", " snout "),
    "blank rows": TABLE.replace("\n1,", "\n , , ,,\n\n1,") + "\n  \n ,\n",
    "capitals": TABLE.replace("scorer", "Scorer").replace("bodyparts", "Bodyparts").replace("coords,x,y,x,y", "Coords,X,Y,X,Y"),
    "a separator told": "sep=;\n" + TABLE.replace(",", ";"),
    "tabs": TABLE.replace(",", "\t"),
    "decimal commas": TABLE.replace(",", ";").replace("1.5;2.5", "1,5;2,5"),
    "commas at the ends": "".join(f"{line},\n" for line in TABLE.splitlines()),
    "numbers in quotes": TABLE.replace("1.5,2.5", '"1.5","2.5"'),
    "a name over two lines": TABLE.replace("scorer,me", 'scorer,"m\ne"'),
    "frames as pandas writes them": TABLE.replace("\n0,", "\n0.0,").replace("\n1,", "\n1.0,").replace("\n2,", "\n2.0,"),
    "frames of three digits": TABLE.replace("\n0,", "\n000,").replace("\n1,", "\n001,").replace("\n2,", "\n002,"),
    "two bytes a letter": TABLE.encode("utf-16"),
    **{f"missing is {word or 'nothing'}": TABLE.replace("1,,,3", f"1,{word},{word},3")
       for word in ("NaN", "nan", "NA", "N/A", "#N/A", "null", "None", "inf")},
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_table_is_read_as_the_plain_one(name, tmp_path):
    content = UNUSUAL[name]
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    np.testing.assert_array_equal(see(tmp_path / "a.csv"), TRUE)


@pytest.mark.parametrize("suffix", [".CSV", ".Csv"])
def test_a_suffix_may_have_capitals(suffix, tmp_path):
    (tmp_path / f"a{suffix}").write_text(TABLE)
    np.testing.assert_array_equal(see(tmp_path / f"a{suffix}"), TRUE)
    np.save(tmp_path / "a.npy", TRUE)
    renamed = (tmp_path / "a.npy").rename(tmp_path / "a.NPY")
    np.testing.assert_array_equal(see(renamed, joint_names=list(JOINTS)), TRUE)


SAID = {
    "the row that is neither": (TABLE.replace("\n2,", "\nlast,"), "found 'last' in line 6"),
    "a name among numbers": (TABLE.replace("\n2,", "\nimg2.png,"), "found 'img2.png' in line 6"),
    "frames from 1": (TABLE.replace("\n2,", "\n3,"), "found 3 for 3 frames, one of them for frame 3; counted from 0, the last frame is 2"),
    "points of no animal": (
        "scorer,m,m\nindividuals,single,single\nbodyparts,corner,corner\ncoords,x,y\n0,1,2\n",
        "found only points of no animal (individual single)",
    ),
    "other bytes": (TABLE.replace("me", "mü").encode("latin-1"), "must be text in UTF-8, found other bytes"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_refused_is_refused_for_what_it_is(name, tmp_path):
    content, words = SAID[name]
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(tmp_path / "a.csv")


def test_scores_of_another_scale_are_told(tmp_path, capsys):
    for highest, told in ((1.2, False), (95, True)):
        (tmp_path / "a.csv").write_text(f"scorer,m,m,m\nbodyparts,snout,snout,snout\ncoords,x,y,likelihood\n0,1,2,{highest}\n1,1,2,3e-1\n")
        see(tmp_path / "a.csv")
        assert ("a.csv has scores up to 95; all above 1 count as 1" in capsys.readouterr().err) == told


def coco(notes: list[dict[str, Any]], **changes: Any) -> str:
    whole = [{"id": i, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, 2], **note} for i, note in enumerate(notes)]
    images = [{"id": i, "file_name": f"f{i}.png"} for i in range(3)]
    kinds = [{"id": 1, "name": "mouse", "keypoints": list(JOINTS)}]
    return json.dumps({"images": images, "annotations": whole, "categories": kinds, **changes})


def test_a_track_of_null_is_none(tmp_path):
    (tmp_path / "a.json").write_text(coco([{"image_id": 0, "track_id": None}, {"image_id": 0, "track_id": None}]))
    seen = load(tmp_path / "a.json", JOINTS, {}, None, 3, None, "v.mp4")(BLOCK)
    assert [len(people.points) for people in seen] == [2, 0, 0]
    assert seen[0].identity is None


def test_a_track_that_is_twice_in_a_picture_is_refused(tmp_path):
    (tmp_path / "a.json").write_text(coco([{"image_id": 0, "track_id": 1}, {"image_id": 0, "track_id": 1}]))
    assert "found one twice in image 0" in refused(tmp_path / "a.json")


@pytest.mark.parametrize("note", [{"category_id": "1"}, {"category_id": 2}, {"keypoints": []}])
def test_annotations_without_keypoints_are_refused(note, tmp_path):
    (tmp_path / "a.json").write_text(coco([{"image_id": 0, **note}]))
    assert "keypoints of its category mouse, found 1 annotations, none of them with keypoints of it" in refused(tmp_path / "a.json")


def test_accents_in_one_or_two_characters_are_one_name(tmp_path):
    images = [{"id": i, "file_name": f"café{i}.png"} for i in range(3)]
    kinds = [{"id": 1, "name": "m", "keypoints": ["nez\u0301", "tail"]}]
    (tmp_path / "a.json").write_text(coco([{"image_id": 1}], images=images, categories=kinds))
    seen = see(tmp_path / "a.json", images=[f"cafe\u0301{i}.png" for i in range(3)], joint_map={"nez\u0301": "snout"})
    assert np.isfinite(seen[:, 0, 0]).tolist() == [False, True, False]
    np.testing.assert_array_equal(see(tmp_path / "a.json", joint_map={"neź": "snout"})[1], [[1, 2], [3, 4]])
    folder = tmp_path / "labeled-data/Cafe\u0301"
    folder.mkdir(parents=True)
    (folder / "CollectedData_me.csv").write_text(TABLE)
    (tmp_path / "a.json").unlink()
    np.testing.assert_array_equal(see(tmp_path, source="Café.mp4"), TRUE)


OTHERS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
LEFT_OUT = {f"{side}_{part}": None for side in ("left", "right") for part in OTHERS}


class TestFoldersOfOpenPose:
    @pytest.fixture
    def folder(self, tmp_path):
        person = {"pose_keypoints_2d": [value for i in range(18) for value in (10 + i, 20 + i, 0.9)]}
        (tmp_path / "v_000000000001_keypoints.json").write_text(json.dumps({"people": [person]}))
        return tmp_path

    def test_what_other_systems_put_beside_is_passed_over(self, folder):
        (folder / "._v_000000000001_keypoints.json").write_bytes(b"\0\5\x16\7")
        (folder / ".DS_Store").write_bytes(b"\0")
        (folder / "old.json").mkdir()
        seen = see(folder, joints=("nose", "neck"), joint_map=LEFT_OUT)
        np.testing.assert_array_equal(seen[1], [[10, 20], [11, 21]])

    def test_a_suffix_may_have_capitals(self, folder):
        for path in list(folder.iterdir()):
            path.rename(path.with_suffix(".JSON"))
        assert np.isfinite(see(folder, joints=("nose", "neck"), joint_map=LEFT_OUT)[1]).all()

    def test_a_pipe_is_not_waited_for(self, folder):
        os.mkfifo(folder / "v_000000000002_keypoints.json")
        assert "v_000000000002_keypoints.json must be a file or a folder, found a named pipe" in refused(folder)


def test_a_foreign_parquet_is_not_taken_for_one_of_a_stage(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"frame": [0], "x": [1.0]}).to_parquet(tmp_path / "a.parquet")
    line = refused(tmp_path / "a.parquet")
    assert "must be keypoints that this project wrote" in line
    assert "dvc repro" not in line


def test_missing_labels_say_what_lies_there(tmp_path):
    (tmp_path / "Labels.csv").write_text(TABLE)
    assert "labels.csv does not exist, but 'Labels.csv' lies there" in refused(tmp_path / "labels.csv")


def test_the_door_needs_no_choice_where_one_animal_is_labelled(tmp_path, monkeypatch):
    from pipeline.artifacts.frames import create_frames
    from pipeline.artifacts.keypoints import read_keypoints
    from pipeline.video.clock import Clock
    from stages.estimate_poses import main

    root = Path(__file__).parents[2]
    points = np.array([[32, 20], [26, 22], [38, 22], [32, 44]], float)
    np.save(tmp_path / "a.npy", np.repeat(points[None], 10, axis=0))
    with create_frames(tmp_path / "a.zarr", Clock.regular("25", 10), (64, 64), {"images": None, "source": "a.mp4"}) as writer:
        writer.append(np.zeros((10, 64, 64, 3), np.uint8))
    tree = YAML(typ="safe", pure=True).load((root / "params.yaml").read_text())
    names = ["snout", "left_ear", "right_ear", "tail_base"]
    clip = {"video": "a.mp4", "labels": str(tmp_path / "a.npy"), "skeleton": "mouse", "pose": "imported", "refiner": "none"}
    clip["joint_names"] = names
    (tmp_path / "params.yaml").write_text(json.dumps({**tree, "clips": {"m": clip}}))
    paths = {"frames": tmp_path / "a.zarr", "skeleton": root / "pipeline/skeletons/mouse.yaml", "out": tmp_path / "k.parquet"}
    paths |= {"params": tmp_path / "params.yaml", "sheet": tmp_path / "sheet.png"}
    options = [str(part) for name, path in paths.items() for part in (f"--{name}", path)]
    monkeypatch.setattr("sys.argv", ["estimate_poses", "--clip", "m", *options])
    main()
    found = read_keypoints(tmp_path / "k.parquet")
    assert found.selected == 0
    np.testing.assert_allclose(found.track().points[5], points)
