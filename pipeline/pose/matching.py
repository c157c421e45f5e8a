"""How one frame's still background lies in another: features outside the people, and the homography that most of them follow."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.picture.camera import apply_homography, corners_of, scale_at_middle
from pipeline.picture.features import WINDOW_PX, find_features, follow, lies_on, small_grey
from pipeline.pose.turning import doubt_px, near, turned, turning

WORK_PX = 960  # longer side of the pictures that features are followed in
CANDIDATES, CELLS, MOST_IN_CELL = 2000, 8, 8  # features sought, cells along each side, features kept in each: they tell of all corners
BACK_PX = 0.4  # a feature followed there and back ends no farther from where it began
FITS_PX = (1.2, 4.0)  # of features that follow one homography; the second where near and far things part, as for a camera that is carried
MAJORITY = 0.5
LEAST_INLIERS = 12
LEAST_SHARE = 0.4  # of the features that are followed at all
LEAST_HULL = 0.03  # share of the picture that the features which agree span: a car is no background
SURE_PX = (0.4, 3.0)  # largest doubt, small px at a corner, of a homography, and of a turning camera's map, which has fewer freedoms
REFITS = 3
SCALES = (0.2, 5.0)
LEVELS = 4
LIKE_LIGHT = 1.05  # features are told by brightness: a frame farther from its key's is followed as bright as the key


@dataclass(frozen=True)
class Small:
    """A frame as features are looked for: grey (h w) uint8, free (h w) bool: nothing hidden in reach, features (n 2) small px.

    shrink (3 3): from the frame's own pixels to small ones.
    """

    grey: np.ndarray
    free: np.ndarray
    features: np.ndarray
    shrink: np.ndarray

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.grey.shape[0], self.grey.shape[1]


@dataclass(frozen=True)
class Match:
    """How a frame lies in a key frame: matrix (3 3), frame → key, small px; the followed features there (n 2), here, and which agree.

    doubt: the map's standard error at the frame's corners, small px.
    """

    matrix: np.ndarray
    there: np.ndarray
    here: np.ndarray
    agree: np.ndarray
    doubt: float


def small(image: np.ndarray, boxes: np.ndarray) -> Small:
    """Prepare a frame (h w 3) uint8, looking past boxes (n 4) xyxy of people in its pixels; NaN boxes hide nothing."""
    scale = min(1.0, WORK_PX / max(image.shape[:2]))
    grey = small_grey(image, scale)
    free = np.ones(grey.shape, bool)
    half = WINDOW_PX // 2
    across, down = grey.shape[1] / image.shape[1], grey.shape[0] / image.shape[0]
    shrink = np.array([[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2], [0.0, 0.0, 1.0]])
    for x0, y0, x1, y1 in np.asarray(boxes, np.float64)[np.isfinite(boxes).all(axis=1)] * scale:
        rows = slice(max(0, int(y0) - half), max(0, int(np.ceil(y1)) + half))
        free[rows, max(0, int(x0) - half) : max(0, int(np.ceil(x1)) + half)] = False
    return Small(grey, free, _features(grey, free), shrink)


def match(
    key: Small, frame: Small, guess: np.ndarray | None = None, levels: int = LEVELS, fits_px: tuple[float, ...] = FITS_PX
) -> Match | None:
    """How `frame` lies in `key`; guess: frame → key (3 3), small px, as far as it is known. None when too few features agree.

    fits_px: how well, in small px, one tolerance tried after the other.

    The frame is first moved by the guess, so that what is left to find is small, and features look alike after zooms and turns.
    """
    guessed = np.eye(3) if guess is None else guess
    if len(key.features) < LEAST_INLIERS or not _plausible(guessed, frame.size_hw):
        return None
    moved = cv2.warpPerspective(frame.grey, guessed, key.size_hw[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    free = cv2.warpPerspective(frame.free.astype(np.uint8), guessed, key.size_hw[::-1], flags=cv2.INTER_NEAREST) > 0
    there = key.features[lies_on(key.features, free)] if guess is not None else key.features
    if len(there) < LEAST_INLIERS:
        return None
    found = _followed(key, moved, free, there, guessed, levels, frame.size_hw, fits_px)
    gain = _gain(key, frame, guessed if found is None else found.matrix)
    if 1 / LIKE_LIGHT < gain < LIKE_LIGHT:
        return found
    alike = cv2.convertScaleAbs(moved, alpha=1 / gain)
    return _followed(key, alike, free, there, guessed, levels, frame.size_hw, fits_px) or found


def _followed(
    key: Small,
    moved: np.ndarray,
    free: np.ndarray,
    there: np.ndarray,
    guess: np.ndarray,
    levels: int,
    frame_hw: tuple[int, int],
    fits_px: tuple[float, ...],
) -> Match | None:
    """The match by key's features `there` (n 2) followed into a frame's grey picture (h w), which is moved by the guess as `free` is."""
    found, kept = follow(key.grey, moved, there, levels, BACK_PX)
    kept &= lies_on(found, free)
    if kept.sum() < LEAST_INLIERS:
        return None
    return _fitted(there[kept], apply_homography(np.linalg.inv(guess), found[kept]), key.size_hw, frame_hw, fits_px)


def _gain(key: Small, frame: Small, lies: np.ndarray) -> float:
    """How much brighter a frame that lies so (3 3) in key is, by what both show free; 1 where they share nothing."""
    seen = cv2.warpPerspective(frame.grey, lies, key.size_hw[::-1], flags=cv2.INTER_LINEAR)
    both = key.free & (cv2.warpPerspective(frame.free.astype(np.uint8), lies, key.size_hw[::-1], flags=cv2.INTER_NEAREST) > 0)
    return float(np.median((seen[both] + 1.0) / (key.grey[both] + 1.0))) if both.any() else 1.0


def verdict(found: Match | None, limit_px: float) -> bool | None:
    """Whether the camera moved by more than limit_px (small px) between two frames; None where their features do not tell.

    Where half of them stay it did not, whatever the others do: behind a camera that moves hardly any does.
    """
    if found is None:
        return None
    ways = np.linalg.norm(found.there - found.here, axis=1)
    if (ways <= limit_px).mean() >= MAJORITY:
        return False
    return True if found.agree.mean() >= MAJORITY and np.median(ways[found.agree]) > limit_px else None


def _features(grey: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Points (n 2) float64 of the background, the best ones of every cell."""
    found = find_features(grey, free, CANDIDATES, WINDOW_PX // 3)
    column, row = (found * CELLS / grey.shape[::-1]).astype(int).T
    cell = row * CELLS + column
    order = np.argsort(cell, kind="stable")
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])  # of each among those of its cell
    return found[np.sort(order[rank < MOST_IN_CELL])].astype(np.float64)


