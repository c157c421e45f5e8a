"""Where the pixels of a picture lie in a reference, at full px: body/warping.detail_field(), in passes that a core's cache holds.

A field is smooth but along the borders of the body's parts: there alone cells are gone through pixel by pixel.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from pipeline.body.fields import Field
from pipeline.body.warping import FOLDED, LEAP, LONGEST
from pipeline.reference.resampling import Strip

SURELY = 0.57  # a pixel is off its cell's map by three quarters of what a neighbour of the cell is, at most: squared, and rounding


def full_field(
    found: Field, first_cell: tuple[int, int], size_hw: tuple[int, int], cell: int, sound: Sequence[Strip]
) -> np.ndarray:
    """A field at the centres of cells (1 h' w'), with one more to each side, at the pixels of a picture of size_hw that lie among them:
    x and y px and, in the rows and columns given, how sound that is, (h w 3) float32. first_cell: row and column of the first cell."""
    coarse = np.dstack([found.field[0].numpy(), found.own[0].numpy()])
    # In its place among all cells; what lies about it stays as it comes.
    room = np.empty((*(cell * (-(-side // cell) + 2) for side in size_hw), 3), np.float32)
    (row, column), (rows, columns) = first_cell, coarse.shape[:2]
    part = room[row * cell : (row + rows) * cell, column * cell : (column + columns) * cell]
    cv2.resize(coarse, part.shape[1::-1], part, interpolation=cv2.INTER_LINEAR)
    _let_leap(part[cell:-cell, cell:-cell], coarse, found.linear[0].numpy(), cell, LEAP * float(found.size[0]))
    whole = room[cell : cell + size_hw[0], cell : cell + size_hw[1]]
    for strip in sound:
        whole[*strip, 2] *= _unfolded(whole, *strip)
    return whole


def _let_leap(whole: np.ndarray, coarse: np.ndarray, linear: np.ndarray, cell: int, leap_px: float) -> None:
    """Where what was interpolated (h w 3) lies far from what the nearest cell says, let that stand in.

    coarse (h' w' 3), linear (h' w' 2 2) are the cells', with a row more on each side.
    """
    own, slope = coarse[1:-1, 1:-1], linear[1:-1, 1:-1]
    rows, columns = own.shape[:2]
    # What is interpolated between cells is no farther from a cell's map than its neighbours are.
    farthest = np.zeros((rows, columns), np.float32)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            there = coarse[1 + down : 1 + down + rows, 1 + across : 1 + across + columns, :2]
            off = there - own[..., :2] - cell * (slope[..., 0] * np.float32(across) + slope[..., 1] * np.float32(down))
            np.maximum(farthest, np.square(off).sum(-1), out=farthest)
    at = np.nonzero(farthest * SURELY > leap_px**2)
    # Each pixel of the cells that are left.
    high, wide, deep = whole.strides
    cells = as_strided(whole, (rows, cell, columns, cell, 3), (high * cell, high, wide * cell, wide, deep))
    blocks = cells[at[0], :, at[1]]  # (m cell cell 3)
    offset = (np.arange(cell) - (cell - 1) / 2).astype(np.float32)
    centre, slope = own[at][:, None, None], slope[at][:, None, None]
    gone_on = centre[..., :2] + slope[..., 0] * offset[None, None, :, None] + slope[..., 1] * offset[None, :, None, None]
    leaps = np.square(blocks[..., :2] - gone_on).sum(-1, keepdims=True) > leap_px**2
    stands_in = np.concatenate([gone_on, np.broadcast_to(centre[..., 2:], leaps.shape)], -1)
    cells[at[0], :, at[1]] = np.where(leaps, stands_in, blocks)


def _unfolded(whole: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Rows and columns of body/warping.unfolded() of a field (h w 3), whose last layer does not matter."""
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    x, y, _ = cv2.split(whole[top : rows.stop + 1, left : columns.stop + 1])
    height, width = rows.stop - top, columns.stop - left
    across = [_to_next(plane[:height].T, width).T for plane in (x, y)]
    down = [_to_next(plane[:, :width], height) for plane in (x, y)]
    area = across[0] * down[1] - across[1] * down[0]
    longest = np.sqrt(np.maximum(*(dx * dx + dy * dy for dx, dy in (across, down))))
    sound = np.minimum((area - FOLDED[0]) / np.float32(FOLDED[1] - FOLDED[0]), LONGEST - longest)
    # Both sides of a leap.
    sound = cv2.erode(sound, np.ones((2, 2), np.uint8), anchor=(1, 1), borderType=cv2.BORDER_REPLICATE)
    return np.clip(sound, 0, 1)[rows.start - top :, columns.start - left :]


def _to_next(plane: np.ndarray, count: int) -> np.ndarray:
    """Differences of `count` rows to the next one; the last one's is repeated where there is none, and a single row has none."""
    step = np.zeros((count, *plane.shape[1:]), np.float32)
    known = min(count, len(plane) - 1)
    np.subtract(plane[1 : known + 1], plane[:known], out=step[:known])
    if 0 < known < count:
        step[known:] = step[known - 1]
    return step
