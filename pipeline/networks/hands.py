"""MediaPipe's two networks for a hand (Zhang et al. 2020; Grishchenko and Bazarevsky 2020), run by ai-edge-litert.

A body's palm says roughly where a hand is; one network finds the square about it, the other its 21 points, twice: the second time in the
square that the points themselves give. Points here are full pixels with integer = pixel centre, in the order wrist, then thumb, index,
middle, ring and pinky from the palm outwards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.networks.mediapipe import Roi, open_network, run_network

RECROP_FILE = "hand_recrop.tflite"
LANDMARK_FILE = "hand_landmark_full.tflite"
RECROP_PX = 256
LANDMARK_PX = 224
POINTS = 21
WRIST, INDEX, MIDDLE, RING, PINKY = 0, 5, 9, 13, 17  # the palm: the wrist and the knuckles of four fingers
POSE_SCALE = 2.7  # side of the first square over twice the palm's length, as in mediapipe's holistic graph
STIFF = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # wrist, thumb but its tip, the fingers' two lowest joints: they span the square
POINTS_SCALE, FORWARD = 2.0, 0.1  # the second square: so much larger than their box, moved so much of its side to the fingertips
LARGEST_PX, NEAREST_PX = 1e4, 2.0  # squares beyond these sides are of no hand


@dataclass(frozen=True)
class SeenHand:
    """A hand: points (21 2) float64 full pixels; presence in 0..1: that one is there; size_px: the side of the square it was seen in."""

    points: np.ndarray
    presence: float
    size_px: float


class HandNet:
    """Finds the 21 points of a hand of which a body's wrist, index knuckle and pinky knuckle are roughly known; 5 ms a pass."""

    def __init__(self, weights_folder: Path, threads: int) -> None:
        """Open both networks; InputError when one is missing or no network."""
        self._recrop = _open(Path(weights_folder) / RECROP_FILE, threads)
        self._landmarks = _open(Path(weights_folder) / LANDMARK_FILE, threads)

    def __call__(self, image: np.ndarray, palm: np.ndarray) -> SeenHand | None:
        """Return what is seen of the hand of palm (3 2) wrist, index and pinky knuckle in image (h w 3) uint8.

        None where the palm is not finite, has no extent, or lies too far outside the picture for any pixel of the hand to be in it.
        """
        first = roi_from_palm(palm)
        if first is None or not _touches(first, image.shape[:2]):
            return None
        centre, rim = self._square(image, first)
        second = roi_from_points(centre, rim)
        seen = None
        for _ in range(2):
            if second is None or not _touches(second, image.shape[:2]):
                return None
            seen = self._points(image, second)
            second = roi_from_hand(seen.points)
        return seen

    def _square(self, image: np.ndarray, roi: Roi) -> np.ndarray:
        """The hand's centre and the middle of its square's lower side (2 2), as the first network says."""
        values = run_network(self._recrop, _cut(image, roi, RECROP_PX))[0].reshape(2, 2)
        return _to_full(values.astype(np.float64), roi, RECROP_PX)

    def _points(self, image: np.ndarray, roi: Roi) -> SeenHand:
        points, presence = run_network(self._landmarks, _cut(image, roi, LANDMARK_PX))[:2]
        flat = points.reshape(POINTS, 3)[:, :2].astype(np.float64)
        return SeenHand(_to_full(flat, roi, LANDMARK_PX), float(presence.reshape(-1)[0]), roi.size_px)


def roi_from_palm(palm: np.ndarray) -> Roi | None:
    """The square about the hand of a palm (3 2): wrist, index and pinky knuckle; up is from the wrist to between the knuckles."""
    wrist, index, pinky = np.asarray(palm, np.float64)
    middle = (2 * index + pinky) / 3
    return _roi(middle, 2 * POSE_SCALE * float(np.hypot(*(middle - wrist))), middle - wrist)


def roi_from_points(centre: np.ndarray, rim: np.ndarray) -> Roi | None:
    """The square about a centre (2) whose lower side, that of the wrist, has its middle at rim (2)."""
    return _roi(centre, 2 * float(np.hypot(*(rim - centre))), centre - rim)


def roi_from_hand(points: np.ndarray) -> Roi | None:
    """The square about a hand of points (21 2), turned so that its palm points up."""
    up = (points[INDEX] + points[RING]) / 4 + points[MIDDLE] / 2 - points[WRIST]
    length = float(np.hypot(*up))
    if not 0 < length < np.inf:
        return None
    ahead = up / length
    axes = np.stack([np.array([-ahead[1], ahead[0]]), ahead])  # across, ahead
    spread = points[list(STIFF)] @ axes.T
    low, high = spread.min(axis=0), spread.max(axis=0)
    side = float((high - low).max())
    centre = ((low + high) / 2 + np.array([0.0, FORWARD * (high - low)[1]])) @ axes
    return _roi(centre, POINTS_SCALE * side, up)


def _roi(centre: np.ndarray, size_px: float, up: np.ndarray) -> Roi | None:
    """A square whose upper side lies in the direction `up` (2) of the picture; None where that says nothing."""
    if not np.isfinite([*centre, size_px, *up]).all() or not NEAREST_PX <= size_px <= LARGEST_PX or not up.any():
        return None
    return Roi((float(centre[0]), float(centre[1])), size_px, float(np.pi / 2 - np.arctan2(-up[1], up[0])))


def _touches(roi: Roi, size_hw: tuple[int, ...]) -> bool:
    """Whether the square's inner half, where the hand is, reaches into a picture (h, w)."""
    reach = roi.size_px / 4
    return all(-reach <= at <= side - 1 + reach for at, side in zip(roi.centre_xy, size_hw[1::-1], strict=True))


def _cut(image: np.ndarray, roi: Roi, crop_px: int) -> np.ndarray:
    return roi.crop(image, crop_px).astype(np.float32) * np.float32(1 / 255)


def _to_full(points: np.ndarray, roi: Roi, crop_px: int) -> np.ndarray:
    """Points (n 2) of a crop back in full pixels."""
    matrix = roi.matrix(crop_px)
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def _open(path: Path, threads: int) -> Any:
    return open_network(path, threads, "Hands need", "fetch_hand_weights")
