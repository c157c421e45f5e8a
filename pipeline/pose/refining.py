"""A followed person's joints, seen again by a refiner that looks at neighbouring frames too (§3.1: DCPose)."""

import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.pose.people import Refiner, person_boxes
from pipeline.progress import Progress

BLOCK_FRAMES = 16
MIN_SCORE = 0.2  # DCPose's own threshold of a joint in view; below it the backend's joint stays
BOX_BEYOND_JOINTS = 0.06  # joints end at eyes, wrists and toes; the box of the body lies a little further out


def refine_track(
    frames: Frames, points: np.ndarray, score: np.ndarray, border: int, refiner: Refiner
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (t j 2) and score (t j) of one person with the joints that the refiner sees, and which they are (t j).

    Absent frames stay so. No frame before `border` is seen together with one after it.
    """
    points, score, refined = points.copy(), score.copy(), np.zeros(score.shape, bool)
    boxes = _body_boxes(points)
    with Progress(len(points), "refine poses") as progress:
        for start, stop, first, last in _blocks(border, len(points)):
            wanted = np.full((last - first, 1, 4), np.nan)
            wanted[start - first : stop - first, 0] = boxes[start:stop]
            if np.isfinite(wanted).any():
                people = refiner(frames[first:last], wanted)[start - first : stop - first]
                found = np.stack([group[0] for group in people])
                better = np.isfinite(found[..., 0]) & (found[..., 2] >= MIN_SCORE)
                points[start:stop][better] = found[..., :2][better]
                score[start:stop][better] = found[..., 2][better].clip(0, 1)
                refined[start:stop] = better
            progress.advance(stop - start)
    return points, score, refined


def _blocks(border: int, total: int) -> list[tuple[int, int, int, int]]:
    """Blocks [start, stop) and what is read with them, [first, last): a frame more on either side, but none beyond the border."""
    blocks = []
    for begin, end in ((0, border), (border, total)):
        for start in range(begin, end, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, end)
            blocks.append((start, stop, max(start - 1, begin), min(stop + 1, end)))
    return blocks


def _body_boxes(points: np.ndarray) -> np.ndarray:
    boxes = person_boxes(points)
    pad = BOX_BEYOND_JOINTS * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    return np.concatenate([boxes[:, :2] - pad, boxes[:, 2:] + pad], axis=1)
