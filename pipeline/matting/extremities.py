"""Hands and feet that a coarse matte lost to motion blur, found again where they differ from the still background.

Not in the paper.
"""

import cv2
import numpy as np

from pipeline.artifacts.keypoints import Keypoints
from pipeline.matting.difference import Background, difference, grown_box, threshold
from pipeline.skeleton import Region

BEYOND = 0.35
RADIUS = 0.055
GROW = 0.3


class Extremities:
    """Adds to small mattes what differs from the background within reach of the hands and feet; without one, nothing."""

    def __init__(self, keypoints: Keypoints, background: Background | None, sensitivity: float, floor_levels: float) -> None:
        self._points = keypoints.track().points
        self._parts = [r for r in keypoints.skeleton.regions if r.kind in ("hand", "foot")]
        self._skeleton = keypoints.skeleton
        self._background = background
        self._limit = None if background is None else threshold(background, sensitivity, floor_levels)

    def recovered(self, t: int, image: np.ndarray, matte: np.ndarray, body_px: float) -> np.ndarray:
        """matte (h w) float32 0..1 of frame t, raised where hands and feet show; image (H W 3) uint8 at full size."""
        if self._background is None or self._limit is None or not self._parts:
            return matte
        scale = np.array([matte.shape[1] / image.shape[1], matte.shape[0] / image.shape[0]])
        discs = np.zeros(matte.shape, np.uint8)
        for start, end in filter(None, (self._stretch(part, t) for part in self._parts)):
            a, b = ((p + 0.5) * scale - 0.5 for p in (start, end))
            width = max(1, round(2 * RADIUS * body_px * scale[1]))
            cv2.line(discs, _whole(a), _whole(b), 255, width)
        if not discs.any():
            return matte
        differs = self._differs(image, matte.shape, t)
        near = cv2.GaussianBlur(discs, (0, 0), 1.5).astype(np.float32) / 255
        return np.maximum(matte, _attached(near * differs, matte))

    def _differs(self, image: np.ndarray, small_hw: tuple[int, int], t: int) -> np.ndarray:
        """Evidence (h w) float32 0..1 at the small size that a pixel is not background; 0 where that is unknown."""
        assert self._background is not None
        assert self._limit is not None
        points = self._points[t][np.isfinite(self._points[t]).all(axis=1)]
        box = grown_box(np.concatenate([points.min(axis=0), points.max(axis=0) + 1]), GROW, image.shape[:2])
        apart = difference(image, self._background, box) / self._limit
        evidence = np.clip(apart - 1, 0, 1) * self._background.known
        return cv2.resize(evidence.astype(np.float32), small_hw[::-1], interpolation=cv2.INTER_AREA)

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
    count, labels = cv2.connectedComponents(both, connectivity=8)
    touching = np.zeros(count, bool)
    touching[np.unique(labels[matte > 0.5])] = True
    touching[0] = False
    return np.where(touching[labels], evidence, 0).astype(np.float32)


def _whole(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.clip(point, -4000, 20000)).astype(int)
    return int(x), int(y)
