"""Which joint is which: the networks' own numbering, written down here from their publications, against what the adapters make of it.

Tests that map through an adapter's own table cannot see that two of its names are exchanged.
"""

import numpy as np

from pipeline.networks.blazepose import LandmarkResult
from pipeline.pose.backends.blazepose import _to_people
from pipeline.pose.backends.openpose import _rows
from pipeline.pose.backends.openpose.hands import ARMS
from pipeline.pose.refiners.dcpose import _in_order

# mediapipe's PoseLandmark, 0 to 32
LANDMARKS = (
    "NOSE LEFT_EYE_INNER LEFT_EYE LEFT_EYE_OUTER RIGHT_EYE_INNER RIGHT_EYE RIGHT_EYE_OUTER LEFT_EAR RIGHT_EAR MOUTH_LEFT MOUTH_RIGHT "
    "LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW LEFT_WRIST RIGHT_WRIST LEFT_PINKY RIGHT_PINKY LEFT_INDEX RIGHT_INDEX LEFT_THUMB "
    "RIGHT_THUMB LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_ANKLE RIGHT_ANKLE LEFT_HEEL RIGHT_HEEL LEFT_FOOT_INDEX RIGHT_FOOT_INDEX"
)
# OpenPose's COCO model, 0 to 17: R and L are the person's
PARTS = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar LEar"
# OpenPose's hand: the wrist, then four points a finger from the palm outwards
HAND = ["Wrist", *(f"{finger}{i}" for finger in ("Thumb", "Index", "Middle", "Ring", "Pinky") for i in (1, 2, 3, 4))]
# PoseTrack 2018's 17 categories
CATEGORIES = (
    "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle"
)
MEDIAPIPE, COCO_18, POSETRACK = (names.split() for names in (LANDMARKS, PARTS, CATEGORIES))
SIDED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")


def test_blazepose():
    wanted = {f"{side}_{part}": f"{side}_{part}".upper() for side in ("left", "right") for part in (*SIDED, "heel")}
    for side in ("left", "right"):
        wanted |= {f"{side}_mouth": f"MOUTH_{side.upper()}", f"{side}_toe": f"{side.upper()}_FOOT_INDEX"}
        wanted |= {f"{side}_{finger}_mcp": f"{side.upper()}_{finger.upper()}" for finger in ("thumb", "index", "pinky")}
    wanted["nose"] = "NOSE"
    points = np.stack([np.arange(39.0), 100 + np.arange(39.0)], axis=1)
    result = LandmarkResult(points, np.arange(39) / 100, np.ones(39), 1.0, np.zeros((256, 256)), np.eye(2, 3))
    joints = (*wanted, "neck", "left_ring_tip")
    people = _to_people([result], joints)
    numbers = [MEDIAPIPE.index(name) for name in wanted.values()]
    assert people.points[0, : len(wanted), 0].tolist() == numbers
    assert people.points[0, : len(wanted), 1].tolist() == [100 + number for number in numbers]
    assert people.score[0, : len(wanted)].tolist() == [number / 100 for number in numbers]
    assert people.points[0, -2].tolist() == [11.5, 111.5]  # midway between the shoulders, as sure as the less sure one
    assert people.score[0, -2] == 0.11
    assert np.isnan(people.points[0, -1]).all()


def test_openpose_s_body():
    letter = {"left": "L", "right": "R"}
    wanted = {f"{side}_{part}": f"{letter[side]}{part.capitalize()}" for side in letter for part in SIDED}
    wanted |= {"nose": "Nose", "neck": "Neck"}
    assert _rows(list(wanted)) == [COCO_18.index(name) for name in wanted.values()]


def test_openpose_s_hands():
    """The left hand's 21 points come first, then the right hand's, after the body's 18; the thumb has no dip, the others no cmc."""
    names = {"thumb": ("cmc", "mcp", "ip", "tip")} | dict.fromkeys(("index", "middle", "ring", "pinky"), ("mcp", "pip", "dip", "tip"))
    wanted = [(f"{finger}_{name}", f"{finger.capitalize()}{i}") for finger, parts in names.items() for i, name in enumerate(parts, 1)]
    for first, side in ((18, "left"), (18 + 21, "right")):
        assert _rows([f"{side}_{joint}" for joint, _ in wanted]) == [first + HAND.index(name) for _, name in wanted]
    for side, letter in (("left", "L"), ("right", "R")):
        assert ARMS[side] == tuple(COCO_18.index(f"{letter}{part}") for part in ("Shoulder", "Elbow", "Wrist"))
    assert list(ARMS) == ["left", "right"]
    assert _rows(["tail"]) == [18 + 2 * 21]


def test_dcpose():
    found = np.stack([np.arange(17.0), 100 + np.arange(17.0), np.arange(17) / 100], axis=1)
    joints = [f"{side}_{part}" for side in ("left", "right") for part in SIDED[:6]]
    ordered = _in_order(found, ["nose", *joints, "neck", "left_ear"])
    assert ordered[:-2, 0].tolist() == [POSETRACK.index(joint) for joint in ("nose", *joints)]
    assert ordered[-2].tolist() == [5.5, 105.5, 0.05]
    assert np.isnan(ordered[-1, :2]).all()  # PoseTrack labels no ears
