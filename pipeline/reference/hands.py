"""Where the pixels about hands lie in a reference, finer than elsewhere: the cells of a picture are wider than its fingers.

A pixel beside a leap from part to part goes on as its nearest cell does. Cells as wide as a finger made a mosaic of a hand.
"""

import numpy as np
import torch

from pipeline.body.fields import PartField, about_hand
from pipeline.body.warping import CELL, cell_centres
from pipeline.reference.field import full_field
from pipeline.reference.resampling import everywhere


def refine_hands(found: np.ndarray, parts: PartField, cell: int) -> None:
    """Work out anew, in a field (h w 3) as full_field() has it from cells of so many px, what lies about hands whose fingers both poses
    of one picture show: query px of the field, reference px of its picture."""
    if cell <= CELL:
        return
    poses, fingers, (height, width) = parts.poses, parts.skeleton.fingers(), found.shape[:2]
    for hand in parts.skeleton.hands():
        if not poses.in_both[0, sorted(fingers.intersection(hand))].any():
            continue
        (left, top), (right, bottom) = (corner[0].tolist() for corner in about_hand(hand, poses))
        x0, x1 = max(0, int(np.floor(left))), min(width, int(np.ceil(right)) + 1)
        y0, y1 = max(0, int(np.floor(top))), min(height, int(np.ceil(bottom)) + 1)
        if x0 >= x1 or y0 >= y1:
            continue
        size_hw = y1 - y0, x1 - x0
        x, y = cell_centres(size_hw, CELL, torch.device("cpu"))
        fine = parts.at(x + x0, y + y0)
        found[y0:y1, x0:x1] = full_field(fine, (0, 0), size_hw, CELL, everywhere(size_hw))
