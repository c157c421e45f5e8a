"""Labels in JSON: COCO's one file, OpenPose's folder of files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure import Figure, Motion

from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.pose.backends.imported import load

JOINTS = ("tail", "snout", "ear")
HUMAN = load_skeleton(Path(__file__).resolve().parents[2] / "pipeline/skeletons/human.yaml").joints
BLOCK = np.zeros((3, 512, 512, 3), np.uint8)
POSE = [1, 2, 2, 3, 4, 1, 0, 0, 0]  # snout visible, ear hidden, tail not labelled


def coco(**changes: Any) -> dict[str, Any]:
    """Two labelled pictures of three."""
    tree = {
        "images": [{"id": 11, "file_name": "a/img0002.png"}, {"id": 12, "file_name": "a/img0000.png"}],
        "categories": [{"id": 1, "name": "mouse", "keypoints": ["snout", "ear", "tail"]}],
        "annotations": [
            {"id": 1, "image_id": 11, "category_id": 1, "keypoints": POSE, "num_keypoints": 2},
            {"id": 2, "image_id": 12, "category_id": 1, "keypoints": [5, 6, 2, 0, 0, 0, 7, 8, 2], "num_keypoints": 2},
        ],
    }
    return {**tree, **changes}


def seen_coco(tmp_path: Path, tree: Any, frames: int = 3, images: list[str] | None = None) -> Any:
    (tmp_path / "labels.json").write_text(json.dumps(tree))
    return load(tmp_path / "labels.json", JOINTS, {}, None, frames, images, "v.mp4")(BLOCK[:frames])


def test_coco_joints_are_named_by_the_category_and_visibility_is_the_score(tmp_path: Path) -> None:
    seen = seen_coco(tmp_path, coco())
    assert [len(people) for people in seen] == [1, 0, 1]
    np.testing.assert_array_equal(seen[2].points[0], [[np.nan, np.nan], [1, 2], [3, 4]])
    np.testing.assert_array_equal(seen[2].score[0], [0, 1, 0.5])
    np.testing.assert_array_equal(seen[0].points[0], [[7, 8], [5, 6], [np.nan, np.nan]])


def test_coco_pictures_are_found_by_name(tmp_path: Path) -> None:
    seen = seen_coco(tmp_path, coco(), images=["img0000.png", "img0001.png", "img0002.png"])
    assert seen[2].points[0, 1].tolist() == [1, 2]
    with pytest.raises(InputError, match=r"must label the clip's images, found none of them in it \(x.png … against a/img0002.png"):
        seen_coco(tmp_path, coco(), 1, ["x.png"])


def test_coco_pictures_without_numbers_go_by_frame_id_or_by_order(tmp_path: Path) -> None:
    images = [{"id": 11, "file_name": "x", "frame_id": 1}, {"id": 12, "file_name": "y", "frame_id": 0}]
    assert seen_coco(tmp_path, coco(images=images))[1].points[0, 1].tolist() == [1, 2]
    images = [{"id": 11, "file_name": "x"}, {"id": 12, "file_name": "y"}, {"id": 13, "file_name": "z"}]
    assert seen_coco(tmp_path, coco(images=images))[0].points[0, 1].tolist() == [1, 2]


def test_a_fraction_as_third_value_is_a_score(tmp_path: Path) -> None:
    """Anywhere in a file: then 2 in it is more than sure, and 1 is sure, not hidden."""
    scored = [1, 2, 0.87, 3, 4, 1, 0, 0, 0]
    tree = coco()
    tree["annotations"][0]["keypoints"] = scored
    seen = seen_coco(tmp_path, tree)
    np.testing.assert_array_equal(seen[2].score[0], [0, 0.87, 1])
    np.testing.assert_array_equal(seen[0].score[0], [1, 1, 0])
    assert np.isnan(seen[2].points[0, 0]).all()


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_json_may_start_with_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(coco()), encoding=mark)
    seen = load(tmp_path / "labels.json", JOINTS, {}, None, 3, None, "v.mp4")(BLOCK)
    assert seen[2].points[0, 1].tolist() == [1, 2]


def roboflow(t: int) -> str:
    return f"frame_{t:04}_png.rf.a1b2c3d4e5f6071829{t}a4b5c6d7e8f3b.jpg"


@pytest.mark.parametrize("name", [roboflow, lambda t: f"{t + 10}bc3d4e-take2_{t:03}.png", lambda t: f"take2_{t}_of_{t}.jpg"])
def test_pictures_names_count_frames_whatever_tools_add(tmp_path: Path, name: Any) -> None:
    tree = coco(images=[{"id": 11, "file_name": name(6)}, {"id": 12, "file_name": name(3)}])
    seen = load_coco(tmp_path, tree, 60)
    assert [t for t, people in enumerate(seen) if len(people)] == [3, 6]
    assert seen[6].points[0, 1].tolist() == [1, 2]


def test_roboflows_names_stand_for_the_pictures_they_were_made_of(tmp_path: Path) -> None:
    tree = coco(images=[{"id": 11, "file_name": roboflow(6)}, {"id": 12, "file_name": roboflow(3)}])
    seen = seen_coco(tmp_path, tree, 3, ["frame_0003.png", "frame_0004.png", "frame_0006.png"])
    assert [len(people) for people in seen] == [1, 0, 1]
    assert seen[2].points[0, 1].tolist() == [1, 2]


def test_names_in_which_more_than_one_number_differs_are_refused(tmp_path: Path) -> None:
    tree = coco(images=[{"id": 11, "file_name": "cam1_0004.png"}, {"id": 12, "file_name": "cam2_0005.png"}])
    with pytest.raises(InputError, match=r"one number that differs, their frame's .*found cam1_0004.png and cam2_0005.png, which differ"):
        load_coco(tmp_path, tree, 60)


def load_coco(tmp_path: Path, tree: Any, frames: int) -> Any:
    (tmp_path / "labels.json").write_text(json.dumps(tree))
    return load(tmp_path / "labels.json", JOINTS, {}, None, frames, None, "v.mp4")(np.zeros((frames, 64, 64, 3), np.uint8))


def test_coco_tracks_are_identities(tmp_path: Path) -> None:
    notes = [
        {"id": 1, "image_id": 11, "category_id": 1, "keypoints": POSE, "track_id": 7},
        {"id": 2, "image_id": 12, "category_id": 1, "keypoints": POSE, "track_id": 7},
        {"id": 3, "image_id": 12, "category_id": 1, "keypoints": [9, 9, 2, 0, 0, 0, 0, 0, 0], "track_id": 3},
    ]
    seen = seen_coco(tmp_path, coco(annotations=notes))
    assert seen[0].identity.tolist() == [0, 1]
    np.testing.assert_array_equal(seen[0].points[:, 1], [[9, 9], [1, 2]])
    assert np.isnan(seen[2].points[0]).all()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([{"image_id": 1, "keypoints": POSE}], r"images, annotations and categories, found list: images, annotations, categories missing"),
        (coco(categories=[{"id": 1, "name": "mouse"}]), "must have one category with keypoints, found none"),
        (coco(annotations=[{"id": 5, "image_id": 11, "category_id": 1, "keypoints": POSE[:6]}]), r"found 6 numbers.*in annotation 5"),
        (
            coco(annotations=[{"id": 5, "image_id": 11, "category_id": 1, "keypoints": [1, 2, 7, *POSE[3:]]}]),
            r"visibility \(0, 1 or 2\) or score \(0 to 1\) of 3 keypoints, found 9 numbers, as third ones 0, 1, 7 in annotation 5",
        ),
        (
            coco(annotations=[{"id": 5, "image_id": 11, "category_id": 1, "keypoints": [1, 2, 2.5, *POSE[3:]]}]),
            r"found 9 numbers, as third ones 0, 1, 2.5 in annotation 5",
        ),
        (
            coco(annotations=[{"id": 5, "image_id": 99, "category_id": 1, "keypoints": POSE}]),
            "annotation of image 99, which its images lack",
        ),
        (coco(images=[{"id": 11}]), r"must follow COCO's keypoint format, found it damaged \(KeyError"),
    ],
)
def test_unfit_coco_files_are_refused(tmp_path: Path, tree: Any, message: str) -> None:
    if "images" in tree and tree["images"] == [{"id": 11}]:
        tree = {**tree, "annotations": tree["annotations"][:1]}
    with pytest.raises(InputError, match=message):
        seen_coco(tmp_path, tree)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"images": [')
    with pytest.raises(InputError, match="must be JSON, found it damaged"):
        load(tmp_path / "labels.json", JOINTS, {}, None, 3, None, "v.mp4")


def person(points: int = 25, hand: bool = False) -> dict[str, Any]:
    """Part i of the body at (10 + i, 20 + i), sure by half; the hand's at (100 + i, 200 + i); the second part is not seen."""
    body = [v for i in range(points) for v in ((0, 0, 0) if i == 1 else (10 + i, 20 + i, 0.5))]
    left = [v for i in range(21) for v in (100 + i, 200 + i, 0.9)] if hand else []
    return {
        "person_id": [-1],
        "pose_keypoints_2d": body,
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": left,
        "hand_right_keypoints_2d": [],
    }


