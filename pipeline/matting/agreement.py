"""A fine matte taken over where it means the same person as the coarse one: its edges, and none of its losses.

A portrait network draws sharp edges but loses limbs of whole bodies; a coarse matte loses none but has soft, ragged edges.
Not in the paper.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# Blurred by this share of the body, both mattes must nearly agree: within LOW fully, from HIGH on not at all.
BLUR_SHARE = 0.012
LOW, HIGH = 0.2, 0.5
FLOOR = 0.05
# A network that misses most of the limbs in a neighbourhood is believed in nothing there.
NEAR_SHARE = 0.05
SEES_LOW, SEES_HIGH = 0.6, 0.9
CLEAR, SOLID = 0.12, 0.88
SOLID_JOINT = 0.5
GONE = 0.15


@dataclass(frozen=True)
class Limbs:
    """Lines (h w) float32, 1 along the person's limbs; and for a body of its size the sigmas in px of a neighbourhood and of edges."""

    lines: np.ndarray
    near_px: float
    edge_px: float


def limbs_of(size_hw: tuple[int, int], points: np.ndarray, limbs: list[tuple[int, int]], body_px: float) -> Limbs:
    """Draw joints points (j 2), NaN where missing, and the limbs between them, into a picture of size_hw."""
    drawn = np.zeros(size_hw, np.uint8)
    safe = np.clip(points, -4000, 20000)
    seen = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])
    for a, b in limbs:
        if seen[a] and seen[b]:
            start, end = np.rint(safe[[a, b]]).astype(int).tolist()
            cv2.line(drawn, start, end, 255, 1)
    for centre in np.rint(safe[seen]).astype(int).tolist():
        cv2.circle(drawn, centre, 1, 255, -1)
    lines = drawn.astype(np.float32) / 255
    return Limbs(lines, max(1.0, NEAR_SHARE * body_px), max(0.7, BLUR_SHARE * body_px))


def agreed(coarse: np.ndarray, fine: np.ndarray, limbs: Limbs, still: np.ndarray | None = None) -> np.ndarray:
    """Return the matte (h w) float32 0..1 that is fine where coarse confirms it, coarse elsewhere; all of one size.

    Where a limb's line is solid in coarse it stays as solid, whatever fine says. still (h w) 0..1 says which pixels look
    exactly like the background: what fine also denies, beside limbs that it sees, is taken out of coarse first.
    """
    sees = _sees(coarse, fine, limbs)
    own = coarse if still is None else coarse * (1 - still * _denied(fine, limbs) * sees)
    believed = _believed(own, fine, limbs.edge_px) * sees
    sharp = np.clip((fine - CLEAR) / (SOLID - CLEAR), 0, 1)
    mixed = believed * sharp + (1 - believed) * own
    return np.maximum(mixed, own * limbs.lines * (own > SOLID_JOINT)).astype(np.float32)


def _believed(coarse: np.ndarray, fine: np.ndarray, edge_px: float) -> np.ndarray:
    """Weights (h w) 0..1 of fine: how well both agree when blurred, relative to how much of person or background is there.

    Relative, or a finger would count as little as it is wide, and could be lost.
    """
    a, b = _blurred(coarse, edge_px), _blurred(fine, edge_px)
    there = np.minimum(np.maximum(a, b), 1 - np.minimum(a, b)) + FLOOR
    return np.clip((HIGH - np.abs(a - b) / there) / (HIGH - LOW), 0, 1)


def _sees(coarse: np.ndarray, fine: np.ndarray, limbs: Limbs) -> np.ndarray:
    """Weights (h w) 0..1: whether fine shows the limbs near a pixel that coarse shows; far from all, the nearest ones."""
    lines = limbs.lines * (coarse > SOLID_JOINT)
    if not lines.any():
        return np.ones_like(coarse)
    expected, shown = (_nearby(values, limbs.near_px) for values in (lines, lines * fine))
    return np.clip((shown / expected - SEES_LOW) / (SEES_HIGH - SEES_LOW), 0, 1)


def _nearby(values: np.ndarray, sigma_px: float) -> np.ndarray:
    """A mean over the neighbourhood in which what lies farther away counts little, but never for nothing."""
    return _blurred(values, sigma_px) + 0.02 * _blurred(values, 3 * sigma_px) + 1e-4 * values.mean()


def _denied(fine: np.ndarray, limbs: Limbs) -> np.ndarray:
    """Weights (h w) 0..1: no part of a person in fine, not even nearby at the scale of edges; never on a limb's line."""
    return np.clip(1 - _blurred(fine, limbs.edge_px) / GONE, 0, 1) * (1 - limbs.lines)


def _blurred(values: np.ndarray, sigma_px: float) -> np.ndarray:
    """A Gaussian blur; a wide one at a smaller size, which looks the same and costs less."""
    step = max(1, int(sigma_px / 3))
    if step == 1:
        return cv2.GaussianBlur(values, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    h, w = values.shape
    small = cv2.resize(values, (max(1, w // step), max(1, h // step)), interpolation=cv2.INTER_AREA)
    return cv2.resize(
        cv2.GaussianBlur(small, (0, 0), sigma_px / step, borderType=cv2.BORDER_REPLICATE), (w, h), interpolation=cv2.INTER_LINEAR
    )
