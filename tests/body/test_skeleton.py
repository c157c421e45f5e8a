"""Skeletons: every file loads, and what is wrong in one is named."""

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.body.skeleton import REGION_KINDS, Skeleton, load_skeleton
from pipeline.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "pipeline" / "skeletons"
FILES = sorted(FOLDER.glob("*.yaml"))
COCO_18 = [
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
]  # fmt: skip

MOUSE = {
    "name": "mouse", "joints": ["snout", "hips", "tail"], "root": "hips",
    "limbs": [
        {"parent": "hips", "child": "snout", "colour": [255, 0, 0], "width": 1.0, "drawn": True},
        {"parent": "hips", "child": "tail", "colour": [0, 0, 255], "width": 0.5, "drawn": False},
    ],
    "mirror": [], "roles": {"head": ["snout"]},
    "regions": [{"name": "face", "kind": "face", "joints": ["snout"], "limb": None}],
    "face_vectors": [],
}  # fmt: skip


def write(folder: Path, tree: object) -> Path:
    path = folder / "mouse.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(tree, file)
    return path


def changed(**values: object) -> dict[str, object]:
    return {**copy.deepcopy(MOUSE), **values}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_skeleton_loads(path):
    skeleton = load_skeleton(path)
    assert skeleton.name == path.stem
    assert len(skeleton.limbs) == len(skeleton.joints) - 1
    assert any(limb.drawn for limb in skeleton.limbs)
    assert Skeleton.from_json(skeleton.to_json()) == skeleton
    for left, right in skeleton.mirror:
        assert left != right
    for limb in skeleton.limbs:
        assert limb.width > 0
        assert all(0 <= value <= 255 for value in limb.colour)


def test_a_human_is_coco_18_and_more():
    human = load_skeleton(FOLDER / "human.yaml")
    assert list(human.joints[:18]) == COCO_18
    assert len(human.joints) == 18 + 2 + 4 + 2 * 20  # mouth corners, heels and toes, hands beside the wrists
    assert len(human.face_vectors) == 6
    assert sorted(region.kind for region in human.regions) == ["face", "foot", "foot", "hand", "hand"]
    sides = [(a.replace("left", "right"), b) for a, b in human.mirror if "left" in a]
    assert all(a == b for a, b in sides)


def test_fingers_are_what_hangs_on_a_knuckle():
    human = load_skeleton(FOLDER / "human.yaml")
    left = {f"left_{name}" for name in ("thumb_mcp", "thumb_ip", "thumb_tip")}
    left |= {f"left_{finger}_{joint}" for finger in ("index", "middle", "ring", "pinky") for joint in ("pip", "dip", "tip")}
    names = {human.joints[joint] for joint in human.fingers()}
    assert names == left | {name.replace("left", "right") for name in left}
    assert [len(hand) for hand in human.hands()] == [20, 20]
    assert human.index("left_wrist") not in human.hands()[0]
    mouse = load_skeleton(FOLDER / "mouse.yaml")
    assert (mouse.hands(), mouse.fingers()) == ([], set())


def test_names_and_roles_give_positions(tmp_path):
    mouse = load_skeleton(write(tmp_path, MOUSE))
    assert mouse.index("tail") == 2
    assert mouse.indices("head") == [0]
    assert mouse.indices("ground") == []
    assert mouse.limb_indices() == [(1, 0), (1, 2)]
    assert mouse.limb_indices(drawn_only=True) == [(1, 0)]
    with pytest.raises(InputError, match="Skeleton mouse has no joint 'ear'; it has: snout, hips, tail"):
        mouse.index("ear")


def test_the_same_skeleton_has_the_same_json(tmp_path):
    path = write(tmp_path, MOUSE)
    assert load_skeleton(path).to_json() == load_skeleton(path).to_json()
    assert Skeleton.from_json(load_skeleton(path).to_json()) == load_skeleton(path)


