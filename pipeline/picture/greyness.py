"""Footage without colour, as animals are often filmed in: what is made of it stays without (not in the paper)."""

from collections.abc import Iterable

import numpy as np

TINT_LEVELS = 1.0  # mean difference between an image's channels, of 255, under which it counts as grey: what codecs leave


def are_grey(images: Iterable[np.ndarray]) -> bool:
    """Whether all images (h w 3) uint8 are without colour; a tint over the whole image is a colour."""
    return all(float(np.ptp(image.astype(np.int16), axis=-1).mean()) < TINT_LEVELS for image in images)


def without_colour(values: np.ndarray) -> np.ndarray:
    """Every channel (… 3) replaced by the mean of the three, rounded, in the same type."""
    mean = np.rint(values.mean(-1, keepdims=True, dtype=np.float64)).astype(values.dtype)
    return np.broadcast_to(mean, values.shape).copy()
