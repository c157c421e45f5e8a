"""One person's matte out of all instances that a detector finds in a frame."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

MIN_IOU = 0.25  # joints' boxes are narrower than people's: arms hang down, heads end above the eyes
MIN_SCORE = 0.3
BOX_BEYOND_JOINTS = 0.06


@dataclass(frozen=True)
class Instances:
    """People found in a frame: boxes (n 4) xyxy full pixels, scores (n) and for each box an even grid of opacities (n m m), 0..1."""

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    masks: np.ndarray


def matte_of(people: Instances, box_xyxy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return the matte (h w) uint8 of the instance whose box overlaps the box of joints most; 0 when none is near enough.

    box_xyxy is half-open, NaN where the person is absent.
    """
    matte = np.zeros(size_hw, np.uint8)
    if not np.isfinite(box_xyxy).all() or not len(people.scores):
        return matte
    pad = BOX_BEYOND_JOINTS * float((box_xyxy[2:] - box_xyxy[:2]).max())
    overlap = iou(people.boxes_xyxy, box_xyxy + np.array([-pad, -pad, pad, pad])) * (people.scores >= MIN_SCORE)
    best = int(overlap.argmax())
    if overlap[best] >= MIN_IOU:
        paste(people.masks[best], people.boxes_xyxy[best], matte)
    return matte


def mattes_of(find: Callable[[np.ndarray], Instances], frames: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return mattes (t h w) uint8 of frames (t h w 3) uint8 RGB; find sees only frames whose box (t 4) is there."""
    mattes = np.zeros(frames.shape[:3], np.uint8)
    for matte, frame, box in zip(mattes, frames, boxes_xyxy, strict=True):
        if np.isfinite(box).all():
            matte[:] = matte_of(find(frame), np.asarray(box, float), frame.shape[:2])
    return mattes


def iou(boxes_xyxy: np.ndarray, other_xyxy: np.ndarray) -> np.ndarray:
    """Return the area that boxes (n 4) share with another (4) over the area of both together, (n) in 0..1."""
    low, high = np.maximum(boxes_xyxy[:, :2], other_xyxy[:2]), np.minimum(boxes_xyxy[:, 2:], other_xyxy[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1) + (other_xyxy[2:] - other_xyxy[:2]).prod()
    return shared / np.maximum(areas - shared, 1e-9)


def paste(mask: np.ndarray, box_xyxy: np.ndarray, matte: np.ndarray) -> None:
    """Write a grid of opacities (m m) over its box into a matte (h w) uint8: bilinear, fading to 0 just outside the box."""
    size = np.maximum(box_xyxy[2:] - box_xyxy[:2], 1e-3)
    cell = size / mask.shape[::-1]
    height, width = matte.shape
    x0, y0 = np.clip(np.floor(box_xyxy[:2] - cell).astype(int), 0, (width, height))
    x1, y1 = np.clip(np.ceil(box_xyxy[2:] + cell).astype(int), 0, (width, height))
    if x0 >= x1 or y0 >= y1:
        return
    # A box's left edge x is the left edge of pixel x; the grid gets a rim of zeros one cell wide.
    to_grid = np.array([[1 / cell[0], 0, 0.0], [0, 1 / cell[1], 0.0]])
    to_grid[:, 2] = (np.array([x0, y0]) + 0.5 - box_xyxy[:2]) / cell - 0.5 + 1
    framed = np.pad(mask.astype(np.float32), 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matte[y0:y1, x0:x1] = np.rint(255 * cv2.warpAffine(framed, to_grid, (int(x1 - x0), int(y1 - y0)), flags=flags).clip(0, 1))
