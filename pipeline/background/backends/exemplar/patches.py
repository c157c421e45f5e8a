"""Square patches of an image and their short descriptors, by which they are compared."""

from collections.abc import Iterator

import cv2
import numpy as np

SIDE = 7
REACH = SIDE // 2
COMPONENTS = 24
COLOUR_WEIGHT = 0.5  # of the mean colour; below 1, since voting brings it nearer to the place that is filled
TEXTURE_WEIGHT = 8.0  # of the mean steepness: it keeps a hole among leaves from being filled with blurred leaves
DOWN_LEVELS, ACROSS_LEVELS = 300.0, 140.0  # what a whole longer side apart counts like: a scene changes with height above all
SAMPLES = 4000  # patches that the components are computed from
BLOCK = 50_000


def grown(mask: np.ndarray) -> np.ndarray:
    """Mask (h w) bool of the centres of patches that touch the mask."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((SIDE, SIDE), np.uint8)) > 0


def steps(width: int) -> Iterator[int]:
    """Steps from a patch's centre to its pixels in a flattened image, row by row."""
    for dy in range(-REACH, REACH + 1):
        yield from range(dy * width - REACH, dy * width + REACH + 1)


class Descriptors:
    """Descriptors (h·w d) float32 of an image (h w 4): squared distances stand for those of patches, summed over their pixels.

    Principal components of a patch's colours about their mean, that mean and the mean texture, and the place.
    means (h·w 4): mean colour and texture of the patch about each pixel. sources: flat indices of patches to learn from.
    """

    def __init__(self, image: np.ndarray, sources: np.ndarray) -> None:
        self.size_hw = image.shape[:2]
        patches = _detail(_gather(image, sources[:: max(1, len(sources) // SAMPLES)]))
        self.basis = np.ascontiguousarray(np.linalg.eigh(patches.T @ patches)[1][:, : -COMPONENTS - 1 : -1])
        self.means = cv2.blur(image, (SIDE, SIDE)).reshape(-1, 4)
        self.all = np.empty((len(self.means), COMPONENTS + 6), np.float32)
        for index, kernel in enumerate(self.basis.T.reshape(-1, SIDE, SIDE, 3)):
            maps = [cv2.filter2D(image[..., i], cv2.CV_32F, np.ascontiguousarray(kernel[..., i])) for i in range(3)]
            self.all[:, index] = np.sum(maps, axis=0).ravel()
        self.all[:, COMPONENTS:] = self._rest(self.means, np.arange(len(self.means)))

    def of(self, image: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors (n d) and means (n 4) of the patches of another image of that size, by the same components."""
        found, means = [], []
        for start in range(0, len(centres), BLOCK):
            block = centres[start : start + BLOCK]
            patches = _gather(image, block)
            means.append(patches.mean(axis=1))
            found.append(np.concatenate([_detail(patches) @ self.basis, self._rest(means[-1], block)], axis=1))
        return np.concatenate(found), np.concatenate(means)

    def _rest(self, means: np.ndarray, centres: np.ndarray) -> np.ndarray:
        y, x = np.divmod(centres, self.size_hw[1])
        place = np.stack([DOWN_LEVELS * y, ACROSS_LEVELS * x], axis=1) / max(self.size_hw)
        weighted = means * np.sqrt([COLOUR_WEIGHT] * 3 + [TEXTURE_WEIGHT])
        return (SIDE * np.concatenate([weighted, place], axis=1)).astype(np.float32)


def _gather(image: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Patches (n 49 c) about centres (n), flat indices, of an image (h w c)."""
    flat = image.reshape(-1, image.shape[2])
    return np.stack([flat[centres + step] for step in steps(image.shape[1])], axis=1)


def _detail(patches: np.ndarray) -> np.ndarray:
    """Colours (n 147) of patches (n 49 4) about their means."""
    colours = patches[..., :3]
    return (colours - colours.mean(axis=1, keepdims=True)).reshape(len(patches), -1)
