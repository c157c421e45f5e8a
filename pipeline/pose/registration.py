"""Frames of a moving camera laid onto a reference frame: against key frames, so that errors do not add up from frame to frame."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.picture.camera import apply_homography, corners_of, scale_at_middle
from pipeline.pose.matching import Match, Small, match

ENOUGH_OVERLAP = 0.6  # share of a frame that a key frame shows too; less makes the frame a key itself
LIKE_SCALE = 1.3  # and so do other zooms than this
FINE_LEVELS = 2  # what is left to find after the guess is small
MOST_DOUBT_PX = 3.0  # of a frame on its way over key frames; of more nobody knows where it lies
TRIED_KEYS = 4  # when the way from the frame before is lost


@dataclass(frozen=True)
class _Key:
    """A frame that others are laid onto; to_reference (3 3) small px, and its doubt: the standard error at the corners, small px."""

    small: Small
    to_reference: np.ndarray
    doubt: float


def register(
    look: Callable[[int], Small], reference: int, fixed: Iterable[int], runs: Iterable[Iterable[int]], total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Maps (t 3 3) float64 from each frame's pixels to the reference's, and where they are known (t) bool.

    look(t) prepares a frame. Each of `runs` is a walk from next to the reference outwards; a frame sees only what came before it in
    this order. Frames in `fixed` are as the reference, without being looked at. What is not known has the last known map.
    """
    first = look(reference)
    keys = [_Key(first, np.eye(3), 0.0)]
    maps, known = np.repeat(np.eye(3)[None], total, axis=0), np.zeros(total, bool)
    fixed = [reference, *fixed]
    known[fixed] = True
    for run in runs:
        before = keys[0]
        for t in run:
            found = _placed(look(t), before, keys)
            if found is not None:
                before, known[t] = found, True
            maps[t] = before.to_reference
    full = np.linalg.inv(first.shrink) @ maps @ first.shrink
    full[fixed] = np.eye(3)  # to the bit: these frames are not to be resampled
    return full, known


def _placed(frame: Small, before: _Key, keys: list[_Key]) -> _Key | None:
    """A frame laid onto the reference, None where features do not tell; it becomes a key where no key shows enough of it."""
    step = match(before.small, frame)
    guess = before.to_reference if step is None else before.to_reference @ step.matrix
    key, overlap = _nearest(frame, guess, keys)
    fine = match(key.small, frame, np.linalg.inv(key.to_reference) @ guess, FINE_LEVELS)
    if fine is not None:
        found = _laid(frame, key, fine)
    elif step is not None:
        found, overlap = _laid(frame, before, step), 0.0  # the key shows too little by now
    else:
        tried = [_laid(frame, key, m) for key in keys[:TRIED_KEYS] if (m := match(key.small, frame)) is not None]
        return next((laid for laid in tried if laid.doubt <= MOST_DOUBT_PX), None)
    if found.doubt > MOST_DOUBT_PX:
        return None
    if overlap < ENOUGH_OVERLAP:
        keys.append(found)
    return found


def _laid(frame: Small, key: _Key, found: Match) -> _Key:
    return _Key(frame, key.to_reference @ found.matrix, float(np.hypot(key.doubt, found.doubt)))


def _nearest(frame: Small, guess: np.ndarray, keys: list[_Key]) -> tuple[_Key, float]:
    """The first key that shows enough of a frame at `guess`, at a like zoom, else the one that shows most; and what share it shows."""
    shares = []
    for key in keys:
        lies = np.linalg.inv(key.to_reference) @ guess
        share = _overlap(lies, frame.size_hw, key.small.size_hw)
        if share >= ENOUGH_OVERLAP and 1 / LIKE_SCALE < scale_at_middle(lies, frame.size_hw) < LIKE_SCALE:
            return key, share
        shares.append(share)
    best = int(np.argmax(shares))
    return keys[best], min(shares[best], np.nextafter(ENOUGH_OVERLAP, 0))


def _overlap(lies: np.ndarray, frame_hw: tuple[int, int], key_hw: tuple[int, int]) -> float:
    """Share of a frame, laid onto a key by `lies` (3 3), that the key shows."""
    moved = apply_homography(lies, corners_of(frame_hw)).astype(np.float32)
    area = abs(cv2.contourArea(moved))
    shared, _ = cv2.intersectConvexConvex(moved, corners_of(key_hw).astype(np.float32))
    return float(shared / area) if area > 0 else 0.0
