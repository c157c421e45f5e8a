"""Mattes by the segmentation that BlazePose's landmark network gives beside its joints: people, seen whole or in part."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.networks.blazepose import (
    MIN_PRESENCE,
    DetectorNet,
    LandmarkNet,
    LandmarkResult,
    roi_from_alignment,
    roi_from_box,
    roi_from_joints,
)
from pipeline.networks.mediapipe import Roi

BOX_BEYOND_JOINTS = 0.06


def load(
    weights_folder: Path, threads: int, hips: list[int], shoulders: list[int]
) -> Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4), points (t j 2) or None) → mattes (t h w) uint8, 255 = person.

    boxes are the half-open boxes of the person's joints, NaN where it is absent (the matte is then 0). With points, whose
    hips and shoulders are given by index, the network sees the person upright, however it leans. Where it does not
    recognise a person there, it looks where the detector sees that person; where it still does not, the matte is 0.
    Coarse: one value for about 1/200 of the body's height.
    """
    network, detector = LandmarkNet(weights_folder, threads), DetectorNet(weights_folder, threads)

    def segment(frames: np.ndarray, boxes_xyxy: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        mattes = np.zeros(frames.shape[:3], np.uint8)
        for i, box in enumerate(boxes_xyxy):
            if not np.isfinite(box).all():
                continue
            frame = np.ascontiguousarray(frames[i])
            roi = roi_from_box(_whole_body(box)) if points is None else roi_from_joints(points[i], hips, shoulders)
            seen = _recognised(frame, box, roi, network, detector)
            if seen is not None:
                size = (frames.shape[2], frames.shape[1])
                level = np.rint(seen.segmentation * 255).astype(np.uint8)
                mattes[i] = cv2.warpAffine(level, seen.matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return mattes

    return segment


def _recognised(
    frame: np.ndarray,
    box: np.ndarray,
    roi: Roi,
    network: Callable[[np.ndarray, Roi], LandmarkResult],
    detector: DetectorNet,
) -> LandmarkResult | None:
    """What the network sees in the square, or else in the detector's square of that person; None where it sees nobody."""
    seen = network(frame, roi)
    if seen.presence >= MIN_PRESENCE:
        return seen
    other = _detected(detector(frame).keypoints, box)
    seen = None if other is None else network(frame, other)
    return seen if seen is not None and seen.presence >= MIN_PRESENCE else None


def _detected(keypoints: np.ndarray, box: np.ndarray) -> Roi | None:
    """The square of the detection (n 4 2) whose hips or shoulders lie in the joints' box, the nearest one; None without any."""
    middle, half = (box[:2] + box[2:] - 1) / 2, (box[2:] - box[:2]) / 2
    # Of the four points of a detection the first is the hips' centre, the third the shoulders'.
    away = np.abs(keypoints[:, [0, 2]] - middle)
    near = (away <= half).all(axis=-1).any(axis=-1)
    if not near.any():
        return None
    distance = np.where(near, np.linalg.norm(away, axis=-1).min(axis=-1), np.inf)
    hips, extent = keypoints[int(distance.argmin()), :2]
    return roi_from_alignment(hips, extent)


def _whole_body(box: np.ndarray) -> np.ndarray:
    """Joints end at eyes, wrists and toes; the box of the body lies a little further out."""
    pad = BOX_BEYOND_JOINTS * max(box[2] - box[0], box[3] - box[1])
    return box + np.array([-pad, -pad, pad, pad])
