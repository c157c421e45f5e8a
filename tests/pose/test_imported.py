"""Laws of imported labels: the house's table, csv, and what is common to all formats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.errors import InputError
from pipeline.pose.backends.imported import load as load_imported
from pipeline.pose.naming import UNNAMED, read_naming
from pipeline.video.clock import Clock

JOINTS = ("tail", "snout", "ear")
BLOCK = np.zeros((3, 512, 512, 3), np.uint8)
CSV = "scorer,me,me,me,me,me,me\nbodyparts,snout,snout,snout,tail,tail,tail\ncoords,x,y,likelihood,x,y,likelihood\n"
ROWS = "0,1,2,0.9,5,6,0.8\n1,,,,7,8,0.1\n2,3,4,1.0,,,\n"


def load(path: Path | None, joints: tuple[str, ...], joint_map: dict[str, str | None], frames: int, images: list[str] | None) -> Any:
    return load_imported(path, joints, joint_map, None, frames, images, "v.mp4")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_deeplabcut_joints_are_matched_by_name_and_empty_cells_are_missing(tmp_path: Path) -> None:
    seen = load(write(tmp_path, CSV + ROWS), JOINTS, {}, 3, None)(BLOCK)
    np.testing.assert_array_equal(seen[0].points[0], [[5, 6], [1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(seen[0].score[0], [0.8, 0.9, 0])
    np.testing.assert_array_equal(seen[1].score[0], [0.1, 0, 0])
    assert np.isnan(seen[2].points[0, 0]).all()


@pytest.mark.parametrize(("separator", "mark"), [(",", "utf-8-sig"), (";", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")])
def test_tables_are_read_as_spreadsheets_save_them(tmp_path: Path, separator: str, mark: str) -> None:
    """Of Excel in most of Europe cells are separated by semicolons, and numbers have a decimal comma."""
    text = CSV + ROWS.replace("5,6", "5.25,6")
    if separator != ",":
        text = text.replace(",", separator).replace(".", ",")
    (tmp_path / "labels.csv").write_text(text, encoding=mark)
    seen = load(tmp_path / "labels.csv", JOINTS, {}, 3, None)(BLOCK)
    np.testing.assert_array_equal(seen[0].points[0], [[5.25, 6], [1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(seen[0].score[0], [0.8, 0.9, 0])


def test_rows_named_after_images_follow_the_images_natural_order(tmp_path: Path) -> None:
    head = "scorer,,,me,me\nbodyparts,,,snout,snout\ncoords,,,x,y\n"
    rows = "labeled-data,m,img10.png,10,0\nlabeled-data,m,img2.png,2,0\nlabeled-data,m,img1.png,1,0\n"
    path = write(tmp_path, head + rows)
    assert [people.points[0, 1, 0] for people in load(path, JOINTS, {}, 3, None)(BLOCK)] == [1, 2, 10]
    named = load(path, JOINTS, {}, 2, ["img2.png", "img3.png"])(BLOCK[:2])
    assert named[0].points[0, 1, 0] == 2
    assert np.isnan(named[1].points).all()


def test_the_house_table_comes_back(tmp_path: Path) -> None:
    limbs = (Limb("a", "b", (1, 2, 3), 1.0, True),)
    points = np.arange(3 * 2 * 2 * 2, dtype=np.float32).reshape(3, 2, 2, 2)
    points[1, 1] = np.nan
    score = np.where(np.isfinite(points[..., 0]), 0.5, 0).astype(np.float32)
    origin = np.where(np.isfinite(points[..., 0]), 1, 0).astype(np.uint8)
    rod = Skeleton("rod", ("a", "b"), "a", limbs, (), {}, (), ())
    write_keypoints(tmp_path / "k.parquet", Keypoints(points, score, origin, rod, Clock.regular("25", 3), (8, 8), 0))
    seen = load(tmp_path / "k.parquet", ("b", "a"), {}, 3, None)(BLOCK)
    np.testing.assert_array_equal(np.stack([people.points for people in seen])[:, :, ::-1], points)
    assert seen[0].identity is not None
    assert seen[0].identity.tolist() == [0, 1]


def test_labels_are_renamed_and_left_out_by_the_joint_map(tmp_path: Path) -> None:
    path = write(tmp_path, CSV.replace("snout", "nose") + ROWS)
    with pytest.raises(InputError, match=r"has the joints nose, tail; the skeleton has tail, snout, ear: nose are not joints"):
        load(path, JOINTS, {}, 3, None)
    assert load(path, JOINTS, {"nose": "snout"}, 3, None)(BLOCK)[0].points[0, 1].tolist() == [1, 2]
    assert np.isnan(load(path, JOINTS, {"nose": None}, 3, None)(BLOCK)[0].points[0, 1]).all()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x,y\n1,2\n", "must start with the rows scorer, bodyparts, coords"),
        (CSV + ROWS.replace("5,6", "five,6"), "found 'five' in line 4, column 5"),
        (CSV + ROWS + "3,1,2,1,1,2,1\n", "found 4 for 3 frames, one of them for frame 3"),
        (CSV + ROWS + "2,1,2,1,1,2,1\n", "found frame 2 twice"),
        (CSV + ROWS.replace("2,3,4", "two,3,4"), "number or a picture's name, found 'two' in line 6"),
        (CSV.replace("x,y,likelihood", "u,v,w") + ROWS, "must have columns x and y for each body part, found none"),
    ],
)
def test_damaged_or_unfit_labels_are_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load(write(tmp_path, text), JOINTS, {}, 3, None)


def test_missing_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs .parquet .*DeepLabCut.*, found that .*nothing.csv does not exist; name one in clips"):
        load(tmp_path / "nothing.csv", JOINTS, {}, 3, None)


def test_labels_of_another_size_are_refused(tmp_path: Path) -> None:
    """Half of the joints may lie outside, as those of a subject that leaves the picture do; of 4 here 3 do, then 2."""
    path = write(tmp_path, CSV + ROWS)
    with pytest.raises(InputError, match=r"frames, 3 x 3 px, found 3 of 4 labelled joints outside: scale or turn"):
        load(path, JOINTS, {}, 3, None)(np.zeros((3, 3, 3, 3), np.uint8))
    assert load(path, JOINTS, {}, 3, None)(np.zeros((3, 5, 5, 3), np.uint8))


def test_frames_that_the_labels_leave_out_show_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = load(write(tmp_path, CSV + "1,1,2,0.9,5,6,0.8\n"), JOINTS, {}, 3, None)(BLOCK)
    assert [np.isfinite(people.points).any() for people in seen] == [False, True, False]
    assert "labels 1 of 3 frames; the others count as frames without the subject" in capsys.readouterr().err


def test_pictures_taken_from_a_video_stand_for_the_frames_they_number(tmp_path: Path) -> None:
    head = "scorer,,,me,me\nbodyparts,,,snout,snout\ncoords,,,x,y\n"
    rows = "labeled-data,m,img0004.png,40,0\nlabeled-data,m,img0001.png,10,0\n"
    seen = load(write(tmp_path, head + rows), JOINTS, {}, 6, None)(np.zeros((6, 512, 512, 3), np.uint8))
    assert [t for t, people in enumerate(seen) if np.isfinite(people.points).any()] == [1, 4]
    assert (seen[1].points[0, 1, 0], seen[4].points[0, 1, 0]) == (10, 40)
    with pytest.raises(InputError, match=r"at most one pose a frame, found 2 for 4 frames, one of them for frame 4"):
        load(tmp_path / "labels.csv", JOINTS, {}, 4, None)
    with pytest.raises(InputError, match=r"must name its files by their frame's number .*, found still.png"):
        load(write(tmp_path, head + "labeled-data,m,still.png,40,0\n"), JOINTS, {}, 4, None)


class TestOfAClipWithASpan:
    """Frames 4 to 6 of a video: the labels count the video's."""

    CSV_ROWS = "".join(f"{t},{10 * t},2,0.9,{10 * t},6,0.8\n" for t in range(9))

    def found(self, path: Path, names: list[str] | None = None, images: list[str] | None = None) -> list[float]:
        seen = load_imported(path, JOINTS, {}, names, 3, images, "v.mp4", 4)(BLOCK)
        return [float(people.points[0, 1, 0]) if np.isfinite(people.points).any() else np.nan for people in seen]

    def test_numbers_are_those_of_the_video(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.found(write(tmp_path, CSV + self.CSV_ROWS)) == [40, 50, 60]
        assert capsys.readouterr().err == ""
        np.testing.assert_array_equal(self.found(write(tmp_path, CSV + "5,50,2,0.9,5,6,0.8\n8,80,2,0.9,5,6,0.8\n")), [np.nan, 50, np.nan])
        assert "labels 1 of 3 frames" in capsys.readouterr().err

    def test_pictures_of_a_video_are_counted_even_if_there_are_as_many_as_frames(self, tmp_path: Path) -> None:
        head = "scorer,,,me,me\nbodyparts,,,snout,snout\ncoords,,,x,y\n"
        rows = "".join(f"labeled-data,m,img{t:04}.png,{10 * t},0\n" for t in (5, 2, 6))
        np.testing.assert_array_equal(self.found(write(tmp_path, head + rows)), [np.nan, 50, 60])

    def test_pictures_of_a_folder_go_by_their_names(self, tmp_path: Path) -> None:
        head = "scorer,,,me,me\nbodyparts,,,snout,snout\ncoords,,,x,y\n"
        rows = "".join(f"labeled-data,m,img{t}.png,{10 * t},0\n" for t in range(9))
        assert self.found(write(tmp_path, head + rows), images=["img4.png", "img5.png", "img6.png"]) == [40, 50, 60]

    def test_tables_of_every_frame_are_cut(self, tmp_path: Path) -> None:
        path, names = tmp_path / "k.npy", ["snout"]
        np.save(path, np.arange(9.0)[:, None, None] * [10, 1])
        assert self.found(path, names) == [40, 50, 60]
        np.save(path, np.ones((6, 1, 2)))
        with pytest.raises(InputError, match=r"one pose a frame of the video, found 6, of which the clip's span takes 4 to 6"):
            self.found(path, names)

    def test_labels_of_other_frames_alone_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"must label frames of the clip, 4 to 6 of the video, found none of them; correct"):
            self.found(write(tmp_path, CSV + ROWS))


