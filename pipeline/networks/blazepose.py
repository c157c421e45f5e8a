"""BlazePose's two networks (Bazarevsky et al. 2020), run by ai-edge-litert: people, and one person's landmarks and segmentation.

The arithmetic around them (anchors, weighted suppression, rotated crop, heat map refinement) follows the graphs of
mediapipe 0.10.21 and is held to it by tests/pose/test_blazepose_golden.py. Points here are full pixels with integer = pixel centre.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.networks.mediapipe import Roi, open_network, run_by_shape

DETECTOR_FILE = "pose_detection.tflite"
LANDMARK_FILE = "pose_landmark_full.tflite"
DETECTOR_PX = 224
LANDMARK_PX = 256
LANDMARKS = 39  # 33 of the body, 2 that give the next frame's crop, 4 unused
HIPS, EXTENT = 33, 34  # centre of the hips; a point on the circle around the whole body, along its spine
ROI_SCALE = 1.25
BODY_RADIUS = 1.72  # trunks from the hips to the circle around a whole body, as the detector gives it for people who stand
MIN_PRESENCE = 0.5  # mediapipe's own threshold for "there is a person in this crop"
REFINE_KERNEL = 7
REFINE_MIN_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Detections:
    """People found in one image, best first: boxes (n 4) xyxy, keypoints (n 4 2) in full pixels, scores (n) in 0..1."""

    boxes: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class LandmarkResult:
    """One person seen through a crop: points (39 2) in full pixels, the rest in 0..1 but the crop's matrix (2 3), full to crop.

    visibility (39): not hidden; inside (39): within the picture; presence: that a person is there; segmentation (256 256) float32.
    """

    points: np.ndarray
    visibility: np.ndarray
    inside: np.ndarray
    presence: float
    segmentation: np.ndarray
    matrix: np.ndarray


class DetectorNet:
    """Finds people in a whole image scaled to 224²; a person should fill at least a sixth of its longer side."""

    def __init__(self, weights_folder: Path, threads: int, min_score: float = 0.5, overlap: float = 0.3) -> None:
        self._net = _open(Path(weights_folder) / DETECTOR_FILE, threads)
        self._min_score, self._overlap = min_score, overlap

    def __call__(self, image: np.ndarray) -> Detections:
        """Return the people of image (h w 3) uint8."""
        height, width = image.shape[:2]
        roi = Roi((width / 2, height / 2), float(max(height, width)))
        crop = cv2.warpAffine(image, roi.matrix(DETECTOR_PX), (DETECTOR_PX, DETECTOR_PX), flags=cv2.INTER_LINEAR)
        outputs = run_by_shape(self._net, crop.astype(np.float32) * (2 / 255) - 1)
        codes, logits = outputs[(1, 2254, 12)][0], outputs[(1, 2254, 1)][0, :, 0]
        scores = _sigmoid(np.clip(logits, -100, 100))
        keep = np.flatnonzero(scores >= self._min_score)
        coordinates, kept_scores = merge_overlapping(decode_boxes(codes[keep], keep), scores[keep], self._overlap)
        corner = np.array(roi.centre_xy) - roi.size_px / 2
        points = coordinates.reshape(-1, 6, 2) * roi.size_px + corner
        return Detections(points[:, :2].reshape(-1, 4), points[:, 2:], kept_scores)


class LandmarkNet:
    """Finds 39 landmarks and the segmentation of the person whose whole body lies in a rotated square."""

    def __init__(self, weights_folder: Path, threads: int) -> None:
        self._net = _open(Path(weights_folder) / LANDMARK_FILE, threads)

    def __call__(self, image: np.ndarray, roi: Roi) -> LandmarkResult:
        """Return what is seen of image (h w 3) uint8 inside roi."""
        matrix = roi.matrix(LANDMARK_PX)
        outputs = run_by_shape(self._net, roi.crop(image, LANDMARK_PX).astype(np.float32) * (1 / 255))
        table = outputs[(1, 195)][0].reshape(LANDMARKS, 5)
        points = refine_by_heatmap(table[:, :2] / LANDMARK_PX, outputs[(1, 64, 64, 39)][0]) * LANDMARK_PX
        return LandmarkResult(
            points=points @ np.linalg.inv(matrix[:, :2]).T + cv2.invertAffineTransform(matrix)[:, 2],
            visibility=_sigmoid(table[:, 3]),
            inside=_sigmoid(table[:, 4]),
            presence=float(outputs[(1, 1)][0, 0]),
            segmentation=_sigmoid(outputs[(1, 256, 256, 1)][0, :, :, 0]),
            matrix=matrix,
        )


def roi_from_alignment(hips_xy: np.ndarray, extent_xy: np.ndarray) -> Roi:
    """Return the square around a person given the hips' centre and a point on the circle around the body, which becomes "up"."""
    dx, dy = (np.asarray(extent_xy, dtype=np.float64) - np.asarray(hips_xy, dtype=np.float64)).tolist()
    rotation = np.pi / 2 - np.arctan2(-dy, dx)
    rotation -= 2 * np.pi * np.floor((rotation + np.pi) / (2 * np.pi))
    centre = (float(hips_xy[0]), float(hips_xy[1]))
    return Roi(centre, max(2 * float(np.hypot(dx, dy)) * ROI_SCALE, 1.0), float(rotation))


