"""The preview: driver frames with their poses, above the poses that the target will take."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.pictures import write_picture
from pipeline.body.pose_maps import PoseMapParams, pose_picture
from pipeline.picture.geometry import apply_affine, box_of_points, box_to_crop, sample_crop
from pipeline.picture.sheets import contact_sheet, encode, spread

COLUMNS = 8
CELL_PX = 240
MARGIN = 1.25
DIMMED = 0.55  # the target's frame under the pose, so that body sizes can be compared
LARGEST_BYTES = 900_000


def write_sheet(path: Path, driver: Track, motion: Track, driver_frames: Frames, target_frames: Frames, threshold: float) -> None:
    """Publish a PNG under 1 MB: above, driver frames with poses; below, retargeted poses over dimmed target frames.

    driver and motion have the same frames; the target's frames are spread over its own clip, since it acts on its own.
    """
    columns = [int(i) for i in np.flatnonzero(motion.present)[spread(int(motion.present.sum()), COLUMNS)]]
    behind = spread(len(target_frames), len(columns))
    behind += behind[-1:] * (len(columns) - len(behind))
    above = _row(driver, columns, [driver_frames[i] for i in columns], threshold, 1.0)
    below = _row(motion, columns, [target_frames[i] for i in behind], threshold, DIMMED)
    labels = [f"driver {i}" for i in columns] + [f"motion {i}" for i in columns]
    sheet = contact_sheet(above + below, labels, len(columns), CELL_PX)
    blob = encode(sheet)
    while len(blob) > LARGEST_BYTES:
        sheet = cv2.resize(sheet, None, fx=0.85, fy=0.85, interpolation=cv2.INTER_AREA)
        blob = encode(sheet)
    write_picture(path, blob)


def _row(track: Track, columns: list[int], images: list[np.ndarray], threshold: float, dimmed: float) -> list[np.ndarray]:
    """The same square of every image, about the whole track, with one pose on each."""
    h, w = track.size_hw
    shown = np.where((track.score >= threshold)[..., None], track.points, np.nan)
    box = box_of_points(shown if np.isfinite(shown).any() else track.points, MARGIN)
    if box[2] - box[0] > max(h, w):
        box = np.concatenate([[w / 2, h / 2]] * 2) + max(h, w) / 2 * np.array([-1, -1, 1, 1])
    view = box_to_crop(box, (CELL_PX, CELL_PX))
    style = PoseMapParams(style="limbs", width=0.007, score_threshold=threshold)
    cells = []
    for frame, image in zip(columns, images, strict=True):
        crop = (sample_crop(image, view, (CELL_PX, CELL_PX), "zero") * dimmed).astype(np.uint8)
        points = apply_affine(view, track.points[frame])
        cells.append(pose_picture(points, track.score[frame], track.skeleton, (CELL_PX, CELL_PX), style, crop))
    return cells
