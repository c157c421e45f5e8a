"""OpenPose as a pose backend: several people with 18 body joints and 20 points a hand, by the networks the paper used (§3.1)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.body.skeleton import load_skeleton
from pipeline.errors import InputError
from pipeline.pose.backends.openpose.decode import PARTS, find_people
from pipeline.pose.backends.openpose.hands import ARMS, POINTS, see_hands
from pipeline.pose.backends.openpose.infer import DTYPES, MapMaker
from pipeline.pose.backends.openpose.network import BodyNet, HandNet, read_network

FILES = {"body": "body_pose_model.pth", "hand": "hand_pose_model.pth"}
SKELETON = Path(__file__).parents[3] / "skeletons" / "human.yaml"
# The house's names of the parts in OpenPose's order; left and right are the person's own in both.
BODY_JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
# The hand's own wrist has no name here: the body's is taken.
HAND_JOINTS = (
    None, "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip", "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip


def load(
    weights: dict[str, Path],
    device: str | torch.device = "cpu",
    scales: Sequence[float] = (0.5,),
    hand_scales: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
    joints: Sequence[str] | None = None,
    precision: str = "float32",
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return the function from frames (t h w 3) uint8 RGB to an array (person joint 3) float64 a frame: x, y, score; NaN = unseen.

    Points are whole full pixels; the score is the height of the heat map there, usually 0..1. weights: files by role (body, hand)
    or by file name; without a hand network or hand_scales the hands stay unseen. scales, hand_scales: of a height of 368 px, averaged.
    joints: whose order is wanted (None: skeleton human); those OpenPose lacks stay NaN. precision: float32, or bfloat16,
    whose maps differ by up to 5 % of their largest value. Raises InputError: a file missing or unfit, a value out of range.
    """
    if precision not in DTYPES:
        raise InputError(f"precision must be {' or '.join(DTYPES)}, found {precision!r}")
    if not scales or min([*scales, *hand_scales]) <= 0:
        raise InputError(f"scales must be one or more positive numbers, found {list(scales)} for the body, {list(hand_scales)} for hands")
    paths = {role: Path(path) for role, name in FILES.items() if (path := weights.get(role, weights.get(name))) is not None}
    if "body" not in paths:
        raise InputError(f"weights must name the file {FILES['body']} (or the role body), found {sorted(weights) or 'nothing'}")
    body_maps = MapMaker(read_network(BodyNet, paths["body"]), device, precision)
    hand_maps = MapMaker(read_network(HandNet, paths["hand"]), device, precision) if hand_scales and "hand" in paths else None
    rows = _rows(joints if joints is not None else load_skeleton(SKELETON).joints)

    def see_people(frames: np.ndarray) -> list[np.ndarray]:
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise InputError(f"frames must be (t h w 3) uint8, RGB, found {frames.shape} {frames.dtype}")
        seen = []
        for image, (fields, heats) in zip(frames, body_maps(list(frames), scales), strict=True):
            parts = find_people(heats.__getitem__, fields.sample, image.shape[0]).points()
            every = np.full((len(parts), PARTS + len(ARMS) * POINTS + 1, 3), np.nan)
            every[:, :PARTS] = parts
            if hand_maps:
                every[:, PARTS:-1] = see_hands(parts, image, hand_scales, hand_maps).reshape(len(parts), len(ARMS) * POINTS, 3)
            seen.append(every[:, rows])
        return seen

    return see_people


def _rows(joints: Sequence[str]) -> list[int]:
    """Return for each joint its row: the body's parts, the points of either hand, and a last row that is never filled."""
    known = [*BODY_JOINTS, *(f"{side}_{point}" for side in ARMS for point in HAND_JOINTS)]
    return [known.index(joint) if joint in known else len(known) for joint in joints]
