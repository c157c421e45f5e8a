"""Where the pixels of a picture lie in a reference, at full px: body/warping.detail_field(), in passes that a core's cache holds.

A field is smooth but along the borders of the body's parts: there alone cells are gone through pixel by pixel.
"""

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from pipeline.body.fields import Field
from pipeline.body.warping import FOLDED, LEAP, LONGEST
from pipeline.reference.resampling import ROWS

SURELY = 0.57  # a pixel is off its cell's map by three quarters of what a neighbour of the cell is, at most: squared, and rounding


def full_field(found: Field, size_hw: tuple[int, int], cell: int) -> np.ndarray:
    """A field at the centres of cells (1 h' w'), at all pixels of size_hw: x and y px and how sound that is, (h w 3) float32."""
    coarse = np.dstack([found.field[0].numpy(), found.own[0].numpy()])
    whole = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_LINEAR)[cell:-cell, cell:-cell]
    _let_leap(whole, coarse, found.linear[0].numpy(), cell, LEAP * float(found.size[0]))
    x, y, own = cv2.split(whole[: size_hw[0], : size_hw[1]])
    return cv2.merge([x, y, np.multiply(own, _unfolded(x, y), out=own)])


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


def _unfolded(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """body/warping.unfolded() of a field x, y (h w), (h w) float32."""
    height = len(x)
    sound = np.empty_like(x)
    for start in range(0, height, ROWS):
        stop = min(start + ROWS, height)
        # Differences to the next pixel, the last ones repeated.
        first = min(start, max(height - 2, 0))
        across = [_to_next(plane[start:stop].T).T for plane in (x, y)]
        down = [_to_next(plane[first : stop + 1])[start - first :][: stop - start] for plane in (x, y)]
        area = across[0] * down[1] - across[1] * down[0]
        longest = np.sqrt(np.maximum(*(dx * dx + dy * dy for dx, dy in (across, down))))
        np.minimum((area - FOLDED[0]) / np.float32(FOLDED[1] - FOLDED[0]), LONGEST - longest, out=sound[start:stop])
    sound = np.clip(sound, 0, 1, out=sound)
    return cv2.erode(sound, np.ones((2, 2), np.uint8), anchor=(1, 1), borderType=cv2.BORDER_REPLICATE)  # both sides of a leap


def _to_next(plane: np.ndarray) -> np.ndarray:
    """Differences along the first axis to the next row, the last one repeated; a single row has none."""
    step = np.zeros_like(plane)
    if len(plane) > 1:
        np.subtract(plane[1:], plane[:-1], out=step[:-1])
        step[-1] = step[-2]
    return step
