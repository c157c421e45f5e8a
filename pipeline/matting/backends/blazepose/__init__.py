"""Mattes by the segmentation that BlazePose's landmark network gives beside its joints: people, seen whole."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.networks.blazepose import LandmarkNet, roi_from_box, roi_from_joints

BOX_BEYOND_JOINTS = 0.06


def load(
    weights_folder: Path, threads: int, hips: list[int], shoulders: list[int]
) -> Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4), points (t j 2) or None) → mattes (t h w) uint8, 255 = person.

    boxes are the half-open boxes of the person's joints, NaN where it is absent (the matte is then 0). With points, whose
    hips and shoulders are given by index, the network sees the person upright, however it leans. Coarse: one value for
    about 1/200 of the body's height.
    """
    network = LandmarkNet(weights_folder, threads)

    def segment(frames: np.ndarray, boxes_xyxy: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        mattes = np.zeros(frames.shape[:3], np.uint8)
        for i, box in enumerate(boxes_xyxy):
            if not np.isfinite(box).all():
                continue
            roi = roi_from_box(_whole_body(box)) if points is None else roi_from_joints(points[i], hips, shoulders)
            seen = network(np.ascontiguousarray(frames[i]), roi)
            size = (frames.shape[2], frames.shape[1])
            level = np.rint(seen.segmentation * 255).astype(np.uint8)
            mattes[i] = cv2.warpAffine(level, seen.matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return mattes

    return segment


def _whole_body(box: np.ndarray) -> np.ndarray:
    """Joints end at eyes, wrists and toes; the box of the body lies a little further out."""
    pad = BOX_BEYOND_JOINTS * max(box[2] - box[0], box[3] - box[1])
    return box + np.array([-pad, -pad, pad, pad])
