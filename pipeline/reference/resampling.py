"""Layers at full px, strip by strip: enlarged from few pixels, averaged to few, so that a core's cache holds what is gone through and
nothing is worked out that nobody sees."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

CUBIC = -0.75  # slope of OpenCV's cubic kernel
REACH = 2  # px to either side by which it reaches
ROWS = 32  # of a picture that go through at once: a core's cache holds them

Strip = tuple[slice, slice]  # rows and columns of a picture


class Enlarged:
    """What cv2.warpAffine() makes of layers (h w) by a map (2 3) without turn from px of size_hw to theirs, borders repeated."""

    def __init__(self, layers: Sequence[np.ndarray], to_layer: np.ndarray, size_hw: tuple[int, int], cubic: bool) -> None:
        across = np.array([to_layer[0], [0.0, 1.0, 0.0]])
        size, flags = (size_hw[1], len(layers[0])), (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
        wide = [cv2.warpAffine(x.astype(np.float32), across, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for x in layers]
        self._wide, self._weights = wide, _weights(to_layer[1, 1] * np.arange(size_hw[0]) + to_layer[1, 2], len(layers[0]), cubic)

    def part(self, rows: slice, columns: slice) -> list[np.ndarray]:
        """These rows and columns of each layer, float32."""
        some, weights = _used(self._weights[rows])
        return [weights @ layer[some, columns] for layer in self._wide]


class Averaged:
    """Layers of size_hw that are given strip by strip, averaged over areas to fewer px: as cv2.resize(…, INTER_AREA) has them."""

    def __init__(self, layers: int, size_hw: tuple[int, int], small_hw: tuple[int, int]) -> None:
        self._small_hw, self._weights = small_hw, _areas(size_hw[0], small_hw[0])
        self._sums = np.zeros((layers, small_hw[0], size_hw[1]), np.float32)

    def add(self, strip: Strip, layers: Sequence[np.ndarray]) -> None:
        """Rows and columns of each layer, float32; what is never given is 0."""
        rows, columns = strip
        some, weights = _used(self._weights[rows])
        for sums, layer in zip(self._sums, layers, strict=True):
            sums[some, columns] += weights.T @ layer

    def small(self) -> list[np.ndarray]:
        """The layers, float32."""
        return [cv2.resize(sums, self._small_hw[::-1], interpolation=cv2.INTER_AREA) for sums in self._sums]


def strips(shown: np.ndarray, to_layer: np.ndarray, size_hw: tuple[int, int], reach: int = REACH) -> Iterator[Strip]:
    """Rows and columns of a picture of size_hw, ROWS at once, that hold all that is not 0 in a layer (h w) enlarged by a kernel which
    reaches so many of its px to either side."""
    scale, (left, top) = to_layer[0, 0], to_layer[:, 2]
    for rows, _ in everywhere(size_hw):
        first, last = (int(np.clip(np.floor(y * scale + top), 0, len(shown) - 1)) for y in (rows.start, rows.stop - 1))
        used = np.flatnonzero(shown[max(first - reach + 1, 0) : last + reach + 1].any(0))
        if len(used):
            low, high = (used[0] - reach - left) / scale, (used[-1] + reach - left) / scale
            start = 0 if used[0] == 0 else max(0, int(np.floor(low)))  # borders are repeated
            stop = size_hw[1] if used[-1] == shown.shape[1] - 1 else min(size_hw[1], int(np.ceil(high)) + 1)
            if start < stop:
                yield rows, slice(start, stop)


def everywhere(size_hw: tuple[int, int]) -> list[Strip]:
    """All of a picture, ROWS at once."""
    return [(slice(row, min(row + ROWS, size_hw[0])), slice(0, size_hw[1])) for row in range(0, size_hw[0], ROWS)]


def widened(few: Sequence[Strip], reach: tuple[int, int], size_hw: tuple[int, int]) -> list[Strip]:
    """Rows and columns of a picture of size_hw, ROWS at once, that lie no farther than `reach` px down and across from others."""
    found, (down, across) = [], reach
    for rows, _ in everywhere(size_hw):
        near = [columns for held, columns in few if held.start - down < rows.stop and held.stop + down > rows.start]
        if near:
            start, stop = min(columns.start for columns in near) - across, max(columns.stop for columns in near) + across
            found.append((rows, slice(max(0, start), min(size_hw[1], stop))))
    return found


def moved_by(few: Sequence[Strip], shift_xy: tuple[int, int], size_hw: tuple[int, int]) -> list[Strip]:
    """Rows and columns as they are counted from a corner, as far as they lie in a picture of size_hw that begins there."""
    (x, y), (height, width) = shift_xy, size_hw
    cut = [
        (slice(max(0, rows.start - y), min(height, rows.stop - y)), slice(max(0, columns.start - x), min(width, columns.stop - x)))
        for rows, columns in few
    ]
    return [(rows, columns) for rows, columns in cut if rows.start < rows.stop and columns.start < columns.stop]


def _used(weights: np.ndarray) -> tuple[slice, np.ndarray]:
    """The columns of weights (n m) that hold any, and these weights alone."""
    used = np.flatnonzero(weights.any(0))
    some = slice(int(used[0]), int(used[-1]) + 1)
    return some, np.ascontiguousarray(weights[:, some])


def _areas(length: int, count: int) -> np.ndarray:
    """What each of `length` pixels weighs in the mean of each of `count` equal parts of them, (length count) float32."""
    edges, start = np.arange(count + 1) * (length / count), np.arange(length)[:, None]
    shared = np.minimum(edges[1:], start + 1) - np.maximum(edges[:-1], start)
    return (shared.clip(0, None) * (count / length)).astype(np.float32)


def _weights(positions: np.ndarray, length: int, cubic: bool) -> np.ndarray:
    """What each of `length` pixels weighs at positions (n), (n length) float32."""
    first = np.floor(positions)
    share = (positions - first).astype(np.float32)
    taps = {-1: _slope(share + 1), 0: _hill(share), 1: _hill(1 - share), 2: _slope(2 - share)} if cubic else {0: 1 - share, 1: share}
    weights = np.zeros((len(positions), length), np.float32)
    for tap, weight in taps.items():
        np.add.at(weights, (np.arange(len(positions)), np.clip(first + tap, 0, length - 1).astype(int)), weight)
    return weights


def _hill(distance: np.ndarray) -> np.ndarray:
    """The cubic kernel within a pixel."""
    return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance * distance + 1


def _slope(distance: np.ndarray) -> np.ndarray:
    """The cubic kernel between one and two pixels."""
    return ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
