"""The parts of the bodies in OpenPose's JSON, which other tools write too, and which body a list of numbers is."""

import numpy as np

# The parts in each model's order under the house's names; None where the house has no such joint.
COCO_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
BODY_25 = (*COCO_18[:8], None, *COCO_18[8:], "left_toe", None, "left_heel", "right_toe", None, "right_heel")
COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# The upper neck and the top of the head; then the feet as in BODY_25.
BODY_25B = (*COCO_17, None, None, *BODY_25[19:])
# Head, neck, middle of the hips; big toes, small toes, heels. Pose2Sim's and Sports2D's default.
HALPE_26 = (*COCO_17, None, "neck", None, "left_toe", "right_toe", None, None, "left_heel", "right_heel")
HAND = (
    None, "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip", "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip
FACE_68 = (*[None] * 48, "right_mouth", *[None] * 5, "left_mouth", *[None] * 13)
# COCO-WholeBody: feet, face and hands follow the body in one list.
COCO_133 = (
    *COCO_17, *BODY_25[19:], *FACE_68, *(part and f"left_{part}" for part in HAND), *(part and f"right_{part}" for part in HAND),
)  # fmt: skip
BODIES = {len(parts): parts for parts in (COCO_17, COCO_18, BODY_25, HALPE_26, COCO_133)}
LIMBS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("eye", "ear"))
] + [("nose", "left_eye"), ("nose", "right_eye")]
FACE_SHARE = 0.5  # eyes and ears are nearer to the nose than this share of the longest of shoulders, torso and upper arms


def body_of(bodies: list[np.ndarray]) -> tuple[str | None, ...]:
    """Return the parts of a folder's bodies (each p 3: x, y, score), all of one length that is in BODIES.

    BODY_25 and BODY_25B have as many parts: it is the latter where most bodies have a small face and shorter limbs by it.
    """
    parts = BODIES[len(bodies[0])]
    if parts is not BODY_25:
        return parts
    votes = [vote for vote in map(_is_25b, bodies) if vote is not None]
    return BODY_25B if votes and 2 * sum(votes) > len(votes) else BODY_25


def with_neck(found: dict[str, tuple[float, float, float]]) -> dict[str, tuple[float, float, float]]:
    """Add the neck, which OpenPose means as the middle of the shoulders, to a person whose model has none."""
    sides = [found.get(f"{side}_shoulder", (0.0, 0.0, 0.0)) for side in ("left", "right")]
    sure = min(side[2] for side in sides)
    if "neck" in found or sure <= 0:
        return found
    return {**found, "neck": ((sides[0][0] + sides[1][0]) / 2, (sides[0][1] + sides[1][1]) / 2, sure)}


def _is_25b(body: np.ndarray) -> bool | None:
    """None where too little is seen to tell."""
    as_25, as_25b = ({name: values[:2] for name, values in zip(parts, body) if name and values[2] > 0} for parts in (BODY_25, BODY_25B))
    face = [as_25b[name] for name in COCO_17[:5] if name in as_25b]
    trunk = [("left_shoulder", "right_shoulder")]
    trunk += [(f"{side}_shoulder", f"{side}_{end}") for side in ("left", "right") for end in ("hip", "elbow")]
    longest = max(_lengths(as_25b, trunk), default=0.0)
    lengths, lengths_25b = _lengths(as_25, LIMBS), _lengths(as_25b, LIMBS)
    if len(face) < 3 or not longest or not lengths or not lengths_25b:
        return None
    small = max(float(np.linalg.norm(point - face[0])) for point in face) < FACE_SHARE * longest
    return small and float(np.mean(lengths_25b)) < float(np.mean(lengths))


def _lengths(at: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> list[float]:
    return [float(np.linalg.norm(at[a] - at[b])) for a, b in pairs if a in at and b in at]