def openpose(tmp_path: Path, files: dict[str, list[dict[str, Any]]]) -> Path:
    folder = tmp_path / "json"
    folder.mkdir()
    for name, people in files.items():
        (folder / f"{name}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def test_openpose_parts_have_the_models_order(tmp_path: Path) -> None:
    folder = openpose(tmp_path, {"v_000000000000": [], "v_000000000002": [person(hand=True), person()]})
    seen = load(folder, HUMAN, {}, None, 3, None, "v.mp4")(BLOCK)
    assert [len(people) for people in seen] == [0, 0, 2]
    assert seen[2].identity is None
    one = dict(zip(HUMAN, seen[2].points[0].tolist(), strict=True))
    # BODY_25: 8 is the middle of the hips, 9 the right hip, 14 the left ankle, 19 the left big toe, 21 its heel, 24 the right heel
    assert (one["nose"], one["right_hip"], one["left_ankle"]) == ([10, 20], [19, 29], [24, 34])
    assert (one["left_toe"], one["left_heel"], one["right_toe"], one["right_heel"]) == ([29, 39], [31, 41], [32, 42], [34, 44])
    assert (one["left_thumb_cmc"], one["left_pinky_tip"]) == ([101, 201], [120, 220])
    assert np.isnan(one["neck"]).all()
    assert seen[2].score[0][HUMAN.index("nose")] == 0.5
    assert np.isnan(seen[2].points[1][HUMAN.index("left_thumb_cmc")]).all()


def test_openpose_coco_model_has_eighteen_parts(tmp_path: Path) -> None:
    seen = load(openpose(tmp_path, {"v_000000000001": [person(18)]}), HUMAN, {}, None, 3, None, "v.mp4")(BLOCK)
    one = dict(zip(HUMAN, seen[1].points[0].tolist(), strict=True))
    assert (one["right_hip"], one["left_ear"]) == ([18, 28], [27, 37])


COCO_17 = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
]


