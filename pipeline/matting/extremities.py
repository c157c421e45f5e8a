"""Hands and feet that a coarse matte lost to motion blur, found again where they differ from the still background.

Not in the paper.
"""

import cv2
import numpy as np

from pipeline.artifacts.keypoints import Track
from pipeline.body.skeleton import Region
from pipeline.matting.difference import Background, difference, grown_box, shrunk, threshold

BEYOND = 0.35
RADIUS = 0.055
GROW = 0.3


class Extremities:
    """Adds to small mattes what differs from the background within reach of the hands and feet; without one, nothing."""

    def __init__(
        self, track: Track, background: Background | None, small_hw: tuple[int, int], sensitivity: float, floor_levels: float
    ) -> None:
        self._points, self._skeleton = track.points, track.skeleton
        self._parts = [r for r in track.skeleton.regions if r.kind in ("hand", "foot")]
        self._scale = np.array([small_hw[1] / track.size_hw[1], small_hw[0] / track.size_hw[0]])
        self._background = None if background is None else shrunk(background, small_hw)
        self._limit = None if self._background is None else threshold(self._background, sensitivity, floor_levels)

    def recovered(self, t: int, image: np.ndarray, matte: np.ndarray, body_px: float) -> np.ndarray:
        """matte (h w) float32 0..1 of frame t, raised where hands and feet show; image (h w 3) uint8 small, body_px full."""
        if self._background is None or self._limit is None or not self._parts:
            return matte
        discs = np.zeros(matte.shape, np.uint8)
        width = max(1, round(2 * RADIUS * body_px * self._scale[1]))
        for start, end in filter(None, (self._stretch(part, t) for part in self._parts)):
            cv2.line(discs, _whole(self._small(start)), _whole(self._small(end)), 255, width)
        if not discs.any():
            return matte
        near = cv2.GaussianBlur(discs, (0, 0), 1.5).astype(np.float32) / 255
        return np.maximum(matte, _attached(near * self._differs(image, t, self._background, self._limit), matte))

    def _differs(self, image: np.ndarray, t: int, background: Background, limit: np.ndarray) -> np.ndarray:
        """Evidence (h w) float32 0..1 that a pixel is not background; 0 where the background is unknown."""
        points = self._small(self._points[t][np.isfinite(self._points[t][:, 0])])
        box = grown_box(np.concatenate([points.min(axis=0), points.max(axis=0) + 1]), GROW, image.shape[:2])
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        evidence = np.zeros(image.shape[:2], np.float32)
        evidence[part] = np.clip(difference(image, background, box) / limit[part] - 1, 0, 1) * background.known[part]
        return evidence

    def _small(self, points: np.ndarray) -> np.ndarray:
        return (points.astype(np.float64) + 0.5) * self._scale - 0.5

    def _stretch(self, part: Region, t: int) -> tuple[np.ndarray, np.ndarray] | None:
        """From where to where a hand or foot reaches, in full pixels: its joints, and the limb's direction beyond them."""
        points = self._points[t]
        own = points[[self._skeleton.index(joint) for joint in part.joints]].astype(np.float64)
        own = own[np.isfinite(own).all(axis=1)]
        if not len(own) or part.limb is None:
            return None
        base, tip = (points[self._skeleton.index(joint)].astype(np.float64) for joint in part.limb)
        if not np.isfinite([base, tip]).all():
            return own.min(axis=0), own.max(axis=0)
        far = own[np.linalg.norm(own - tip, axis=1).argmax()]
        beyond = tip + BEYOND * (tip - base) if np.allclose(far, tip) or part.kind == "hand" else far
        return tip, beyond


def _attached(evidence: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Only the evidence that hangs together with the matte: what moves beside the person stays out."""
    both = ((evidence > 0.3) | (matte > 0.5)).astype(np.uint8)
    count, found = cv2.connectedComponents(both, connectivity=8)
    labels = found.astype(np.intp)
    touching = np.zeros(count, bool)
    touching[np.unique(labels[matte > 0.5])] = True
    touching[0] = False
    return np.where(touching[labels], evidence, 0).astype(np.float32)


def _whole(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.clip(point, -4000, 20000)).astype(int)
    return int(x), int(y)
