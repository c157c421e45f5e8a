"""What stands still behind a moving subject: the median over time of the pixels that nothing hides."""

from collections.abc import Iterator

import cv2
import numpy as np

SAMPLE_BYTES = 500 * 2**20
BLOCK_VALUES = 24 * 2**20
LEVELS = 64
LEAST_OPACITY = 12
WHITE_SHARE = 0.02  # a channel brightens by so much more than the picture: its white balance changed, not its light alone
TOLD_LEVELS, TOLD_PIXELS = (20, 250), 50  # of a channel: darker is noise, lighter is cut off; and so few tell nothing
HIDDEN = np.int16(np.iinfo(np.int16).max)


def samples_that_fit(size_hw: tuple[int, int], most: int) -> int:
    """How many frames of a size may be held in memory at once (500 MB), at most `most` and at least 5."""
    return max(5, min(most, SAMPLE_BYTES // (size_hw[0] * size_hw[1] * 4)))


def hidden_by(matte: np.ndarray, reach_px: int) -> np.ndarray:
    """Mask (h w) bool of what a matte (h w) uint8 hides, widened by reach_px in every direction."""
    mask = (matte > LEAST_OPACITY).astype(np.uint8)
    if reach_px:
        mask = cv2.dilate(mask, np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8))
    return mask > 0


def lighting_gains(samples: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Brightness (n 3) float64 of each sample (n h w 3) uint8 over the middle one, by pixels that both show; 1 if none do.

    The median of ratios over a coarse grid: light that flickers changes all pixels alike, a subject only few. One for all channels
    unless the white balance changes.
    """
    seen = ~hidden
    middle = len(samples) // 2
    gains = np.stack([brightness(samples[i], samples[middle], seen[i] & seen[middle]) for i in range(len(samples))])
    return gains / np.median(gains, axis=0)


def brightness(image: np.ndarray, other: np.ndarray, both: np.ndarray, least: int = 1) -> np.ndarray:
    """Brightness (3) float64 of an image (h w 3) over another, by a coarse grid of the pixels that both show (h w); 1 if fewer do than
    the least."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / 20_000)))
    image, other, both = (layer[::step, ::step] for layer in (image, other, both))
    if both.sum() < least:
        return np.ones(3)
    image, other = image[both], other[both]
    gain = np.median((image.mean(axis=1) + 1.0) / (other.mean(axis=1) + 1.0))
    gains = np.full(3, gain)
    low, high = TOLD_LEVELS
    for channel in range(3):
        one, two = image[:, channel].astype(np.float64), other[:, channel].astype(np.float64)
        told = (np.minimum(one, two) > low) & (np.maximum(one, two) < high)
        if told.sum() >= TOLD_PIXELS:
            gains[channel] = np.median((one[told] + 1.0) / (two[told] + 1.0))
    return gains if (np.abs(gains / gain - 1) > WHITE_SHARE).any() else np.full(3, gain)


def masked_median(samples: np.ndarray, hidden: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median over time of samples (n h w 3) uint8 where not hidden (n h w) bool, each sample divided by its gains (n 3).

    Returns the median (h w 3) float32 and how many samples show each pixel (h w) int32; a pixel never shown has median 0.
    """
    counts = (~hidden).sum(axis=0, dtype=np.int32)
    median = np.zeros((*counts.shape, 3), np.float32)
    for part, levels in _row_blocks(samples, hidden, gains):
        median[part] = _middle(levels, counts[part]) / LEVELS
    return median, counts


def masked_noise(samples: np.ndarray, hidden: np.ndarray, gains: np.ndarray, median: np.ndarray) -> np.ndarray:
    """Noise (h w) float32 around masked_median's result: 1.4826 × median absolute deviation, the largest channel's."""
    counts = (~hidden).sum(axis=0, dtype=np.int32)
    noise = np.zeros(counts.shape, np.float32)
    for part, levels in _row_blocks(samples, hidden, gains):
        centre = (median[part] * LEVELS).round().astype(np.int16)
        apart = np.where(levels == HIDDEN, HIDDEN, np.abs(levels - centre))
        noise[part] = _middle(apart, counts[part]).max(axis=2) / LEVELS * 1.4826
    return noise


def _row_blocks(samples: np.ndarray, hidden: np.ndarray, gains: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows as (rows, levels (n rows w 3) int16): brightness in 1/64 after the gain, HIDDEN where not seen."""
    n, height, width, _ = samples.shape
    tables = np.stack([(np.arange(256)[:, None] / gain * LEVELS).round().clip(0, 255 * LEVELS) for gain in gains]).astype(np.int16)
    rows = max(1, BLOCK_VALUES // (n * width * 3))
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        levels = np.empty((n, len(samples[0, part]), width, 3), np.int16)
        for table, sample, level in zip(tables, samples, levels, strict=True):
            cv2.LUT(np.ascontiguousarray(sample[part]), table[None], level)
        levels[hidden[:, part]] = HIDDEN
        yield part, levels


def _middle(levels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median of the `counts` (h w) smallest of levels (n h w 3), which it sorts; hidden ones are the largest and come last."""
    levels.sort(axis=0)
    low, high = np.maximum(counts - 1, 0) // 2, (counts // 2).clip(max=len(levels) - 1)
    picked = [np.take_along_axis(levels, index[None, ..., None], axis=0)[0].astype(np.float32) for index in (low, high)]
    return np.where(counts[..., None] > 0, (picked[0] + picked[1]) / 2, np.float32(0))