def _fitted(
    there: np.ndarray, here: np.ndarray, key_hw: tuple[int, int], frame_hw: tuple[int, int], tolerances: tuple[float, ...]
) -> Match | None:
    """The map here → there (n 2) that most features follow; a turning camera's where they are too few, or too near each other, for any."""
    for fits_px in tolerances:
        for fit in (_any_map, _turning_map):
            try:
                found = fit(there, here, frame_hw, fits_px)
            except np.linalg.LinAlgError:  # features so unlike any picture's that no map comes near them
                found = None
            if found is None or found[2] > SURE_PX[fit is _turning_map]:
                continue
            matrix, agree, doubt = found
            wide_enough = _hull(there[agree]) >= LEAST_HULL * key_hw[0] * key_hw[1]
            if agree.sum() >= max(LEAST_INLIERS, LEAST_SHARE * len(there)) and wide_enough and _plausible(matrix, frame_hw):
                return Match(matrix, there, here, agree, doubt)
    return None


def _any_map(there: np.ndarray, here: np.ndarray, frame_hw: tuple[int, int], fits_px: float) -> tuple[np.ndarray, np.ndarray, float] | None:
    """A homography here → there, which features (n) agree, and its doubt at the frame's corners in px."""
    cv2.setRNGSeed(0)  # the same features give the same map
    matrix, mask = cv2.findHomography(here, there, cv2.RANSAC, fits_px, maxIters=2000, confidence=0.999)
    if matrix is None or mask.sum() < LEAST_INLIERS:
        return None
    agree = mask[:, 0] > 0
    return matrix, agree, doubt_px(near(matrix, frame_hw), np.zeros(8), here[agree], there[agree], frame_hw)


def _turning_map(
    there: np.ndarray, here: np.ndarray, frame_hw: tuple[int, int], fits_px: float
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """The same of a camera that turns and zooms in one place, from the features that a shift, turn and size roughly explain."""
    cv2.setRNGSeed(0)
    _, mask = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=max(FITS_PX), maxIters=2000)
    agree, parameters = np.zeros(len(here), bool) if mask is None else mask[:, 0] > 0, np.zeros(5)
    for _ in range(REFITS):
        if agree.sum() < LEAST_INLIERS:
            return None
        parameters = turned(here[agree], there[agree], frame_hw)
        agree = np.linalg.norm(apply_homography(turning(frame_hw)(parameters), here) - there, axis=1) <= fits_px
    matrix = turning(frame_hw)(parameters)
    return matrix, agree, doubt_px(turning(frame_hw), parameters, here[agree], there[agree], frame_hw) if agree.any() else np.inf


def _hull(points: np.ndarray) -> float:
    return float(cv2.contourArea(cv2.convexHull(points.astype(np.float32)))) if len(points) > 2 else 0.0


def _plausible(matrix: np.ndarray, size_hw: tuple[int, int]) -> bool:
    """Whether a picture stays a picture: no side turned over or seen from behind, no zoom that nobody films."""
    corners = corners_of(size_hw)
    depth = corners @ matrix[2, :2] + matrix[2, 2]
    if not np.isfinite(matrix).all() or depth.min() <= 0.2 * depth.max():
        return False
    moved = apply_homography(matrix, corners).astype(np.float32)
    alike = cv2.contourArea(moved, oriented=True) * cv2.contourArea(corners.astype(np.float32), oriented=True)
    return alike > 0 and bool(cv2.isContourConvex(moved)) and SCALES[0] < scale_at_middle(matrix, size_hw) < SCALES[1]