def test_halpe_26_is_read(tmp_path: Path) -> None:
    """Pose2Sim's default: after COCO's 17 come head, neck, middle of the hips, big toes, small toes and heels, left ones first."""
    seen = load(openpose(tmp_path, {"v_000000000001": [person(26)]}), HUMAN, {}, None, 3, None, "v.mp4")(BLOCK)
    one = dict(zip(HUMAN, seen[1].points[0].tolist(), strict=True))
    for name, part in [*((name, i) for i, name in enumerate(COCO_17) if i != 1), ("neck", 18), ("left_toe", 20), ("right_toe", 21)]:
        assert one[name] == [10 + part, 20 + part], name
    assert (one["left_heel"], one["right_heel"]) == ([34, 44], [35, 45])


@pytest.mark.parametrize("points", [17, 133])
def test_coco_bodies_have_the_neck_between_their_shoulders(tmp_path: Path, points: int) -> None:
    seen = load(openpose(tmp_path, {"v_000000000001": [person(points)]}), HUMAN, {}, None, 3, None, "v.mp4")(BLOCK)
    one = dict(zip(HUMAN, seen[1].points[0].tolist(), strict=True))
    assert (one["left_shoulder"], one["right_ankle"], one["neck"]) == ([15, 25], [26, 36], [15.5, 25.5])
    if points == 133:  # left foot from 17, right foot from 20, face from 23, left hand from 91, right hand from 112
        assert (one["left_toe"], one["left_heel"], one["right_toe"]) == ([27, 37], [29, 39], [30, 40])
        assert (one["right_mouth"], one["left_mouth"]) == ([81, 91], [87, 97])
        assert (one["left_thumb_cmc"], one["right_pinky_tip"]) == ([102, 112], [142, 152])


ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
BODY_25 = ["nose", "neck", *(f"right_{part}" for part in ARM), *(f"left_{part}" for part in ARM), "mid_hip"]
BODY_25 += [*(f"right_{part}" for part in LEG), *(f"left_{part}" for part in LEG), "right_eye", "left_eye", "right_ear", "left_ear"]
FEET = ["left_toe", None, "left_heel", "right_toe", None, "right_heel"]


