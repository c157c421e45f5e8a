"""Where the pixels of a picture lie in a reference, at full px: body/warping.detail_field(), in passes that a core's cache holds.

A field is smooth but along the borders of the body's parts: there alone cells are gone through pixel by pixel, and asked about anew
at points nearer to each other.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from pipeline.body.fields import Field
from pipeline.body.warping import CELL, FOLDED, LEAP, LONGEST
from pipeline.reference.resampling import Strip

Exact = Callable[[np.ndarray], np.ndarray]  # of points (p 2) px the layers (7 p) of body/fields.PartField.at_points()

SURELY = 0.57  # a pixel is off its cell's map by three quarters of what a neighbour of the cell is, at most: squared, and rounding


def full_field(
    found: Field, first_cell: tuple[int, int], size_hw: tuple[int, int], cell: int, sound: Sequence[Strip], exact: Exact | None = None
) -> np.ndarray:
    """A field at the centres of cells (1 h' w'), with one more to each side, at the pixels of a picture of size_hw that lie among them:
    x and y px and, in the rows and columns given, how sound that is, (h w 3) float32. first_cell: row and column of the first cell.

    exact: what tells there, where the field leaps from part to part, on which side of the border a pixel lies: cells of many px are steps.
    """
    coarse = np.dstack([found.field[0].numpy(), found.own[0].numpy()])
    # In its place among all cells; what lies about it stays as it comes.
    room = np.empty((*(cell * (-(-side // cell) + 2) for side in size_hw), 3), np.float32)
    (row, column), (rows, columns) = first_cell, coarse.shape[:2]
    part = room[row * cell : (row + rows) * cell, column * cell : (column + columns) * cell]
    cv2.resize(coarse, part.shape[1::-1], part, interpolation=cv2.INTER_LINEAR)
    inner, linear, leap_px = part[cell:-cell, cell:-cell], found.linear[0].numpy(), LEAP * float(found.size[0])
    leaping = _leaping(coarse, linear, cell, leap_px)
    if exact is not None and cell >= 2 * CELL:
        asked = np.zeros([-(-side // cell) for side in size_hw], bool)
        for down, across in sound:
            asked[down.start // cell : -(-down.stop // cell), across.start // cell : -(-across.stop // cell)] = True
        asked = leaping & asked[row : row + rows - 2, column : column + columns - 2]
        _refine(inner, asked, (row * cell, column * cell), cell, exact)
        leaping &= ~asked
    _let_leap(inner, leaping, coarse, linear, cell, leap_px)
    whole = room[cell : cell + size_hw[0], cell : cell + size_hw[1]]
    for strip in sound:
        whole[*strip, 2] *= _unfolded(whole, *strip)
    return whole


def _leaping(coarse: np.ndarray, linear: np.ndarray, cell: int, leap_px: float) -> np.ndarray:
    """Cells (h' w') bool in which what is interpolated may lie far from what the cell says; coarse (h'+2 w'+2 3) and linear (h'+2 w'+2 2 2)
    are theirs, with a row more on each side."""
    own, slope = coarse[1:-1, 1:-1], linear[1:-1, 1:-1]
    rows, columns = own.shape[:2]
    # What is interpolated between cells is no farther from a cell's map than its neighbours are.
    farthest = np.zeros((rows, columns), np.float32)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            there = coarse[1 + down : 1 + down + rows, 1 + across : 1 + across + columns, :2]
            off = there - own[..., :2] - cell * (slope[..., 0] * np.float32(across) + slope[..., 1] * np.float32(down))
            np.maximum(farthest, np.square(off).sum(-1), out=farthest)
    return farthest * SURELY > leap_px**2


def _refine(whole: np.ndarray, cells: np.ndarray, corner: tuple[int, int], cell: int, exact: Exact) -> None:
    """Put what is exact, at points CELL px from each other, into cells (h' w') bool of a field (h w 3) that begins at a corner (y, x)."""
    if not cells.any():
        return
    at, parts = np.nonzero(cells), -(-cell // CELL)
    within = np.arange(parts) * CELL + (CELL - 1) / 2
    y, x = (start + cell * index[:, None] + within for start, index in zip(corner, at, strict=True))  # (m parts)
    points = np.stack(np.broadcast_arrays(x[:, None, :], y[:, :, None]), -1)
    layers = exact(points.reshape(-1, 2).astype(np.float32)).T
    fine = _gone_on(layers[:, :3], layers[:, 3:].reshape(-1, 2, 2), CELL).reshape(len(x), parts, parts, CELL, CELL, 3).swapaxes(2, 3)
    _pixels(whole, cell)[at[0], :, at[1]] = fine.reshape(len(x), parts * CELL, parts * CELL, 3)[:, :cell, :cell]


def _let_leap(whole: np.ndarray, leaping: np.ndarray, coarse: np.ndarray, linear: np.ndarray, cell: int, leap_px: float) -> None:
    """Where what was interpolated (h w 3), in cells (h' w') bool, lies far from what the cell says, let that stand in; coarse and linear
    as _leaping() has them."""
    at, pixels = np.nonzero(leaping), _pixels(whole, cell)
    blocks = pixels[at[0], :, at[1]]  # (m cell cell 3)
    gone_on = _gone_on(coarse[1:-1, 1:-1][at], linear[1:-1, 1:-1][at], cell)
    leaps = np.square(blocks[..., :2] - gone_on[..., :2]).sum(-1, keepdims=True) > leap_px**2
    pixels[at[0], :, at[1]] = np.where(leaps, gone_on, blocks)


def _gone_on(centres: np.ndarray, slopes: np.ndarray, side: int) -> np.ndarray:
    """A field (m 3) at the centres of cells with their slopes (m 2 2), gone on to each of their pixels: (m side side 3)."""
    offset = (np.arange(side) - (side - 1) / 2).astype(np.float32)
    centres, slopes = centres[:, None, None], slopes[:, None, None]
    xy = centres[..., :2] + slopes[..., 0] * offset[None, None, :, None] + slopes[..., 1] * offset[None, :, None, None]
    return np.concatenate([xy, np.broadcast_to(centres[..., 2:], (*xy.shape[:-1], 1))], -1)


def _pixels(whole: np.ndarray, cell: int) -> np.ndarray:
    """A field (h w 3) as its cells' pixels (h' cell w' cell 3), in its own memory."""
    high, wide, deep = whole.strides
    return as_strided(whole, (len(whole) // cell, cell, whole.shape[1] // cell, cell, 3), (high * cell, high, wide * cell, wide, deep))


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
