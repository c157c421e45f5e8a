"""Laws of imported labels."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.keypoints import Keypoints, write_keypoints
from pipeline.clock import Clock
from pipeline.errors import InputError
from pipeline.pose.backends.imported import load
from pipeline.skeleton import Limb, Skeleton

JOINTS = ("tail", "snout", "ear")
BLOCK = np.zeros((3, 8, 8, 3), np.uint8)
CSV = "scorer,me,me,me,me,me,me\nbodyparts,snout,snout,snout,tail,tail,tail\ncoords,x,y,likelihood,x,y,likelihood\n"
ROWS = "0,1,2,0.9,5,6,0.8\n1,,,,7,8,0.1\n2,3,4,1.0,,,\n"


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
        (CSV + ROWS + "3,1,2,1,1,2,1\n", "found 4 for 3 frames"),
    ],
)
def test_damaged_or_unfit_labels_are_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        load(write(tmp_path, text), JOINTS, {}, 3, None)


def test_missing_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs a .parquet or DeepLabCut .csv, found .*nothing.csv"):
        load(tmp_path / "nothing.csv", JOINTS, {}, 3, None)