@pytest.mark.parametrize("seen_parts", ["all", "upper"])
@pytest.mark.parametrize("order", [[*BODY_25, *FEET], [*COCO_17, None, None, *FEET]], ids=["BODY_25", "BODY_25B"])
def test_body_25b_is_told_from_body_25(tmp_path: Path, order: list[str | None], seen_parts: str) -> None:
    figure = Figure(height_px=300)
    poses = figure.points(12, (256, 400), Motion())
    files = {}
    for t, pose in enumerate(poses):
        at = dict(zip(figure.joints, pose, strict=True))
        at["mid_hip"] = (at["right_hip"] + at["left_hip"]) / 2
        hidden = ("knee", "ankle", "toe", "heel", "hip") if seen_parts == "upper" else ()
        shown = [name if name and not any(part in name for part in hidden) else None for name in order]
        files[f"v_{t:012}"] = [{"pose_keypoints_2d": [v for name in shown for v in ((*at[name], 0.9) if name else (0, 0, 0))]}]
    seen = load(openpose(tmp_path, files), HUMAN, {}, None, 12, None, "v.mp4")(np.zeros((12, 512, 512, 3), np.uint8))
    for name in ("nose", "left_eye", "right_elbow", "left_wrist", *(("left_hip", "right_knee", "left_toe") if seen_parts == "all" else ())):
        found = np.stack([people.points[0, HUMAN.index(name)] for people in seen])
        np.testing.assert_allclose(found, poses[:, figure.joints.index(name)], atol=1e-6, err_msg=name)


def test_openpose_files_of_pictures_go_by_their_names(tmp_path: Path) -> None:
    folder = openpose(tmp_path, {"b": [person()], "a": []})
    seen = load(folder, HUMAN, {}, None, 2, ["a.png", "b.png"], "pictures")(BLOCK[:2])
    assert [len(people) for people in seen] == [0, 1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"v_000000000000": []}, "must show somebody, found no keypoints in its 1 files"),
        (
            {"v_000000000000": [{"pose_keypoints_2d": [1.0] * 60}]},
            r"3 numbers for each body point, one of 17, 18, 25, 26, 133, and 21 a hand, found 60 pose",
        ),
        ({"v": [person()]}, r"must name its files by their frame's number \(<clip>_000000000012_keypoints.json\), found v; rename"),
        ({"v_000000000000": [person(18)], "v_000000000001": [person(25)]}, r"must hold one model's people, found bodies of 18, 25 points"),
        ({"v1_05": [person()], "v2_07": [person()]}, r"found v1_05 and v2_07, which differ in more"),
        (
            {"v_000000000000": [{"pose_keypoints_2d": [0.5] * 75}]},
            r"must hold pixels, found numbers up to 0.50; run OpenPose with --keypoint_scale 0",
        ),
        ({"v_000000000007": [person()]}, "found 1 for 3 frames, one of them for frame 7"),
    ],
)
def test_unfit_openpose_folders_are_refused(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(openpose(tmp_path, files), HUMAN, {}, None, 3, None, "v.mp4")


def test_other_json_in_an_openpose_folder_is_named(tmp_path: Path) -> None:
    folder = openpose(tmp_path, {"v_000000000000": [person()]})
    (folder / "settings.json").write_text("{}")
    with pytest.raises(InputError, match=r"settings.json must be OpenPose's JSON with a list of people"):
        load(folder, HUMAN, {}, None, 3, None, "v.mp4")
