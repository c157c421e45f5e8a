"""Heat maps and part affinity fields of people who stand where a test puts them: what OpenPose's body network would ideally give."""

import numpy as np

from pipeline.pose.backends.openpose.decode import FIELD_CHANNELS, LIMBS

# A standing person, 1 high, seen from the front: x from the middle, y from the top.
STANDING = np.array([
    [0.00, 0.09], [0.00, 0.20], [-0.11, 0.20], [-0.14, 0.36], [-0.15, 0.50], [0.11, 0.20], [0.14, 0.36], [0.15, 0.50], [-0.07, 0.52],
    [-0.08, 0.74], [-0.08, 0.96], [0.07, 0.52], [0.08, 0.74], [0.08, 0.96], [-0.03, 0.06], [0.03, 0.06], [-0.06, 0.08], [0.06, 0.08],
])  # fmt: skip


def standing(x: float, top: float, height: float) -> np.ndarray:
    """Return the 18 joints (18 2) of a person so high in pixels, whose crown is at (x, top)."""
    return STANDING * height + (x, top)


def draw(people: np.ndarray, size_hw: tuple[int, int], spread: float, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return heat (h w 19) and paf (h w 38) float32 of people (p 18 2) in full pixels, NaN joints left out.

    spread is a peak's sigma and a limb's half width in cells of the maps; a cell covers stride pixels, integer = its centre.
    """
    ys, xs = np.mgrid[: size_hw[0], : size_hw[1]].astype(np.float64)
    at = (people + 0.5) / stride - 0.5
    heat, paf = np.zeros((*size_hw, 19)), np.zeros((*size_hw, 38))
    for person in at:
        for part, (x, y) in enumerate(person):
            if np.isfinite(x):
                heat[..., part] = np.maximum(heat[..., part], np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread**2)))
        for (a, b), channels in zip(LIMBS, FIELD_CHANNELS, strict=True):
            if np.isfinite(person[[a, b]]).all():
                length = np.linalg.norm(person[b] - person[a])
                u, v = (person[b] - person[a]) / length
                along, across = (xs - person[a, 0]) * u + (ys - person[a, 1]) * v, (ys - person[a, 1]) * u - (xs - person[a, 0]) * v
                inside = (np.abs(across) <= spread) & (along >= -spread) & (along <= length + spread)
                paf[inside, channels[0]], paf[inside, channels[1]] = u, v
    heat[..., 18] = 1 - heat[..., :18].max(axis=2)
    return heat.astype(np.float32), paf.astype(np.float32)
