"""BlazePose as a pose backend: several people, each followed from frame to frame by the crop that its own landmarks give."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.networks.blazepose import (
    EXTENT,
    HIPS,
    MIN_PRESENCE,
    ROI_SCALE,
    DetectorNet,
    LandmarkNet,
    LandmarkResult,
    roi_from_alignment,
)
from pipeline.networks.mediapipe import Roi
from pipeline.pose.people import Backend, People, nobody

SAME_PERSON = 0.15  # two results nearer than this share of the body's radius, joint by joint, are one person
KNOWN_PERSON = 0.5  # a detection whose hips lie nearer than this share of the radius to a followed person is that person
# Index of BlazePose's landmark by the house's name; left and right are the person's own in both.
LANDMARK_OF_JOINT = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_mouth": 9, "right_mouth": 10,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_pinky_mcp": 17, "right_pinky_mcp": 18, "left_index_mcp": 19, "right_index_mcp": 20,
    "left_thumb_mcp": 21, "right_thumb_mcp": 22, "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26,
    "left_ankle": 27, "right_ankle": 28, "left_heel": 29, "right_heel": 30, "left_toe": 31, "right_toe": 32,
}  # fmt: skip
SHOULDERS = (11, 12)  # the neck is midway: BlazePose has none


def load(weights: Path, threads: int, joints: tuple[str, ...], max_people: int, detect_every: int, min_detection: float) -> Backend:
    """Return the backend for a skeleton's joints; weights is the folder of the two networks.

    New people are looked for in every detect_every-th frame and whenever nobody is followed. Raises InputError when a network is missing.
    """
    detector, landmarks = DetectorNet(weights, threads, min_detection), LandmarkNet(weights, threads)
    pool = ThreadPoolExecutor(1)  # looks for people in the next frames, while those of this one are followed
    followed: list[Roi] = []
    frame = 0

    def see_people(block: np.ndarray) -> list[People]:
        nonlocal followed, frame
        seen = []
        looks = {i: pool.submit(detector, image) for i, image in enumerate(block) if (frame + i) % detect_every == 0}
        for i, image in enumerate(block):
            rois = list(followed)
            if not rois or i in looks:
                rois += _new_people((looks.get(i) or pool.submit(detector, image)).result().keypoints, rois)
            results = _distinct([r for r in (landmarks(image, roi) for roi in rois) if r.presence >= MIN_PRESENCE])[:max_people]
            followed = [roi_from_alignment(r.points[HIPS], r.points[EXTENT]) for r in results]
            frame += 1
            seen.append(_to_people(results, joints))
        return seen

    return see_people


def _new_people(keypoints: np.ndarray, followed: list[Roi]) -> list[Roi]:
    """Return the crops of those detections (n 4 2) that are nobody already followed."""
    found = [roi_from_alignment(points[0], points[1]) for points in keypoints]
    return [roi for roi in found if not any(_is_near(roi, known) for known in followed)]


def _is_near(roi: Roi, known: Roi) -> bool:
    """Whether two crops are about one person: hips near each other, and of similar size."""
    distance = np.hypot(roi.centre_xy[0] - known.centre_xy[0], roi.centre_xy[1] - known.centre_xy[1])
    small, large = sorted((roi.size_px, known.size_px))
    return bool(distance < KNOWN_PERSON * small / (2 * ROI_SCALE) and large < 2 * small)


def _distinct(results: list[LandmarkResult]) -> list[LandmarkResult]:
    """Leave out results that show a person already shown by a surer one; a crop that lost its person drifts to a neighbour."""
    kept: list[LandmarkResult] = []
    for result in sorted(results, key=lambda r: -float(r.visibility[:33].mean())):
        if not any(_same_person(result, other) for other in kept):
            kept.append(result)
    return kept


def _same_person(a: LandmarkResult, b: LandmarkResult) -> bool:
    radius = np.linalg.norm(b.points[EXTENT] - b.points[HIPS])
    weight = a.visibility[:33] * b.visibility[:33] + 1e-6
    distance = np.linalg.norm(a.points[:33] - b.points[:33], axis=1)
    return bool(np.average(distance, weights=weight) < SAME_PERSON * radius)


def _to_people(results: list[LandmarkResult], joints: tuple[str, ...]) -> People:
    """Map landmarks to the skeleton's joints by name; what BlazePose lacks is NaN."""
    people = nobody(len(joints))
    points, score = np.full((len(results), len(joints), 2), np.nan), np.zeros((len(results), len(joints)))
    for person, result in enumerate(results):
        for index, joint in enumerate(joints):
            if joint == "neck":
                points[person, index] = result.points[list(SHOULDERS)].mean(axis=0)
                score[person, index] = result.visibility[list(SHOULDERS)].min()
            elif joint in LANDMARK_OF_JOINT:
                points[person, index] = result.points[LANDMARK_OF_JOINT[joint]]
                score[person, index] = result.visibility[LANDMARK_OF_JOINT[joint]]
    return People(points, score) if results else people
