"""What the generator reads of a track: keypoints in crop pixels, drawn as windows of pose maps."""

import numpy as np
from torch import Tensor

from pipeline.body.pose_maps import PoseMapParams, draw_pose_maps
from pipeline.body.skeleton import Skeleton


def to_crop(points: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Full pixels (t j 2) to crop pixels by one row (2 3) a frame, float32; NaN stays NaN."""
    return (np.einsum("txy,tjy->tjx", crop[:, :, :2], points.astype(np.float64)) + crop[:, None, :, 2]).astype(np.float32)


def draw_poses(points: Tensor, scores: Tensor, skeleton: Skeleton, crop_hw: tuple[int, int], params: PoseMapParams) -> Tensor:
    """Pose maps (b k c h w) of windows of points (b k j 2) in crop pixels."""
    maps = draw_pose_maps(points.flatten(0, 1), scores.flatten(0, 1), skeleton, crop_hw, params)
    return maps.unflatten(0, points.shape[:2])
