"""How much of the subject's pixels was carried, overall and about each limb. Not in the paper."""

from typing import Any

import cv2
import numpy as np

from pipeline.body.skeleton import Skeleton

LOOK_PX = 4  # full px between the pixels that are looked at


class CarriedWhere:
    """How much of the subject's pixels is carried: of every frame, and by the nearest limb of those looked at."""

    def __init__(self, skeleton: Skeleton, looked_at: set[int]) -> None:
        self.skeleton, self.looked_at = skeleton, looked_at
        self.every: list[float] = []
        self.limbs: dict[str, list[float]] = {}

    def add(self, t: int, trusted: np.ndarray, opacity: np.ndarray, points: np.ndarray) -> None:
        """trusted (h w) in [0, 1] and opacity (h w) uint8 of a part of frame t, points (j 2) in its px."""
        inside = opacity > 127
        if not inside.any():
            return
        self.every.append(cv2.mean(trusted, inside.view(np.uint8))[0])
        if t not in self.looked_at:
            return
        few = np.s_[::LOOK_PX, ::LOOK_PX]
        shares = trusted[few][inside[few]]
        nearest = _nearest_limb(points / LOOK_PX, self.skeleton, inside[few])
        for limb in np.unique(nearest[nearest >= 0]):
            named = self.skeleton.limbs[limb]
            self.limbs.setdefault(f"{named.parent} to {named.child}", []).append(float(shares[nearest == limb].mean()))

    def summary(self) -> dict[str, Any]:
        """Mean shares, overall and by limb."""
        limbs = {name: round(float(np.mean(values)), 4) for name, values in sorted(self.limbs.items())}
        return {"share": round(float(np.mean(self.every)), 4) if self.every else 0.0, "limbs": limbs}


def _nearest_limb(points: np.ndarray, skeleton: Skeleton, inside: np.ndarray) -> np.ndarray:
    """Index of the nearest drawn limb (n) for the pixels inside (h w) bool, -1 where no limb is seen; points (j 2) in their px."""
    y, x = np.nonzero(inside)
    pixels = np.stack([x, y], 1).astype(np.float64)
    best, nearest = np.full(len(pixels), np.inf), np.full(len(pixels), -1)
    for i, (limb, (a, b)) in enumerate(zip(skeleton.limbs, skeleton.limb_indices(), strict=True)):
        start, span = points[a], points[b] - points[a]
        if not limb.drawn or not np.isfinite(points[[a, b]]).all():
            continue
        along = ((pixels - start) @ span / max(float(span @ span), 1e-6)).clip(0, 1)
        distance = np.linalg.norm(pixels - start - along[:, None] * span, axis=1)
        nearest[distance < best] = i
        best = np.minimum(best, distance)
    return nearest
