"""Mattes by difference from a still background: for a camera that does not move, and any subject, however small."""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.matting.difference import Background, difference, grown_box, threshold
from pipeline.picture.geometry import disc

SEARCH = 0.6
WEAK, STRONG = 0.7, 1.5
FAINT_SHARE = 0.3
BROAD_SHARE = 0.05
HOLE_SHARE = 0.012
# On a line between two joints the subject is expected: a faint tail shows there by half the difference.
LIMB_SHARE, LIMB_LIMIT = 0.02, 0.5
# A reflection hangs on the subject by a neck that is narrower than twice this share of the body, and is about as large.
NECK_SHARE, RIVAL_SHARE = 0.12, 0.25


def load(
    background: Background, sensitivity: float, floor_levels: float, limbs: list[tuple[int, int]]
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4), points (t j 2)) → mattes (t h w) uint8, 255 = subject.

    boxes are the half-open boxes of the subject's joints, NaN where it is absent (the matte is then 0). sensitivity in
    deviations of the background's noise, floor_levels the least difference in brightness levels that counts. limbs pairs
    the joints between which the subject lies.
    """
    limit = threshold(background, sensitivity, floor_levels)

    def segment(frames: np.ndarray, boxes_xyxy: np.ndarray, points: np.ndarray) -> np.ndarray:
        mattes = np.zeros(frames.shape[:3], np.uint8)
        for matte, frame, box, pose in zip(mattes, frames, boxes_xyxy, points, strict=True):
            if np.isfinite(box).all():
                search = grown_box(box, SEARCH, frame.shape[:2])
                part = np.s_[search[1] : search[3], search[0] : search[2]]
                apart = difference(frame, background, search)
                box = box - np.tile(search[:2], 2)
                expected = _on_limbs(apart.shape, pose - search[:2], limbs, box)
                lowered = limit[part] * np.where(expected, LIMB_LIMIT, 1)
                matte[part] = _opacity(apart, lowered, box, background.has_colour, expected)
        return mattes

    return segment


def _on_limbs(size_hw: tuple[int, ...], points: np.ndarray, limbs: list[tuple[int, int]], box: np.ndarray) -> np.ndarray:
    """Pixels (h w) bool within LIMB_SHARE of the body's size from a line between two joints of points (j 2)."""
    lines = np.zeros(size_hw, np.uint8)
    width = max(1, round(2 * LIMB_SHARE * max(box[2] - box[0], box[3] - box[1])))
    for limb in limbs:
        ends = points[list(limb)]
        if np.isfinite(ends).all():
            (x0, y0), (x1, y1) = np.rint(ends).astype(int).tolist()
            cv2.line(lines, (x0, y0), (x1, y1), 1, width)
    return lines > 0


def _opacity(apart: np.ndarray, limit: np.ndarray, box: np.ndarray, has_colour: bool, expected: np.ndarray) -> np.ndarray:
    """Opacity (h w) uint8 of the components that reach into the box: 1 inside, at the rim the share of the full difference."""
    side = max(box[2] - box[0], box[3] - box[1])
    apart = cv2.GaussianBlur(apart, (3, 3), 0.6)
    found = apart > WEAK * limit
    if not has_colour:
        found &= ~_grey_shadow(apart, limit, box, side)
    body = _components(found.astype(np.uint8), (apart > STRONG * limit).astype(np.uint8), box, side)
    if not body.any():
        return np.zeros(apart.shape, np.uint8)
    body |= _small_holes(body, HOLE_SHARE * side**2)
    body = _without_reflection(body, expected, side)
    kernel = disc(1)
    rim = cv2.dilate(body, kernel) > cv2.erode(body, kernel, borderType=cv2.BORDER_REPLICATE)
    # Full difference next to the rim: what a pixel wholly covered by the subject shows.
    full = cv2.dilate(np.where(body > 0, apart, 0), np.ones((5, 5), np.uint8))
    share = np.clip(apart / np.maximum(full, 1e-3), 0, 1)
    return np.rint(255 * np.where(rim, share, body)).astype(np.uint8)


