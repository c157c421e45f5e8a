"""What stands before and after DCPose's network: the crop about a person, normalisation, and joints read from heat maps.

As in its training: RGB, boxes at the network's aspect enlarged by 1.25, bilinear; a quarter pixel towards the higher neighbour.
"""

import cv2
import numpy as np

CROP_HW = (384, 288)
STRIDE = 4
ENLARGE = 1.25
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
# The house's names of the 17 channels. PoseTrack's head_bottom is the top of the neck, where the head begins, and not the middle
# of the shoulders that `neck` means here: it keeps its own name. The ears' channels exist, but PoseTrack labels no ears:
# they are untrained, and named so that no skeleton asks for them.
CHANNELS = (
    "nose", "head_bottom", "head_top", "unlabelled_left_ear", "unlabelled_right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip


def crop_of_box(box_xyxy: np.ndarray) -> np.ndarray:
    """Return the affine (2 3) full → crop of a half-open box (4): its centre in the middle, wholly visible, enlarged by 1.25."""
    height, width = CROP_HW
    size = np.maximum(np.asarray(box_xyxy[2:], float) - box_xyxy[:2], 1e-3)
    shown_width = ENLARGE * max(size[0], size[1] * width / height)
    scale = width / shown_width
    centre = (np.asarray(box_xyxy[:2], float) + box_xyxy[2:]) / 2
    return np.array([[scale, 0.0, width / 2 - scale * centre[0]], [0.0, scale, height / 2 - scale * centre[1]]])


def crop_frame(frame: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Return the crop (3 384 288) float32 of a frame (h w 3) uint8 RGB, normalised; black outside the frame."""
    height, width = CROP_HW
    seen = cv2.warpAffine(frame, crop, (width, height), flags=cv2.INTER_LINEAR)
    return ((seen.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def read_joints(maps: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Return x, y, score (j 3) in full pixels from heat maps (j h w) of a crop; without a positive value x and y are NaN, score 0."""
    flat = maps.reshape(len(maps), -1)
    y, x = np.divmod(flat.argmax(1), maps.shape[2])
    score = flat.max(1).astype(np.float64)
    at = np.stack([x, y], 1) + 0.25 * _uphill(maps, x, y)
    points = (STRIDE * at - crop[:, 2]) / np.diag(crop)
    seen = np.isfinite(score) & (score > 0)
    return np.concatenate([np.where(seen[:, None], points, np.nan), np.where(seen, score, 0.0)[:, None]], 1)


def _uphill(maps: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sign (j 2) of the slope at the peaks; 0 for those within a pixel of the map's edge."""
    joints, height, width = maps.shape
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    j, inside_x, inside_y = np.arange(joints), np.clip(x, 1, width - 2), np.clip(y, 1, height - 2)
    slope_x = maps[j, inside_y, inside_x + 1] - maps[j, inside_y, inside_x - 1]
    slope_y = maps[j, inside_y + 1, inside_x] - maps[j, inside_y - 1, inside_x]
    return np.where(inner[:, None], np.sign(np.stack([slope_x, slope_y], 1)), 0.0)