def test_several_animals_keep_their_identity(tmp_path: Path) -> None:
    head = (
        "scorer,me,me,me,me,me,me\nindividuals,a,a,b,b,single,single\nbodyparts,snout,snout,snout,snout,corner,corner\ncoords,x,y,x,y,x,y\n"
    )
    seen = load(write(tmp_path, head + "0,1,2,3,4,9,9\n1,,,5,6,9,9\n"), JOINTS, {}, 2, None)(BLOCK[:2])
    np.testing.assert_array_equal(seen[0].points[:, 1], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(seen[1].points[:, 1], [[np.nan, np.nan], [5, 6]])
    assert seen[1].identity.tolist() == [0, 1]


def test_a_joint_that_the_map_names_and_the_labels_lack_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the joints snout, tail; joint_map names leftear, which it lacks"):
        load(write(tmp_path, CSV + ROWS), JOINTS, {"leftear": "ear"}, 3, None)


def test_likelihoods_outside_of_a_probability_are_clipped(tmp_path: Path) -> None:
    seen = load(write(tmp_path, CSV + "0,1,2,1.2,5,6,-0.1\n1,1,2,nan,5,6,1\n"), JOINTS, {}, 2, None)(BLOCK[:2])
    np.testing.assert_array_equal(seen[0].score[0], [0, 1, 0])
    assert seen[1].score[0, 1] == 0


class TestProjectFolder:
    """DeepLabCut keeps a folder of pictures and one CollectedData_<scorer>.csv for each video."""

    HEAD = "scorer,,,me,me\nbodyparts,,,snout,snout\ncoords,,,x,y\n"

    def project(self, tmp_path: Path) -> Path:
        for video, x in (("v", 7), ("w", 8)):
            folder = tmp_path / "labeled-data" / video
            folder.mkdir(parents=True)
            (folder / "CollectedData_me.csv").write_text(f"{self.HEAD}labeled-data,{video},img1.png,{x},0\n")
        return tmp_path

    def test_the_folder_named_like_the_clip_is_found(self, tmp_path: Path) -> None:
        seen = load(self.project(tmp_path), JOINTS, {}, 3, None)(BLOCK)
        assert seen[1].points[0, 1].tolist() == [7, 0]

    def test_a_folder_of_pictures_may_be_named_itself(self, tmp_path: Path) -> None:
        seen = load(self.project(tmp_path) / "labeled-data" / "w", JOINTS, {}, 2, ["img0.png", "img1.png"])(BLOCK[:2])
        assert seen[1].points[0, 1].tolist() == [8, 0]

    def test_what_cannot_be_told_is_said(self, tmp_path: Path) -> None:
        project = self.project(tmp_path)
        with pytest.raises(InputError, match=r"labeled-data/x with one \(it has: v, w\)"):
            load_imported(project, JOINTS, {}, None, 3, None, "x.mp4")
        (project / "labeled-data" / "v" / "CollectedData_you.csv").write_text(self.HEAD)
        with pytest.raises(
            InputError, match=r"must hold one CollectedData_<scorer>.csv, found CollectedData_me.csv, CollectedData_you.csv"
        ):
            load(project, JOINTS, {}, 3, None)


def test_an_array_is_named_in_params(tmp_path: Path) -> None:
    path = tmp_path / "k.npy"
    values = np.array([[[1, 2, 0.5], [3, 4, 1.0]], [[np.nan, 2, 0.5], [5, 6, 0.25]]])
    np.save(path, values)
    names = ["snout", "tail"]
    seen = load_imported(path, JOINTS, {}, names, 2, None, "v.mp4")(BLOCK[:2])
    np.testing.assert_array_equal(seen[0].points[0, :2], [[3, 4], [1, 2]])
    np.testing.assert_array_equal(seen[1].score[0], [0.25, 0, 0])
    assert np.isnan(seen[1].points[0, 1]).all()
    np.save(path, values[..., :2].astype(np.float32))
    np.testing.assert_array_equal(load_imported(path, JOINTS, {}, names, 2, None, "v.mp4")(BLOCK[:2])[0].score[0], [1, 1, 0])
    with pytest.raises(InputError, match=r"does not name its joints: list them .* joint_names, found shape \(2, 2, 2\)"):
        load_imported(path, JOINTS, {}, None, 2, None, "v.mp4")
    with pytest.raises(InputError, match=r"float32 \(2, 2, 2\) for 1 joint_names"):
        load_imported(path, JOINTS, {}, ["snout"], 2, None, "v.mp4")
    with pytest.raises(InputError, match=r"found 2 for 3 frames"):
        load_imported(path, JOINTS, {}, names, 3, None, "v.mp4")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"must be an .npy array of numbers, found it unreadable"):
        load_imported(path, JOINTS, {}, names, 3, None, "v.mp4")


