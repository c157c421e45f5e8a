"""Which known patch is most like each patch of the hole."""

import numpy as np

BLOCK_VALUES = 4 * 2**20
JUMPS = (4, 1)  # px to the neighbours whose match is tried
STEPS = (4, 1)  # px from the present match to the places tried about it
SIDEWAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))
AROUND = (*SIDEWAYS, (1, 1), (1, -1), (-1, 1), (-1, -1))


def anywhere(known: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index (n) of the nearest of known (m d) to each of wanted (n d), and its squared distance (n)."""
    index, nearest = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.float32)
    norms, rows = _squared(known), max(1, BLOCK_VALUES // len(known))
    for start in range(0, len(wanted), rows):
        block = wanted[start : start + rows]
        distances = norms - 2 * (block @ known.T)
        index[start : start + rows] = best = distances.argmin(axis=1)
        nearest[start : start + rows] = distances[np.arange(len(block)), best] + _squared(block)
    return index, nearest.clip(min=0)


def nearby(
    known: np.ndarray, wanted: np.ndarray, matches: np.ndarray, centres: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Better matches (n) and their squared distances (n), from what neighbours found and from about the present ones.

    known (h·w d), wanted (n d); matches and centres (n) are flat indices; usable (h w) tells where a match may lie.
    PatchMatch (Barnes et al. 2009) with fixed steps in place of random ones.
    """
    h, w = usable.shape
    matches, order = matches.copy(), np.full(h * w, -1)
    order[centres] = np.arange(len(centres))
    nearest = _squared(known[matches] - wanted)
    y, x = np.divmod(centres, w)

    def attempt(rows: np.ndarray, at_y: np.ndarray, at_x: np.ndarray) -> None:
        inside = (at_y >= 0) & (at_y < h) & (at_x >= 0) & (at_x < w)
        rows, tried = rows[inside], (at_y * w + at_x)[inside]
        worth = usable.reshape(-1)[tried] & (tried != matches[rows])
        rows, tried = rows[worth], tried[worth]
        distances = _squared(known[tried] - wanted[rows])
        better = distances < nearest[rows]
        matches[rows[better]], nearest[rows[better]] = tried[better], distances[better]

    for jump in JUMPS:
        for dy, dx in SIDEWAYS:
            dy, dx = jump * dy, jump * dx
            rows = np.flatnonzero((y + dy >= 0) & (y + dy < h) & (x + dx >= 0) & (x + dx < w))
            neighbours = order[centres[rows] + dy * w + dx]
            rows, neighbours = rows[neighbours >= 0], neighbours[neighbours >= 0]
            at_y, at_x = np.divmod(matches[neighbours], w)
            attempt(rows, at_y - dy, at_x - dx)
    for step in STEPS:
        for dy, dx in AROUND:
            at_y, at_x = np.divmod(matches, w)
            attempt(np.arange(len(matches)), at_y + step * dy, at_x + step * dx)
    return matches, nearest


def _squared(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)
