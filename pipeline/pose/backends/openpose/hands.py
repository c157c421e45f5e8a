"""Hands: where to look, from wrist, elbow and shoulder, and 21 points from the hand network's maps (as the published code does)."""

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import label

from pipeline.pose.backends.openpose.infer import MapMaker
from pipeline.pose.backends.openpose.maps import FullMaps
from pipeline.pose.backends.openpose.peaks import gaussian_kernel

# Shoulder, elbow and wrist among the 18 parts.
ARMS = {"left": (5, 6, 7), "right": (2, 3, 4)}
POINTS = 21  # wrist; thumb, index, middle, ring, pinky from the palm outwards
MIN_SIDE_PX, MIN_HEAT = 20, 0.05
BEYOND_WRIST, ARM_SIDES, UPPER_ARM_SHARE = 0.33, 1.5, 0.9


def see_hands(people: np.ndarray, image: np.ndarray, scales: Sequence[float], hand_maps: MapMaker) -> np.ndarray:
    """Return x, y and score (p 2 21 3) in full pixels of the hands, left and right, of people (p 18 3) in an image; NaN = unseen."""
    hands = np.full((len(people), len(ARMS), POINTS, 3), np.nan)
    places, corners, crops = [], [], []
    for person, points in enumerate(people):
        for number, side in enumerate(ARMS):
            if box := hand_box(points, side, (image.shape[0], image.shape[1])):
                left, top, size = box
                places.append((person, number))
                corners.append((left, top, 0))
                crops.append(image[top : top + size, left : left + size])
    for place, corner, (maps,) in zip(places, corners, hand_maps(crops, scales), strict=True):
        hands[place] = hand_points(maps) + corner
    return hands


def hand_box(points: np.ndarray, side: str, image_hw: tuple[int, int]) -> tuple[int, int, int] | None:
    """Return left, top and size in pixels of the square about a hand of a person (18 2 or more), or None.

    The square lies a third of the forearm beyond the wrist and is 1.5 forearms large (or 1.35 upper arms, if more). At
    the left and top border it is moved inwards, at the right and bottom shrunk. None: part of the arm unseen, or under 20 px.
    """
    shoulder, elbow, wrist = points[list(ARMS[side]), :2]
    if not np.isfinite((shoulder, elbow, wrist)).all():
        return None
    forearm, upper_arm = np.hypot(*(wrist - elbow)), np.hypot(*(elbow - shoulder))
    size = ARM_SIDES * max(forearm, UPPER_ARM_SHARE * upper_arm)
    corner = np.maximum(wrist + BEYOND_WRIST * (wrist - elbow) - size / 2, 0)
    size = min(size, image_hw[1] - corner[0], image_hw[0] - corner[1])
    return (int(corner[0]), int(corner[1]), int(size)) if size >= MIN_SIDE_PX else None


def hand_points(maps: FullMaps) -> np.ndarray:
    """Return x, y and score (21 3) float64 of a hand in its crop's pixels; NaN = unseen."""
    return np.array([find_summit(np.asarray(maps[point], dtype=np.float64)) for point in range(POINTS)])


def find_summit(heat: np.ndarray) -> np.ndarray:
    """Return x, y and height (3) of the highest pixel of the heaviest spot of a map (h w) float64; NaN without a spot.

    A spot is an 8-connected area where the smoothed map is above 0.05, its weight the sum of the map itself.
    """
    taps = gaussian_kernel()
    warm = cv2.sepFilter2D(heat, -1, taps, taps, borderType=cv2.BORDER_REFLECT) > MIN_HEAT
    spots, count = label(warm, structure=np.ones((3, 3)))  # type: ignore[misc]
    if not count:
        return np.full(3, np.nan)
    weight = np.bincount(spots.ravel(), heat.ravel(), count + 1)
    inside = np.where(spots == 1 + np.argmax(weight[1:]), heat, 0.0)
    y, x = divmod(int(np.argmax(inside)), heat.shape[1])
    return np.array([x, y, heat[y, x]])
