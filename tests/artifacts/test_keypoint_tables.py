"""Keypoint tables: every row comes back, missing ones too, and damage is noticed."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts.keypoints import ORIGINS, Keypoints, motion_of, read_keypoints, write_keypoints
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.errors import InputError
from pipeline.video.clock import NO_TIME, Clock

JOINTS = ("base", "tip", "mark")
LIMBS = tuple(Limb("base", joint, (255, 0, 0), 1.0, True) for joint in JOINTS[1:])
STICK = Skeleton("stick", JOINTS, "base", LIMBS, (("tip", "mark"),), {"head": ("tip",)}, (), ())


def keypoints(t: int = 5, p: int = 2, **changes) -> Keypoints:
    rng = np.random.default_rng(1)
    points = rng.normal(300, 200, (t, p, 3, 2)).astype(np.float32)
    score = rng.uniform(0.1, 1, (t, p, 3)).astype(np.float32)
    origin = np.full((t, p, 3), ORIGINS.index("measured"), np.uint8)
    if t > 2 and p:
        points[2, 0], score[2, 0], origin[2, 0] = np.nan, 0, ORIGINS.index("missing")
        points[1, 0, 1], score[1, 0, 1], origin[1, 0, 1] = np.nan, 0, ORIGINS.index("dropped")
        origin[0, 0, 0] = ORIGINS.index("smoothed")
    values = {"points": points, "score": score, "origin": origin, "skeleton": STICK, "clock": Clock.regular("30000/1001", t)}
    return Keypoints(**{**values, "size_hw": (480, 640), "selected": 0, "attributes": {"note": [1, 2]}, **changes})


def same(a: Keypoints, b: Keypoints) -> None:
    for name in ("points", "score", "origin"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert (a.skeleton, a.clock, a.size_hw, a.selected, a.attributes) == (b.skeleton, b.clock, b.size_hw, b.selected, b.attributes)


@pytest.mark.parametrize("changes", [{}, {"clock": NO_TIME}, {"selected": None}, {"t": 1}, {"p": 0, "selected": None}, {"t": 0}])
@pytest.mark.parametrize("kind", ["keypoints", "motions"])
def test_what_is_written_is_read(tmp_path, kind, changes):
    written = keypoints(**changes)
    write_keypoints(tmp_path / "a.parquet", written, kind)
    same(read_keypoints(tmp_path / "a.parquet", kind), written)


def test_writing_again_gives_the_same_bytes(tmp_path):
    write_keypoints(tmp_path / "a.parquet", keypoints())
    write_keypoints(tmp_path / "b.parquet", keypoints())
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_half_a_joint_is_none(tmp_path):
    half = keypoints()
    half.points[4, 1, 2, 1] = np.nan
    write_keypoints(tmp_path / "a.parquet", half)
    back = read_keypoints(tmp_path / "a.parquet")
    assert np.isnan(back.points[4, 1, 2]).all()
    assert back.score[4, 1, 2] == 0
    assert back.origin[4, 1, 2] == ORIGINS.index("missing")
    assert back.origin[1, 0, 1] == ORIGINS.index("dropped")
    assert np.isfinite(half.points[4, 1, 2, 0]), "the input is unchanged"


def test_pandas_opens_it(tmp_path):
    written = keypoints()
    write_keypoints(tmp_path / "a.parquet", written)
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == ["frame", "person", "joint", "x", "y", "score", "origin"]
    assert len(table) == 5 * 2 * 3
    row = table[(table.frame == 3) & (table.person == 1) & (table.joint == "mark")].iloc[0]
    assert (row.x, row.y) == tuple(written.points[3, 1, 2])
    assert table[(table.frame == 1) & (table.person == 0) & (table.joint == "tip")].origin.item() == "dropped"
    assert table.x.isna().sum() == 4


def test_a_track_is_the_selected_person():
    track = keypoints(selected=1).track()
    np.testing.assert_array_equal(track.points, keypoints().points[:, 1])
    assert keypoints().track().present.tolist() == [True, True, False, True, True]
    nobody = keypoints(selected=None).track()
    assert not nobody.present.any()
    assert nobody.points.shape == (5, 3, 2)
    same(motion_of(keypoints(selected=1).track(), note=[1, 2]), keypoints(
        p=1, points=track.points[:, None], score=track.score[:, None], origin=track.origin[:, None]
    ))  # fmt: skip


def test_a_table_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError, match=r"a\.parquet does not exist\. Run: dvc repro retarget_motion"):
        read_keypoints(path, "motions")
    write_keypoints(path, keypoints())
    with pytest.raises(InputError, match=r"must be motions version 1, found keypoints version 1\. Run: dvc repro retarget_motion"):
        read_keypoints(path, "motions")
    pd.DataFrame({"x": [1.0]}).to_parquet(path)
    with pytest.raises(InputError, match=r"a\.parquet is not a readable keypoints table: .*Run: dvc repro estimate_poses"):
        read_keypoints(path)


def test_rows_that_are_lost_are_noticed(tmp_path):
    path = tmp_path / "a.parquet"
    write_keypoints(path, keypoints())
    pq.write_table(pq.read_table(path).slice(0, 29), path)
    with pytest.raises(InputError, match="has 29 rows, its attributes say 5 × 2 × 3"):
        read_keypoints(path)
    write_keypoints(path, keypoints())
    pq.write_table(pq.read_table(path).drop_columns(["origin"]), path)
    with pytest.raises(InputError, match="is not a readable keypoints table"):
        read_keypoints(path)


def test_damage_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "a.parquet"
    written = keypoints(t=40)
    write_keypoints(path, written)
    good = path.read_bytes()
    noticed = 0
    for position in range(4, len(good) // 2, 53):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x10]) + good[position + 1 :])
        try:
            np.testing.assert_array_equal(read_keypoints(path).points, written.points)
        except InputError:
            noticed += 1
    assert noticed > 5
    for length in (0, 4, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(InputError, match="is not a readable keypoints table"):
            read_keypoints(path)


def rewritten(path, change) -> None:
    """The table as another program writes it, its metadata kept."""
    table = pq.read_table(path)
    changed = change(table.to_pandas())
    pq.write_table(pa.Table.from_pandas(changed, table.schema, preserve_index=False).replace_schema_metadata(table.schema.metadata), path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.sort_values("joint", kind="stable"), "rows must be sorted by frame, person and joint"),
        (lambda rows: rows.iloc[::-1], "rows must be sorted by frame"),
        (lambda rows: rows.assign(frame=rows.frame + 1), "found another frame in between"),
        (lambda rows: rows.assign(person=1 - rows.person), "found another person in between"),
        (lambda rows: rows.assign(x=np.where(rows.index == 3, np.inf, rows.x)), "two finite coordinates or none"),
        (lambda rows: rows.assign(y=np.where(rows.index == 3, np.nan, rows.y)), "two finite coordinates or none"),
    ],
)
def test_rows_of_another_order_and_points_of_no_place_are_noticed(change, words, tmp_path):
    path = tmp_path / "a.parquet"
    write_keypoints(path, keypoints())
    rewritten(path, lambda rows: rows)
    same(read_keypoints(path), keypoints())
    rewritten(path, change)
    with pytest.raises(InputError, match=rf"a\.parquet is not a readable keypoints table: .*{words}"):
        read_keypoints(path)


def test_a_skeleton_that_is_none_is_told_with_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    write_keypoints(path, keypoints())
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"motion_copy"])
    about["skeleton"].pop("joints")
    pq.write_table(table.replace_schema_metadata({b"motion_copy": json.dumps(about).encode()}), path)
    with pytest.raises(InputError, match=r"a\.parquet is not a readable keypoints table: skeleton is not a skeleton"):
        read_keypoints(path)
