"""What a method must beat besides the plate alone: training frames of nearest pose, pasted on it as they are, moved, or warped.

Not in the paper.
"""

import cv2
import numpy as np

from pipeline.body.pose_distance import LEAST_SHARED, pose_distances
from pipeline.body.skeleton import Skeleton
from pipeline.evaluation.view import box_of_mask
from pipeline.picture.mixing import composite

NODES = 256  # along the longer side of what is warped; between them as picture_field() has it
SHARED = f"over joints finite in both, at least {LEAST_SHARED:g} of the query's"
NEAREST_POSE = f"training frame of least mean joint distance, unaligned, {SHARED}; pasted by its matte on the plate"
CENTRED = f"training frame of least mean joint distance, the roots of both laid on each other, {SHARED}"
MOVED = f"{CENTRED}; moved by whole px so that its root lies on the query's, pasted by its matte on the plate"
WARPED = f"{CENTRED}; warped limb by limb to the query's pose, without training, pasted by its warped matte on the plate"


def nearest_pose(query: np.ndarray, candidates: np.ndarray, root: int | None = None) -> int:
    """Index of the candidate pose (n j 2) nearest to the query (j 2): least mean joint distance; ties go to the first.

    root: the joint that both are moved to first; None = as they stand. -1 when no candidate shares enough joints.
    """
    distances = pose_distances(query, candidates, root)
    return int(np.argmin(distances)) if np.isfinite(distances).any() else -1


def root_shift(query: np.ndarray, reference: np.ndarray, root: int) -> np.ndarray:
    """What moves a reference pose (j 2) so that its root lies on the query's: (2) float64, as (x, y).

    Where one lacks the root, the common joints lie on each other in their mean.
    """
    offset = np.asarray(query, np.float64) - np.asarray(reference, np.float64)
    common = np.asarray(np.isfinite(offset).all(axis=-1))
    return offset[root] if common[root] else offset[common].mean(axis=0)


def moved(image: np.ndarray, shift_xy: np.ndarray) -> np.ndarray:
    """A picture (h w[ 3]) moved by the nearest whole number of px; what comes in from beyond its edge is 0."""
    matrix = np.array([[1.0, 0.0, np.rint(shift_xy[0])], [0.0, 1.0, np.rint(shift_xy[1])]])
    return cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), flags=cv2.INTER_NEAREST)


def warped(
    rgb: np.ndarray, matte: np.ndarray, query: np.ndarray, reference: np.ndarray, skeleton: Skeleton, box: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A reference frame (h w 3) and its matte (h w) warped limb by limb to the query's pose, seen in the query's half-open box.

    query, reference (j 2) in the px of their frames; box xyxy in the query's. Returns colour and matte of the box's size,
    matte 0 where the reference's frame does not reach, and where another part of the body lies over what is asked for.
    """
    import torch

    from pipeline.body.warping import picture_field

    x0, y0, x1, y1 = box
    size_hw = y1 - y0, x1 - x0
    here, there = (torch.from_numpy(np.asarray(pose, np.float32))[None] for pose in (query - np.array([x0, y0]), reference))
    with torch.inference_mode():
        field, own = picture_field(here, there, skeleton, size_hw, max(1, max(size_hw) // NODES))
    from_x, from_y = (np.ascontiguousarray(coordinate) for coordinate in field[0].permute(2, 0, 1).numpy())
    colour = cv2.remap(rgb, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opaque = cv2.remap(matte, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return colour, (opaque * own[0, 0].numpy() + 0.5).astype(np.uint8)


def pasted(rgb: np.ndarray, matte: np.ndarray, plate: np.ndarray, at: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Colour (h w 3) pasted by its matte (h w) on a copy of the plate, `at` being the (x, y) of its corner there (Eq. 9)."""
    picture = plate.copy()
    box = box_of_mask(matte > 0)
    if np.isfinite(box).all():
        x0, y0, x1, y1 = (int(edge) for edge in box)
        there = picture[at[1] + y0 : at[1] + y1, at[0] + x0 : at[0] + x1]
        there[...] = composite(rgb[y0:y1, x0:x1], matte[y0:y1, x0:x1], there)
    return picture
