"""Other people who move behind or before the subject, or among whom it swims: what they hide is no background. Not in the paper.

A median over time shows what is there most of the time: of somebody who steps to and fro a ghost, and who leaves late stays. Who stands
still throughout is furniture and stays.
"""

from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np

from pipeline.artifacts.keypoints import Keypoints
from pipeline.body.skeleton import Skeleton

LIMB, TRUNK, HEAD = 0.05, 0.07, 0.1  # how far a body reaches beyond its limbs, trunk and head, in its sizes
MOVES = 0.15  # a quarter of its joints go so far to and fro, in its sizes: 0.01 to 0.08 of people who stand, 0.5 of one who balances
RANGE = (10, 90)  # percentiles over time of where a joint is
SURE = 0.3  # a joint's least score: of legs behind a table a detector guesses somewhere else in every frame
SAME_PLACE = 0.25  # in sizes: tracks of who stands there, one after another
LEAST_JOINTS = 5  # fewer tell neither size nor whereabouts
GONE = 0.1  # who is not there in so large a share of the frames, at the start and the end, comes or leaves
THICKEST = 32767  # px, of lines that OpenCV draws
LOST_FRAMES = 5  # frames before it is found, and after it is lost, in which somebody is taken to be where it was


@dataclass(frozen=True)
class _Other:
    """Somebody's joints (t j 2), in which of the frames (n) asked about it is there, where it mostly is (x y), its size in px, and
    whether it goes to and fro."""

    points: np.ndarray
    there: np.ndarray
    place: np.ndarray
    size: float
    moves: bool


def hidden_by_others(keypoints: Keypoints, frames: np.ndarray, reach_px: int, least: int = 1) -> np.ndarray:
    """Masks (n h w) bool of what people other than the subject hide in frames (n), of those who move among these, and of those who are
    away in `least` of them and GONE; widened by reach_px."""
    masks = np.zeros((len(frames), *keypoints.size_hw), np.uint8)
    persons = [person for person in range(keypoints.points.shape[1]) if person != keypoints.selected]
    others = [one for person in persons if (one := _other(keypoints, person, frames)) is not None]
    for one in others:
        # Who was lost for long, or changed its number, is the one that stands there.
        near = (some for some in others if not some.moves and np.linalg.norm(some.place - one.place) < SAME_PLACE * one.size)
        away = ~np.logical_or.reduce([one.there, *(some.there for some in near)])
        if one.moves or away.sum() >= max(least, GONE * len(frames)):
            there = np.flatnonzero(one.there)
            for i, pose in zip(there, _followed(one.points, frames[there]), strict=True):
                _draw(masks[i], pose, keypoints.skeleton, one.size, reach_px)
    return masks > 0


def _other(keypoints: Keypoints, person: int, frames: np.ndarray) -> _Other | None:
    """A person of a clip by its sure joints; None of one that is hardly seen in frames (n)."""
    points = keypoints.points[:, person].astype(np.float64)
    sure = np.where(keypoints.score[:, person, :, None] >= SURE, points, np.nan)
    seen = frames[np.isfinite(sure[frames]).all(-1).sum(1) >= LEAST_JOINTS]
    if len(seen) < 2:
        return None
    poses = sure[seen]
    size = float(np.median(np.nanmax(np.nanmax(poses, 1) - np.nanmin(poses, 1), 1)))
    there = (frames >= seen[0] - LOST_FRAMES) & (frames <= seen[-1] + LOST_FRAMES)
    often = np.isfinite(poses[..., 0]).sum(0) * 2 >= len(poses)
    place = np.median(np.nanmedian(poses, 1), 0)
    if not often.any():
        return _Other(points, there, place, size, moves=True)
    low, high = np.nanpercentile(poses[:, often], RANGE, axis=0)
    ways = np.linalg.norm(high - low, axis=-1) / max(size, 1.0)
    return _Other(points, there, place, size, bool(np.percentile(ways, 75) > MOVES))


def _followed(points: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Joints (n j 2) of somebody with points (t j 2) in frames (n): in a straight line between those in which one is seen."""
    found = points[frames]
    for joint in range(points.shape[1]):
        seen = np.isfinite(found[:, joint, 0])
        if seen.any():
            for axis in (0, 1):
                found[:, joint, axis] = np.interp(frames, frames[seen], found[seen, joint, axis])
    return found


def _draw(mask: np.ndarray, pose: np.ndarray, skeleton: Skeleton, size: float, reach_px: int) -> None:
    """Draw a body with joints pose (j 2) into a mask (h w) uint8."""
    seen = np.isfinite(pose[:, 0])
    at = np.nan_to_num(pose).round().astype(np.int32)

    def wide(share: float) -> int:
        return min(max(1, 2 * (round(share * size) + reach_px)), THICKEST)

    for a, b in skeleton.limb_indices():
        if seen[a] and seen[b]:
            cv2.line(mask, at[a].tolist(), at[b].tolist(), 255, wide(LIMB))
    head = [joint for joint in skeleton.indices("head") if seen[joint]]
    trunk = [joint for joint in (skeleton.index(skeleton.root), *chain(*skeleton.trunk_pairs())) if seen[joint]]
    for joints, share in ((trunk, TRUNK), (head, HEAD)):
        if joints:
            outline = cv2.convexHull(at[joints])
            cv2.fillPoly(mask, [outline], 255)
            cv2.polylines(mask, [outline], True, 255, wide(share))
