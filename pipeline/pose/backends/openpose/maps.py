"""From an image to the networks' input, and from their small maps back to maps of the image's size (as the PyTorch port does it)."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

STRIDE = 8
NET_HEIGHT_PX = 368  # of the image at scale 1
PAD_VALUE = 128
CUBIC, CUBIC_TAPS = -0.75, 4  # OpenCV's cubic kernel


def network_input(image: np.ndarray, scale: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the input (3 h w) float32 for an image (h w 3) uint8 RGB, and its height and width before padding.

    The image is resized (cubic) by scale * 368 / height; channels are BGR / 256 - 0.5; 128 fills up right and bottom to multiples of 8.
    """
    factor = scale * NET_HEIGHT_PX / image.shape[0]
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    height, width = small.shape[:2]
    padded = np.full((-(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE, 3), PAD_VALUE, np.uint8)
    padded[:height, :width] = small
    return np.ascontiguousarray(padded[..., ::-1].transpose(2, 0, 1)).astype(np.float32) / 256 - 0.5, (height, width)


@dataclass(frozen=True)
class SmallMaps:
    """A network's maps (c h/8 w/8) float32 of one image at one scale, and the input's height and width before padding."""

    maps: np.ndarray
    input_hw: tuple[int, int]


class FullMaps:
    """Maps of the image's size, made one channel at a time: the mean over the scales of each enlarged map.

    A whole frame's 57 maps would take 470 MB at 1920 x 1080. (The port's mean of the heat maps counts earlier scales
    more than once; here it is the mean for any list of scales.)
    """

    def __init__(self, scales: Sequence[SmallMaps], image_hw: tuple[int, int]) -> None:
        self._scales, self.image_hw = scales, image_hw

    def __len__(self) -> int:
        return len(self._scales[0].maps)

    def __getitem__(self, channel: int) -> np.ndarray:
        """Return map (h w) of a channel: float32 for one scale, float64 for several."""
        enlarged = [self._enlarge(small, channel) for small in self._scales]
        return enlarged[0] if len(enlarged) == 1 else np.asarray(np.mean(enlarged, axis=0, dtype=np.float64))

    def sample(self, channel: int, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
        """Return a channel's values at rows and columns, float64, to about 1e-6 of its largest; few pixels cost little."""
        if ys.size * CUBIC_TAPS**2 > self.image_hw[0] * self.image_hw[1]:
            return self[channel][ys, xs].astype(np.float64)
        return np.mean([self._enlarge_at(small, channel, ys, xs) for small in self._scales], axis=0)

    def _enlarge(self, small: SmallMaps, channel: int) -> np.ndarray:
        return cv2.resize(_unpadded(small, channel), self.image_hw[::-1], interpolation=cv2.INTER_CUBIC)

    def _enlarge_at(self, small: SmallMaps, channel: int, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
        rows, row_weights = _cubic_taps(ys, small.input_hw[0], self.image_hw[0])
        columns, column_weights = _cubic_taps(xs, small.input_hw[1], self.image_hw[1])
        values = _unpadded(small, channel)[rows[..., :, None], columns[..., None, :]].astype(np.float64)
        return np.einsum("...ij,...i,...j->...", values, row_weights, column_weights)


def _unpadded(small: SmallMaps, channel: int) -> np.ndarray:
    """Return a channel (h w) at the size of the network's input, without its padding."""
    height, width = small.input_hw
    return cv2.resize(small.maps[channel], None, fx=STRIDE, fy=STRIDE, interpolation=cv2.INTER_CUBIC)[:height, :width]


def _cubic_taps(at: np.ndarray, small: int, full: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which four pixels (... 4) of a line so small OpenCV's cubic resize reads for pixels of the full line, and their weights."""
    position = (at + 0.5) * (small / full) - 0.5
    low = np.floor(position).astype(int)
    x = (position - low)[..., None]
    near, far = np.concatenate([x, 1 - x], axis=-1), np.concatenate([1 + x, 2 - x], axis=-1)
    inner = ((CUBIC + 2) * near - (CUBIC + 3)) * near**2 + 1
    outer = ((CUBIC * far - 5 * CUBIC) * far + 8 * CUBIC) * far - 4 * CUBIC
    weights = np.stack([outer[..., 0], inner[..., 0], inner[..., 1], outer[..., 1]], axis=-1)
    return np.clip(low[..., None] + np.arange(-1, CUBIC_TAPS - 1), 0, small - 1), weights