def _grey_shadow(apart: np.ndarray, limit: np.ndarray, box: np.ndarray, side: float) -> np.ndarray:
    """Pixels (h w) bool of broad, faint difference: without colour only that tells a shadow from the subject.

    Faint: under a quarter of what the body itself shows. Broad: not standing out from what is a tenth of it wider.
    """
    x0, y0, x1, y1 = _inside(box, apart.shape)
    typical = float(np.percentile(apart[y0:y1, x0:x1], 80)) if x1 > x0 and y1 > y0 else 0.0
    narrow = cv2.morphologyEx(apart, cv2.MORPH_TOPHAT, disc(max(2, round(BROAD_SHARE * side))))
    return (apart < FAINT_SHARE * typical) & (narrow < WEAK * limit)


def _without_reflection(body: np.ndarray, expected: np.ndarray, side: float) -> np.ndarray:
    """A body (h w) uint8 without what hangs on it by a neck, is as bulky as it, and holds no limb (expected, h w, bool).

    Bulk is what survives an erosion by half the neck's width: a tail or an arm does not, so that neither is taken for one.
    """
    radius = max(1, round(NECK_SHARE * side))
    bulk = cv2.erode(body, disc(radius), borderType=cv2.BORDER_REPLICATE)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bulk, connectivity=8)
    parts = labels.astype(np.intp)
    own = np.zeros(count, bool)
    own[np.unique(parts[expected])] = True
    area = np.where(np.arange(count) > 0, stats[:, cv2.CC_STAT_AREA], 0)
    rival = ~own & (area > RIVAL_SHARE * area[own].sum())
    rival[0] = False
    if not own[1:].any() or not rival.any():
        return body
    rest = np.where(cv2.dilate(rival[parts].astype(np.uint8), disc(radius + 1)) > 0, 0, body).astype(np.uint8)
    left = cv2.connectedComponents(rest, connectivity=8)[1].astype(np.intp)
    held = np.zeros(left.max() + 1, bool)
    held[np.unique(left[expected])] = True
    held[0] = False
    return held[left].astype(np.uint8)


def _components(found: np.ndarray, sure: np.ndarray, box: np.ndarray, side: float) -> np.ndarray:
    """The parts of `found` that hold a sure pixel and touch the box, with gaps of a few pixels closed."""
    reach = int(np.clip(round(0.02 * side), 0, 6))
    if reach:
        found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    count, parts = cv2.connectedComponents(found, connectivity=8)
    labels = parts.astype(np.intp)
    x0, y0, x1, y1 = _inside(box, found.shape)
    inside = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=count)
    total = np.bincount(labels.ravel(), minlength=count)
    strong = np.bincount(labels[sure > 0], minlength=count)
    # Specks of noise: far fewer pixels than the subject's own box has.
    speck = max(1.0, 0.002 * (box[2] - box[0]) * (box[3] - box[1]))
    keep = (inside > 0) & (strong > 0) & (total > speck)
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _small_holes(body: np.ndarray, most_px: float) -> np.ndarray:
    """Holes of up to most_px pixels, (h w) uint8: the gap between an arm and the trunk is larger, and stays open."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(1 - body, connectivity=4)
    fill = stats[:, cv2.CC_STAT_AREA] <= most_px
    fill[0] = False
    return fill[parts.astype(np.intp)].astype(np.uint8) if count > 1 else np.zeros_like(body)


def _inside(box: np.ndarray, size_hw: tuple[int, ...]) -> tuple[int, int, int, int]:
    x0, y0 = np.floor(box[:2]).clip(0).astype(int)
    x1, y1 = np.ceil(box[2:]).clip(0).astype(int)
    return int(x0), int(y0), int(min(x1, size_hw[1])), int(min(y1, size_hw[0]))