def test_names_are_for_arrays_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names its joints itself; joint_names is for .npy arrays"):
        load_imported(write(tmp_path, CSV + ROWS), JOINTS, {}, ["snout"], 3, None, "v.mp4")


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.mat").write_bytes(b"x")
    with pytest.raises(InputError, match=r"reads .parquet .*, found .*labels.mat \(.mat\)"):
        load(tmp_path / "labels.mat", JOINTS, {}, 3, None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("joint_maps: {}", r"clips\.m\.joint_maps is not a known key; legal here: video, .*joint_map, joint_names, span\."),
        ("joint_map: {snout: 3}", r"clips\.m\.joint_map\.snout is 3: input should be a valid string"),
        ("joint_names: snout", r"clips\.m\.joint_names is 'snout': input should be a valid list"),
    ],
)
def test_a_wrong_naming_in_params_is_named_with_its_path(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(f"clips: {{m: {{pose: imported, {entry}}}}}\n")
    with pytest.raises(InputError, match=message):
        read_naming(tmp_path / "params.yaml", "m")


def test_a_naming_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("clips: {m: {pose: imported}, n: {joint_map: {ear: null}, joint_names: [a]}}\n")
    assert read_naming(tmp_path / "params.yaml", "m") == UNNAMED
    named = read_naming(tmp_path / "params.yaml", "n")
    assert (named.joint_map, named.joint_names) == ({"ear": None}, ["a"])