def roi_from_box(box_xyxy: np.ndarray) -> Roi:
    """Return the upright square around a half-open person box."""
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    return Roi(((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2), max(x1 - x0, y1 - y0, 1.0) * ROI_SCALE)


def roi_from_joints(points: np.ndarray, hips: list[int], shoulders: list[int]) -> Roi:
    """Return the square around a person from keypoints (j 2), NaN where missing: turned with the spine where it is seen.

    hips and shoulders index the points; without both the square is upright around all points. With both it is never smaller
    than a whole body needs, whatever of it lies outside the picture. Raises InputError without any finite point.
    """
    finite = points[np.isfinite(points).all(axis=1)].astype(np.float64)
    if len(finite) == 0:
        raise InputError("a crop needs at least one finite keypoint, found none; leave this frame out")
    hip, shoulder = _mean_finite(points[hips]), _mean_finite(points[shoulders])
    if hip is None or shoulder is None or np.allclose(hip, shoulder):
        low, high = finite.min(axis=0), finite.max(axis=0) + 1
        return roi_from_box(np.concatenate([low, high]))
    trunk = float(np.linalg.norm(shoulder - hip))
    # The joints end at the ears and toes; the circle around the body lies a little further out.
    radius = max(1.1 * np.linalg.norm(finite - hip, axis=1).max(), BODY_RADIUS * trunk)
    return roi_from_alignment(hip, hip + (shoulder - hip) / trunk * radius)


@cache
def anchor_centres() -> np.ndarray:
    """Return the (2254 2) centres of the detector's anchors as fractions of its input: 2 a cell at strides 8 and 16, 6 at 32."""
    layers = []
    for cells, repeat in ((28, 2), (14, 2), (7, 6)):
        axis = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, repeat, axis=0))
    return np.concatenate(layers)


def decode_boxes(codes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return (n 12) fractions of the input, x0 y0 x1 y1 and four points, from codes (n 12) at the anchors' indices (n)."""
    values = codes.astype(np.float64).reshape(-1, 6, 2) / DETECTOR_PX
    centres = anchor_centres()[anchors][:, None]
    box_centre, box_size = values[:, :1] + centres, values[:, 1:2]
    corners = np.concatenate([box_centre - box_size / 2, box_centre + box_size / 2], axis=1)
    return np.concatenate([corners, values[:, 2:] + centres], axis=1).reshape(-1, 12)


def merge_overlapping(coordinates: np.ndarray, scores: np.ndarray, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes best first, each the score-weighted mean of those that overlap it by more than overlap (weighted suppression)."""
    order = np.argsort(-scores, kind="stable")
    merged, merged_scores = [], []
    while len(order):
        best = order[0]
        close = box_overlap(coordinates[best, :4], coordinates[order, :4]) > overlap
        close[0] = True
        group = order[close]
        merged.append(np.average(coordinates[group], axis=0, weights=scores[group]))
        merged_scores.append(scores[best])
        order = order[~close]
    return np.array(merged).reshape(-1, coordinates.shape[1]), np.array(merged_scores)


def box_overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return intersection over union (n) of one xyxy box with boxes (n 4); 0 for empty ones."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=1)
    union = np.prod(np.clip(box[2:] - box[:2], 0, None)) + np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def refine_by_heatmap(points: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return points (39 2), fractions of the crop, moved to the heat maps' centre of mass around them where a map is sure.

    logits (h w 39); a point stays where its window's best confidence is under 0.5 or it lies outside the map.
    """
    height, width = logits.shape[:2]
    refined = points.astype(np.float64).copy()
    reach = (REFINE_KERNEL - 1) // 2
    for index, (x, y) in enumerate(points):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        rows = np.arange(max(0, row - reach), min(height, row + reach + 1))
        columns = np.arange(max(0, column - reach), min(width, column + reach + 1))
        weight = _sigmoid(logits[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, index])
        if weight.max() >= REFINE_MIN_CONFIDENCE:
            refined[index] = (weight @ columns).sum() / weight.sum() / width, (rows @ weight).sum() / weight.sum() / height
    return refined


def _open(path: Path, threads: int) -> Any:
    return open_network(path, threads, "BlazePose needs", "fetch_pose_weights fetch_matte_weights")


def _sigmoid(values: np.ndarray) -> np.ndarray:
    """Return the logistic function, float32, without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * values.astype(np.float64)))).astype(np.float32)


def _mean_finite(points: np.ndarray) -> np.ndarray | None:
    """Return the mean of the finite points of (n 2), or None."""
    finite = points[np.isfinite(points).all(axis=1)]
    return finite.astype(np.float64).mean(axis=0) if len(finite) else None
