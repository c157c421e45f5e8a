"""Which pixels of a matte belong to the selected person and not to somebody else.

Not in the paper, whose footage shows one person.
"""

import cv2
import numpy as np

REACH = 0.16
FADE = 0.10
RIVAL_REACH = REACH + FADE


def own_pixels(
    size_hw: tuple[int, int],
    own: np.ndarray,
    others: np.ndarray,
    limbs: list[tuple[int, int]],
    body_px: float,
    reach_px: float | None = None,
) -> np.ndarray:
    """Weights (h w) float32 in 0..1: 1 near the person's limbs and nearer to them than to anybody else's.

    own (j 2) and others (p j 2) are joints in this image's pixels, NaN where missing; limbs are index pairs; body_px is the
    person's larger extent. Hair, hands and shoes lie beyond the joints by less than REACH × body_px, or by reach_px where given.
    """
    reach = REACH * body_px if reach_px is None else reach_px
    mine = _distance_to_limbs(size_hw, own, limbs)
    weights = np.clip(1 + (reach - mine) / (FADE * body_px), 0, 1)
    for other in others:
        if not _near(own, other, body_px):
            continue
        theirs = _distance_to_limbs(size_hw, other, limbs)
        rival = theirs < RIVAL_REACH * body_px
        # Equal distances share the pixel: the border between two people fades over a few pixels.
        share = np.clip(0.5 + (theirs - mine) / 4, 0, 1)
        weights = np.where(rival, weights * share, weights)
    return weights.astype(np.float32)


def _near(own: np.ndarray, other: np.ndarray, body_px: float) -> bool:
    a, b = own[np.isfinite(own).all(axis=1)], other[np.isfinite(other).all(axis=1)]
    if not len(a) or not len(b):
        return False
    gap = np.maximum(a.min(axis=0) - b.max(axis=0), b.min(axis=0) - a.max(axis=0))
    return bool((gap < 2 * RIVAL_REACH * body_px).all())


def _distance_to_limbs(size_hw: tuple[int, int], points: np.ndarray, limbs: list[tuple[int, int]]) -> np.ndarray:
    """Distance (h w) float32 in px from every pixel to the nearest drawn limb or lone joint."""
    canvas = np.full(size_hw, 255, np.uint8)
    # Far outside, cv2's fixed-point coordinates would overflow.
    safe = np.clip(points, -4000, 20000)
    for a, b in limbs:
        if np.isfinite(points[[a, b]]).all():
            start, end = np.rint(safe[[a, b]]).astype(int).tolist()
            cv2.line(canvas, start, end, 0, 1)
    for x, y in np.rint(safe[np.isfinite(points).all(axis=1)]).astype(int).tolist():
        cv2.circle(canvas, (x, y), 1, 0, -1)
    if canvas.all():
        return np.full(size_hw, np.inf, np.float32)
    return cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
