"""Whose mattes are wanted: the selected track, everybody else's joints, and how large its body is."""

from dataclasses import dataclass

import numpy as np

from pipeline.artifacts.keypoints import Keypoints
from pipeline.body.trunk import whole_body_px, with_hips
from pipeline.picture.framing import body_boxes
from pipeline.timeline.split import Split


@dataclass(frozen=True)
class Subject:
    """The selected track, with hips where no frame shows them, and what is known of its size.

    body_px (t) is its larger extent, never under half the usual, nor under what a body with such a trunk would have.
    """

    points: np.ndarray
    others: np.ndarray
    boxes: np.ndarray
    body_px: np.ndarray
    usual_px: float
    limbs: list[tuple[int, int]]


def subject_of(keypoints: Keypoints, parts: Split) -> Subject:
    """Return the selected track of a table and its size, which training frames alone tell."""
    skeleton = keypoints.skeleton
    points = with_hips(keypoints.track().points, skeleton)
    whole = body_boxes(points)
    extent = np.fmax((whole[:, 2:] - whole[:, :2]).max(axis=1), whole_body_px(points, skeleton))
    usual = float(np.percentile(extent[parts.training], 95))
    others = np.delete(keypoints.points, keypoints.selected or 0, axis=1)
    body = np.fmax(extent, 0.5 * usual)
    return Subject(points, others, body_boxes(points, keypoints.size_hw), body, usual, skeleton.limb_indices())
