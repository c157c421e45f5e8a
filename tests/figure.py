"""A drawn articulated figure, and a worm, whose keypoints, mattes and background are known exactly.

Test support: everything here is computed from sines, so a test may state what the pipeline has to find.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from painting import Painter, paint_clip
from painting import static_background as static_background
from painting import write_video as write_video

from pipeline.artifacts.keypoints import ORIGINS, Keypoints
from pipeline.body.skeleton import Skeleton, load_skeleton
from pipeline.video.clock import NO_TIME, Clock

SKELETONS = Path(__file__).parent.parent / "pipeline" / "skeletons"
HAND_POINTS = ("thumb_mcp", "index_mcp", "pinky_mcp")
LENGTHS = {  # shares of the standing height, before `proportions`
    "neck": 0.10, "head": 0.055, "shoulders": 0.105, "torso": 0.30, "hips": 0.062, "upper_arm": 0.16, "forearm": 0.14,
    "hand": 0.045, "thigh": 0.235, "shin": 0.22, "ankle": 0.035, "foot": 0.075,
}  # fmt: skip
COLOURS = {
    "skin": (224, 172, 140), "hair": (60, 40, 25), "shirt": (200, 40, 60), "stripe": (250, 235, 215),
    "right_trouser": (30, 60, 130), "left_trouser": (40, 80, 160), "right_shoe": (240, 220, 60),
    "left_shoe": (250, 140, 30), "right_hand": (235, 180, 150), "left_hand": (210, 150, 120),
    "eyes": (20, 20, 30), "nose": (180, 110, 90), "mouth": (170, 40, 50),
}  # fmt: skip
FACE = {  # point on a turning head: angle from straight ahead in degrees, height in head radii
    "nose": (0, 0.0), "right_eye": (-28, -0.30), "left_eye": (28, -0.30), "right_ear": (-88, -0.15),
    "left_ear": (88, -0.15), "right_mouth": (-22, 0.45), "left_mouth": (22, 0.45),
}  # fmt: skip
JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "right_mouth", "left_mouth", "right_heel", "left_heel", "right_toe", "left_toe",
    *(f"{side}_{point}" for side in ("right", "left") for point in HAND_POINTS),
)  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """What a figure does: steps from foot to foot (the other stays planted), waves its arms, turns its head.

    Lengths are shares of the standing height; `travel` is the way sideways in one period, `depth` the amplitude of
    walking towards the camera (0.2 = between 0.8 and 1.2 of the size; feet then move on the image).
    """

    period: float = 24.0
    stance: float = 0.085
    lift: float = 0.06
    travel: float = 0.0
    sway: float = 0.02
    wave: float = 1.0
    turn_degrees: float = 25.0
    depth: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True)
class Figure:
    """A person drawn at a standing height in px; proportions multiply LENGTHS, colours replace COLOURS."""

    height_px: float = 100.0
    proportions: dict[str, float] = field(default_factory=dict)
    colours: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    joints: tuple[str, ...] = JOINTS

    def length(self, name: str) -> float:
        """A length in px."""
        return LENGTHS[name] * self.proportions.get(name, 1.0) * self.height_px

    def points(self, t: int, foot_xy: tuple[float, float], motion: Motion = Motion()) -> np.ndarray:
        """Exact joints (t j 2) float64 in px; foot_xy is the ground between the feet at the start."""
        return np.stack([self._pose(frame, np.array(foot_xy, np.float64), motion) for frame in range(t)])

    def planted(self, t: int, motion: Motion = Motion()) -> np.ndarray:
        """Which foot, right or left, touches the ground: (t 2) bool."""
        return np.stack([[_swing(frame, motion, side)[1] == 0 for side in (0, 1)] for frame in range(t)])

    def render(self, points: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paint the poses (t j 2) over a background (h w 3): frames (t h w 3) and true mattes (t h w), both uint8."""
        return paint_clip(background, points, lambda painter, pose: self._paint(painter, dict(zip(self.joints, pose, strict=True))))

    def _pose(self, frame: int, foot_xy: np.ndarray, motion: Motion) -> np.ndarray:
        angle = 2 * np.pi * (frame / motion.period) + motion.phase
        height = self.height_px
        leg = self.length("thigh") + self.length("shin")
        way = motion.travel * height * (frame / motion.period - 0.25)  # feet trail the turn by a quarter period
        pelvis = _off(foot_xy, way + motion.sway * height * np.sin(angle), -self.length("ankle") - 0.93 * leg)
        neck = _off(pelvis, 0.3 * motion.sway * height * np.sin(angle), -self.length("torso"))
        joints = {"neck": neck}
        self._head(joints, _off(neck, 0, -self.length("neck")), np.radians(motion.turn_degrees) * np.sin(angle / 2))
        for side, (name, sign) in enumerate((("right", -1.0), ("left", 1.0))):
            step, lift = _swing(frame, motion, side)
            ground = _off(foot_xy, (sign * motion.stance + motion.travel * step) * height, -lift * height)
            self._leg(joints, name, _off(pelvis, sign * self.length("hips"), 0), ground, sign)
            shoulder = _off(neck, sign * self.length("shoulders"), 0)
            swing = np.sin(angle + (np.pi / 3 if side else 0))
            self._arm(joints, name, shoulder, sign, 0.6 + 0.7 * motion.wave * swing, 0.9 * motion.wave * (1 + swing))
        pose = np.stack([joints[joint] for joint in self.joints])
        size = 1 + motion.depth * np.sin(angle / 3)
        horizon = _off(foot_xy, 0, -1.2 * height)
        return horizon + (pose - horizon) * size if motion.depth else pose

    def _head(self, joints: dict[str, np.ndarray], centre: np.ndarray, yaw: float) -> None:
        radius = self.length("head")
        for name, (degrees, down) in FACE.items():
            joints[name] = centre + radius * np.array([np.sin(np.radians(degrees) + yaw), down])

    def _leg(self, joints: dict[str, np.ndarray], name: str, hip: np.ndarray, ground: np.ndarray, sign: float) -> None:
        ankle = _off(ground, 0, -self.length("ankle"))
        joints[f"{name}_hip"], joints[f"{name}_ankle"] = hip, ankle
        joints[f"{name}_knee"] = _bend(hip, ankle, self.length("thigh"), self.length("shin"), sign)
        joints[f"{name}_heel"] = _off(ground, -sign * 0.2 * self.length("foot"), 0)
        joints[f"{name}_toe"] = _off(ground, sign * 0.8 * self.length("foot"), 0)

    def _arm(self, joints: dict[str, np.ndarray], name: str, shoulder: np.ndarray, sign: float, raised: float, bent: float) -> None:
        elbow = shoulder + self.length("upper_arm") * _heading(raised, sign)
        wrist = elbow + self.length("forearm") * _heading(raised + bent, sign)
        joints[f"{name}_shoulder"], joints[f"{name}_elbow"], joints[f"{name}_wrist"] = shoulder, elbow, wrist
        for point, spread in zip(HAND_POINTS, (-0.6, -0.15, 0.35), strict=True):
            joints[f"{name}_{point}"] = wrist + self.length("hand") * _heading(raised + bent + spread, sign)

    def _paint(self, painter: Painter, at: dict[str, np.ndarray]) -> None:
        colour = {**COLOURS, **self.colours}
        k = self.height_px
        for side in ("right", "left"):
            hip, knee, ankle, heel, toe = (at[f"{side}_{n}"] for n in ("hip", "knee", "ankle", "heel", "toe"))
            painter.line([hip, knee], 0.078 * k, colour[f"{side}_trouser"])
            painter.line([knee, ankle], 0.06 * k, colour[f"{side}_trouser"])
            painter.line([heel, toe], 0.04 * k, colour[f"{side}_shoe"])
            painter.line([ankle, heel * 0.5 + toe * 0.5], 0.045 * k, colour[f"{side}_shoe"])
        corners = [at[f"{n}"] for n in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
        painter.polygon(corners, 0.05 * k, colour["shirt"])
        for share in (0.15, 0.4, 0.65, 0.9):
            ends = [corners[0] * (1 - share) + corners[3] * share, corners[1] * (1 - share) + corners[2] * share]
            painter.line(ends, 0.02 * k, colour["stripe"])
        middle = (at["right_ear"] + at["left_ear"] + at["nose"]) / 3
        painter.line([at["neck"], middle], 0.06 * k, colour["skin"])
        for side in ("right", "left"):
            shoulder, elbow, wrist = (at[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist"))
            fingers = [at[f"{side}_{n}"] for n in HAND_POINTS]
            painter.line([shoulder, elbow], 0.055 * k, colour["shirt"])
            painter.line([elbow, wrist], 0.042 * k, colour["skin"])
            for finger in fingers:
                painter.line([wrist, finger], 0.022 * k, colour[f"{side}_hand"])
        self._paint_head(painter, at, middle, colour)

    def _paint_head(self, painter: Painter, at: dict[str, np.ndarray], middle: np.ndarray, colour: dict[str, tuple[int, int, int]]) -> None:
        radius = self.length("head")
        ears = (at["right_ear"] + at["left_ear"]) / 2
        painter.disc(_off(ears, 0, -0.35 * radius), 1.2 * radius, colour["hair"])
        painter.disc(_off(ears, 0, 0.25 * radius), 1.08 * radius, colour["skin"])
        for ear in ("right_ear", "left_ear"):
            painter.disc(at[ear], 0.2 * radius, colour["skin"])
        for eye in ("right_eye", "left_eye"):
            painter.disc(at[eye], 0.17 * radius, colour["eyes"])
        painter.disc(at["nose"], 0.15 * radius, colour["nose"])
        painter.line([at["right_mouth"], at["left_mouth"]], 0.15 * radius, colour["mouth"])


@dataclass(frozen=True)
class Worm:
    """An animal of two joints or more that swims in a circle; joints are head, body_1, …, tail."""

    length_px: float = 30.0
    count: int = 2

    @property
    def joints(self) -> tuple[str, ...]:
        """Joint names from head to tail."""
        return ("head", *(f"body_{i}" for i in range(1, self.count - 1)), "tail")

    def points(self, t: int, centre_xy: tuple[float, float], radius_px: float = 20.0, period: float = 24.0) -> np.ndarray:
        """Exact joints (t j 2) float64 in px; neighbouring joints are always equally far apart."""
        angle = 2 * np.pi * np.arange(t) / period
        points = [np.array(centre_xy) + radius_px * np.stack([np.cos(angle), np.sin(angle)], -1)]
        for i in range(1, self.count):
            heading = angle - np.pi / 2 + 0.5 * np.sin(2 * angle - i)
            points.append(points[-1] + self.length_px / (self.count - 1) * np.stack([np.cos(heading), np.sin(heading)], -1))
        return np.stack(points, 1)

    def render(self, points: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paint the worm: frames (t h w 3) and true mattes (t h w), both uint8."""
        return paint_clip(background, points, self._paint)

    def _paint(self, painter: Painter, pose: np.ndarray) -> None:
        painter.line(list(pose), 0.3 * self.length_px, (90, 60, 40))
        painter.line(list(pose), 0.1 * self.length_px, (200, 170, 60))
        painter.disc(pose[0], 0.2 * self.length_px, (220, 60, 60))


def worm(joints: int = 2, length_px: float = 30.0) -> Worm:
    """An animal of so many joints."""
    return Worm(length_px, joints)


def truth(points: np.ndarray, joints: Sequence[str], skeleton: Skeleton, size_hw: tuple[int, int], fps: str | None = "25") -> Keypoints:
    """Exact points (t j 2) as the keypoints of one selected person; joints of the skeleton that are not given are missing."""
    table = np.full((len(points), 1, len(skeleton.joints), 2), np.nan, np.float32)
    for i, joint in enumerate(joints):
        table[:, 0, skeleton.index(joint)] = points[:, i]
    score = np.isfinite(table[..., 0]).astype(np.float32)
    origin = (score * ORIGINS.index("imported")).astype(np.uint8)
    clock = NO_TIME if fps is None else Clock.regular(fps, len(points))
    return Keypoints(table, score, origin, skeleton, clock, size_hw, selected=0)


def human() -> Skeleton:
    """The project's human skeleton."""
    return load_skeleton(SKELETONS / "human.yaml")


def worm_skeleton(joints: int = 2) -> Skeleton:
    """The skeleton of worm(joints): a chain, without ground, face, regions or mirror pairs."""
    names = Worm(count=joints).joints
    chain = [
        {"parent": a, "child": b, "width": 1.0, "drawn": True, "colour": [255, 40 * i % 255, 0]} for i, (a, b) in enumerate(pairwise(names))
    ]
    tree = {"name": "worm", "joints": names, "root": names[0], "limbs": chain, "mirror": [], "roles": {}, "regions": []}
    return Skeleton.from_json(json.dumps({**tree, "face_vectors": []}))


def write_deeplabcut(path: Path, points: np.ndarray, joints: Iterable[str], likelihood: np.ndarray | None = None) -> Path:
    """Write points (t j 2) as a DeepLabCut csv: three header rows, then frame, x, y, likelihood by joint."""
    joints = list(joints)
    likelihood = np.ones(points.shape[:2]) if likelihood is None else likelihood
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["scorer", *["drawn"] * (3 * len(joints))])
        rows.writerow(["bodyparts", *[joint for joint in joints for _ in range(3)]])
        rows.writerow(["coords", *["x", "y", "likelihood"] * len(joints)])
        for frame, (pose, score) in enumerate(zip(points, likelihood, strict=True)):
            values = np.column_stack([pose, score]).ravel()
            rows.writerow([frame, *("" if np.isnan(v) else f"{v:.5f}" for v in values)])
    return Path(path)


def _off(point: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """A point beside another."""
    return point + np.array((dx, dy))


def _heading(raised: float, sign: float) -> np.ndarray:
    """Unit vector at an angle in radians from straight down, outwards on the given side."""
    return np.array([sign * np.sin(raised), np.cos(raised)])


def _bend(hip: np.ndarray, ankle: np.ndarray, thigh: float, shin: float, sign: float) -> np.ndarray:
    """The knee that joins hip and ankle with both lengths exact, bent outwards."""
    span = ankle - hip
    distance = float(np.linalg.norm(span))
    along = (distance**2 + thigh**2 - shin**2) / (2 * distance)
    aside = np.sqrt(max(0.0, thigh**2 - along**2))
    unit = span / distance
    return hip + along * unit + sign * aside * np.array([unit[1], -unit[0]])


def _swing(frame: int, motion: Motion, side: int) -> tuple[float, float]:
    """How far a foot has stepped in periods, and how high it is lifted in standing heights (0 = planted)."""
    turns = frame / motion.period + motion.phase / (2 * np.pi) + 0.5 * side
    whole, part = divmod(turns, 1.0)
    part = np.clip((part - 0.55) / 0.4, 0, 1)  # each foot is in the air for 0.4 of its period, never both
    start = motion.phase / (2 * np.pi) + 0.5 * side
    return float(whole + part * part * (3 - 2 * part) - start), float(motion.lift * np.sin(np.pi * part)) * (0 < part < 1)
