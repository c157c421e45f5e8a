"""Labels in HDF5: DeepLabCut's two table layouts, SLEAP's project and analysis files, written here as those tools write them."""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.pose.backends.imported import load

JOINTS = ("tail", "snout", "ear")
BLOCK = np.zeros((3, 512, 512, 3), np.uint8)
COLUMNS = [("net", part, kind) for part in ("snout", "tail") for kind in ("x", "y", "likelihood")]
VALUES = np.array([[1, 2, 0.9, 5, 6, 0.8], [np.nan, np.nan, 0.1, 7, 8, 0.1]])


def see(path: Path, source: str = "v.mp4") -> Any:
    return load(path, JOINTS, {}, None, 3, None, source)(BLOCK)


def check_deeplabcut(seen: Any) -> None:
    np.testing.assert_array_equal(seen[0].points[0], [[5, 6], [1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(seen[0].score[0], [0.8, 0.9, 0])
    np.testing.assert_array_equal(seen[1].points[0], [[7, 8], [np.nan, np.nan], [np.nan, np.nan]])
    assert not np.isfinite(seen[2].points).any()


def write_table(path: Path, columns: Any, index: Any = (0, 1)) -> None:
    """The layout `table`, of DeepLabCut's analysis: one compound dataset, column names pickled beside it."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        rows = np.array(list(zip(index, VALUES, strict=True)), [("index", "<i8"), ("values_block_0", "<f8", (6,))])
        group["table"] = rows
        group["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, protocol=0))


def write_index(group: Any, name: str, entries: list[tuple[str, ...]]) -> None:
    """A pandas index of several levels: each level's sorted names, and a code an entry."""
    group.attrs[f"{name}_nlevels"] = len(entries[0])
    for i, column in enumerate(zip(*entries, strict=True)):
        names = sorted(set(column))
        group[f"{name}_level{i}"] = np.array([n.encode() for n in names])
        group[f"{name}_label{i}"] = np.array([names.index(entry) for entry in column], np.int8)


def write_fixed(path: Path) -> None:
    """The layout `fixed`, of DeepLabCut's labels by hand: blocks of values, an index of levels for columns and rows."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame")
        group.attrs["nblocks"] = 1
        write_index(group, "block0_items", COLUMNS)
        write_index(group, "axis1", [("labeled-data", "v", f"img{t}.png") for t in (0, 1)])
        group["block0_values"] = VALUES
        group["block0_values"].attrs["transposed"] = np.uint8(1)


def test_deeplabcut_analysis_is_read(tmp_path: Path) -> None:
    write_table(tmp_path / "a.h5", COLUMNS)
    check_deeplabcut(see(tmp_path / "a.h5"))
    write_table(tmp_path / "b.h5", COLUMNS, (2, 1))
    assert see(tmp_path / "b.h5")[2].points[0, 1].tolist() == [1, 2]


def test_deeplabcut_labels_by_hand_are_read(tmp_path: Path) -> None:
    write_fixed(tmp_path / "a.h5")
    check_deeplabcut(see(tmp_path / "a.h5"))


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("never",))


def test_column_names_never_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(tmp_path / "a.h5", Evil())
    with pytest.raises(InputError, match=r"found it unreadable .*has no place in column names"):
        see(tmp_path / "a.h5")
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["sleap", "sleap-io"])
def test_sleap_analysis_is_read(tmp_path: Path, layout: str) -> None:
    h5py = pytest.importorskip("h5py")
    tracks = np.full((1, 2, 2, 3), np.nan)  # track, xy, node, frame
    tracks[0, :, 0, 0], tracks[0, :, 1, 0], tracks[0, :, 1, 2] = (1, 2), (5, 6), (7, 8)
    scores = np.zeros((1, 2, 3))
    scores[0, :, 0] = 0.9, 0.8
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["node_names"] = np.array([b"snout", b"tail"])
        file["tracks"] = tracks if layout == "sleap" else np.transpose(tracks, (3, 0, 2, 1))
        file["point_scores"] = scores if layout == "sleap" else np.transpose(scores, (2, 0, 1))
        if layout == "sleap-io":
            file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
    seen = see(tmp_path / "a.h5")
    np.testing.assert_array_equal(seen[0].points[0, :2], [[5, 6], [1, 2]])
    np.testing.assert_array_equal(seen[0].score[0], [0.8, 0.9, 0])
    assert not np.isfinite(seen[1].points).any()
    np.testing.assert_array_equal(seen[2].score[0], [1, 0, 0])  # set by hand, hence without a score


POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
INSTANCE = [("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4")]
INSTANCE += [("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8"), ("tracking_score", "f4")]
FRAME = [(name, "u8") for name in ("frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end")]


def write_slp(path: Path, format_id: float = 1.3, tracks: int = 0, videos: int = 1, skeletons: int = 1) -> None:
    """Frame 0: a prediction and the person's correction of it; frame 2: a prediction. Nodes stand in another order than the skeleton's."""
    h5py = pytest.importorskip("h5py")
    skeleton = {"nx_graph": {"nodes": [{"id": 1}, {"id": 0}], "links": [], "graph": {"name": "s"}}}
    about = {"skeletons": [skeleton] * skeletons, "nodes": [{"name": "tail"}, {"name": "snout"}]}
    track = 0 if tracks else -1
    with h5py.File(path, "w") as file:
        file.create_group("metadata").attrs["json"] = np.bytes_(json.dumps(about))
        file["metadata"].attrs["format_id"] = format_id
        file["videos_json"] = np.array([json.dumps({"backend": {"filename": f"C:\\data\\v{i or ''}.mp4"}}).encode() for i in range(videos)])
        file["tracks_json"] = np.array([json.dumps([0, f"t{i}"]).encode() for i in range(tracks)], "S20")
        file["frames"] = np.array([(0, 0, 0, 0, 2), (1, 0, 2, 2, 3), (2, videos - 1, 1, 3, 3)], FRAME)
        predicted = [(0, 1, 0, 0, track, -1, 0.7, 0, 2, 0), (2, 1, 1, 0, track, -1, 0.7, 2, 4, 0)]
        by_hand = (1, 0, 0, 0, track, 0, 0, 0, 2, 0)
        file["instances"] = np.array([predicted[0], by_hand, predicted[1]], INSTANCE)
        file["points"] = np.array([(1, 2, True, True), (5, 6, False, True)], POINT)
        scored = [(90, 90, True, False, 0.5), (91, 91, True, False, 0.5), (3, 4, True, False, 0.75), (np.nan, np.nan, False, False, 0)]
        file["pred_points"] = np.array(scored, [*POINT, ("score", "f8")])


@pytest.mark.parametrize("tracks", [0, 1])
def test_sleap_projects_prefer_what_a_person_labelled(tmp_path: Path, tracks: int) -> None:
    write_slp(tmp_path / "a.slp", tracks=tracks)
    seen = see(tmp_path / "a.slp")
    assert [int(np.isfinite(people.points[..., 0]).any()) for people in seen] == [1, 0, 1]
    np.testing.assert_array_equal(seen[0].points[0], [[np.nan, np.nan], [1, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(seen[0].score[0], [0, 1, 0])
    np.testing.assert_array_equal(seen[2].points[0, 1], [3, 4])
    np.testing.assert_array_equal(seen[2].score[0], [0, 0.75, 0])
    assert (seen[0].identity is not None) == bool(tracks)


def test_old_sleap_projects_count_from_pixel_corners(tmp_path: Path) -> None:
    write_slp(tmp_path / "a.slp", format_id=1.0)
    assert see(tmp_path / "a.slp")[0].points[0, 1].tolist() == [0.5, 1.5]


def test_of_several_sleap_videos_the_clips_is_taken(tmp_path: Path) -> None:
    write_slp(tmp_path / "a.slp", videos=2)
    assert [len(people) for people in see(tmp_path / "a.slp", "v.avi")] == [1, 0, 1]
    with pytest.raises(InputError, match=r"labels the videos v.mp4, v1.mp4, found 0 of them named like the clip \(x.mp4\)"):
        see(tmp_path / "a.slp", "x.mp4")


PICTURES = [f"/lab/m/image ({n}).jpg" for n in (1, 10, 11, 2)]


def rewrite_videos(path: Path, videos: list[dict[str, Any]], sources: dict[int, list[dict[str, Any]]] | None = None) -> None:
    """Replace a project's videos; sources: of each package's group videoN what it was taken from, and that from, …"""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "a") as file:
        del file["videos_json"]
        file["videos_json"] = np.array([json.dumps(video).encode() for video in videos])
        for number, chain in (sources or {}).items():
            group = file.create_group(f"video{number}")
            for source in chain:
                group = group.create_group("source_video")
                group.attrs["json"] = json.dumps(source)


def image_video(pictures: list[str], key: str) -> dict[str, Any]:
    return {"filename": pictures if key == "filename" else "", "backend": {"filename": pictures[0], "filenames": pictures}}


@pytest.mark.parametrize("key", ["filename", "filenames"])
def test_a_sleap_project_of_pictures_counts_in_its_own_list(tmp_path: Path, key: str) -> None:
    write_slp(tmp_path / "a.slp")  # labels places 0 and 2
    rewrite_videos(tmp_path / "a.slp", [image_video(PICTURES, key)])
    images = [f"image ({n}).jpg" for n in (1, 2, 10, 11)]
    seen = load(tmp_path / "a.slp", JOINTS, {}, None, 4, images, "m")(np.zeros((4, 512, 512, 3), np.uint8))
    assert [int(np.isfinite(people.points[..., 0]).any()) for people in seen] == [1, 0, 0, 1]
    assert seen[3].points[0, 1].tolist() == [3, 4]
    rewrite_videos(tmp_path / "a.slp", [image_video(PICTURES[:2], key)])
    with pytest.raises(InputError, match="must label the 2 pictures in its list, found picture 2"):
        see(tmp_path / "a.slp")


def embedded(number: int) -> dict[str, Any]:
    return {"filename": ".", "backend": {"filename": ".", "dataset": f"video{number}/video"}}


def test_a_sleap_package_names_its_videos_by_what_they_were_taken_from(tmp_path: Path) -> None:
    """Groups 3 and 0 in this order; the frames of 0 are labelled, of 3 none is but one that is empty."""
    write_slp(tmp_path / "a.slp")
    film, other, pictures = {"backend": {"filename": "C:\\lab\\v.mp4"}}, {"filename": "/lab/w.mp4"}, image_video(PICTURES, "filename")
    rewrite_videos(tmp_path / "a.slp", [embedded(3), embedded(0)], {3: [other], 0: [embedded(7), film]})
    assert [len(people) for people in see(tmp_path / "a.slp", "v.mp4")] == [1, 0, 1]
    with pytest.raises(InputError, match=r"labels the videos w.mp4, v.mp4, found 0 of them named like the clip \(x.mp4\)"):
        see(tmp_path / "a.slp", "x.mp4")
    write_slp(tmp_path / "b.slp")
    rewrite_videos(tmp_path / "b.slp", [embedded(3), embedded(0)], {3: [other], 0: [pictures]})
    images = [f"image ({n}).jpg" for n in (1, 2, 11)]
    assert [len(people) for people in load(tmp_path / "b.slp", JOINTS, {}, None, 3, images, "m")(BLOCK)] == [1, 0, 1]


def test_unfit_sleap_files_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    write_slp(tmp_path / "a.slp", format_id=3.0)
    with pytest.raises(InputError, match=r"has SLEAP format 3, legal below 3; export it as analysis .h5"):
        see(tmp_path / "a.slp")
    write_slp(tmp_path / "a.slp", skeletons=2)
    with pytest.raises(InputError, match="must have one skeleton, found 2"):
        see(tmp_path / "a.slp")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"], file["node_names"] = np.zeros((1, 2, 3, 4)), np.array([b"snout", b"tail"])
    with pytest.raises(InputError, match=r"must have tracks of 2 nodes, found axes .*shape \(1, 2, 3, 4\)"):
        see(tmp_path / "a.h5")


def test_other_hdf5_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for suffix in (".h5", ".slp"):
        (tmp_path / f"a{suffix}").write_bytes(b"no HDF5")
        with pytest.raises(InputError, match="must be labels of DeepLabCut or SLEAP in HDF5, found it unreadable"):
            see(tmp_path / f"a{suffix}")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["poses"] = np.zeros(3)
    with pytest.raises(InputError, match="must hold one table of DeepLabCut, or SLEAP's tracks and node_names, found: poses"):
        see(tmp_path / "b.h5")


def test_the_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.slp").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"is read by h5py, which is not installed. Run: pip install -e '.\[labels\]'"):
        see(tmp_path / "a.slp")
