"""Small layers at full px, strip by strip: first their columns, then some rows, so that what is enlarged many times costs little."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

CUBIC = -0.75  # slope of OpenCV's cubic kernel
REACH = 2  # px to either side by which it reaches
ROWS = 32  # of a picture that go through at once: a core's cache holds them


class Enlarged:
    """What cv2.warpAffine() makes of layers (h w) by a map (2 3) without turn from px of size_hw to theirs, borders repeated."""

    def __init__(self, layers: Sequence[np.ndarray], to_layer: np.ndarray, size_hw: tuple[int, int], cubic: bool) -> None:
        across = np.array([to_layer[0], [0.0, 1.0, 0.0]])
        size, flags = (size_hw[1], len(layers[0])), (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
        wide = [cv2.warpAffine(x.astype(np.float32), across, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for x in layers]
        self._wide, self._weights = wide, _weights(to_layer[1, 1] * np.arange(size_hw[0]) + to_layer[1, 2], len(layers[0]), cubic)

    def part(self, rows: slice, columns: slice) -> list[np.ndarray]:
        """These rows and columns of each layer, float32."""
        weights = self._weights[rows]
        used = np.flatnonzero(weights.any(0))
        some = slice(used[0], used[-1] + 1)
        weights = np.ascontiguousarray(weights[:, some])
        return [weights @ layer[some, columns] for layer in self._wide]


def strips(matte: np.ndarray, to_layer: np.ndarray, size_hw: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of a picture of size_hw that hold all that is not 0 in a matte (h w) enlarged by cubics, ROWS at once."""
    scale, (left, top) = to_layer[0, 0], to_layer[:, 2]
    for row in range(0, size_hw[0], ROWS):
        rows = slice(row, min(row + ROWS, size_hw[0]))
        first, last = (int(np.clip(np.floor(y * scale + top), 0, len(matte) - 1)) for y in (rows.start, rows.stop - 1))
        used = np.flatnonzero(matte[max(first - REACH + 1, 0) : last + REACH + 1].any(0))
        if len(used):
            low, high = (used[0] - REACH - left) / scale, (used[-1] + REACH - left) / scale
            start = 0 if used[0] == 0 else max(0, int(np.floor(low)))  # borders are repeated
            stop = size_hw[1] if used[-1] == matte.shape[1] - 1 else min(size_hw[1], int(np.ceil(high)) + 1)
            if start < stop:
                yield rows, slice(start, stop)


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