LIMB = {"parent": "hips", "child": "snout", "colour": [1, 2, 3], "width": 1.0, "drawn": True}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (changed(joints=["snout", "hips", "tail", "tail"]), "a joint is listed twice"),
        (changed(root="heart"), r"names joints that are not in its list: heart\."),
        (changed(mirror=[["left_ear", "right_ear"]]), r"not in its list: left_ear, right_ear\."),
        (changed(face_vectors=[["snout", "eye"]]), r"not in its list: eye\."),
        (changed(roles={"head": ["head"]}), r"not in its list: head\."),
        (changed(joints=["snout", "hips", "tail", "ear"]), r"no limb leads to ear\."),
        (changed(limbs=[LIMB, LIMB]), "limb hips → snout does not continue the tree; list parents first, each joint once"),
        (changed(limbs=[{**LIMB, "parent": "snout", "child": "tail"}, LIMB]), "limb snout → tail does not continue the tree"),
        (changed(regions=[{"name": "paw", "kind": "paw", "joints": [], "limb": None}]), r"kind 'paw'; legal: face, hand, foot\."),
        (changed(regions=[{"name": "face", "kind": "face", "joints": ["ear"], "limb": None}]), r"not in its list: ear\."),
        (changed(regions=[{"name": "foot", "kind": "foot", "joints": [], "limb": ["hips", "toe"]}]), r"not in its list: toe\."),
        (changed(limbs=[{**LIMB, "colour": [1, 2]}]), r"is not a skeleton: limbs\.0\.colour\.2: field required"),
        (changed(limbs=[{"parent": "hips"}]), r"is not a skeleton: limbs\.0\.child: field required; see pipeline/skeletons/human\.yaml"),
        ({key: value for key, value in MOUSE.items() if key != "roles"}, r"is not a skeleton: roles: field required"),
        (changed(roles=["snout"]), "is not a skeleton"),
        (["snout"], r"is not a skeleton: the file is \['snout'\]: "),
        (None, "is not a skeleton: the file is None: "),
        (changed(joints=[["snout"]]), r"joints\.0 is \['snout'\]: input should be a valid string"),
        (changed(root=None), "root is None: input should be a valid string"),
        (changed(root=["hips"]), r"root is \['hips'\]: "),
        (changed(name=7), "name is 7: "),
        (changed(limbs=[{**LIMB, "parent": 5}]), r"limbs\.0\.parent is 5: "),
        (changed(limbs=[{**LIMB, "width": -1}]), r"limbs\.0\.width is -1: input should be greater than 0"),
        (changed(limbs=[{**LIMB, "width": float("nan")}]), r"limbs\.0\.width is nan: input should be a finite number"),
        (changed(limbs=[{**LIMB, "colour": [300, 0, 0]}]), r"limbs\.0\.colour\.0 is 300: input should be less than or equal to 255"),
        (changed(limbs=[{**LIMB, "drawn": "no"}]), r"limbs\.0\.drawn is 'no': "),
        (changed(limbs=[{**LIMB, "wide": 2}]), r"limbs\.0\.wide is 2: unexpected keyword argument"),
        (changed(regions=[{"name": "../x", "kind": "face", "joints": [], "limb": None}]), r"regions\.0\.name is '\.\./x': "),
        (changed(regions=[{"name": "foot", "kind": "foot", "joints": [], "limb": ["hips"]}]), r"regions\.0\.limb\.1: field required"),
        (changed(born="2020-01-01"), "born is '2020-01-01': unexpected"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, tree, message):
    with pytest.raises(InputError, match=message) as caught:
        load_skeleton(write(tmp_path, tree))
    assert "mouse.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_broken(tmp_path):
    with pytest.raises(InputError, match=r"mouse\.yaml does not exist: name a skeleton of pipeline/skeletons"):
        load_skeleton(tmp_path / "mouse.yaml")
    (tmp_path / "mouse.yaml").write_text("joints: [")
    with pytest.raises(InputError, match=r"mouse\.yaml is not valid YAML"):
        load_skeleton(tmp_path / "mouse.yaml")


def test_region_kinds_are_those_of_the_paper():
    assert REGION_KINDS == ("face", "hand", "foot")


@pytest.mark.parametrize(("name", "joints"), [("fish", 9), ("mouse", 4)])
def test_the_animals_are_whole_and_have_no_parts_of_their_own(name, joints):
    animal = load_skeleton(Path(__file__).resolve().parents[2] / f"pipeline/skeletons/{name}.yaml")
    assert (animal.name, len(animal.joints), len(animal.limbs)) == (name, joints, joints - 1)
    assert len({limb.colour for limb in animal.limbs}) == joints - 1
    assert not animal.regions
    assert not animal.face_vectors
    assert all(animal.indices(role) for role in animal.roles)


def test_the_ends_of_a_person_s_limbs_hang_on_elbows_and_knees():
    human = load_skeleton(FOLDER / "human.yaml")
    names = [{human.joints[joint] for joint in end} for end in human.ends()]
    for side in ("left", "right"):
        assert {f"{side}_knee", f"{side}_ankle", f"{side}_heel", f"{side}_toe"} in names
        (arm,) = [end for end in names if f"{side}_elbow" in end]
        assert {f"{side}_wrist", f"{side}_thumb_tip", f"{side}_pinky_tip"} <= arm
        assert all(name.startswith(side) for name in arm)
        assert f"{side}_shoulder" not in arm
    assert len(names) == 4
    assert load_skeleton(FOLDER / "fish.yaml").ends() == []
