"""A moving camera undone: every frame seen in the pixels of one still view (not in the paper, whose cameras stand still)."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

SHRINKS_BELOW = 0.8  # frame px are averaged where a view px covers more than 1 / this of them
OPAQUE = 255


@dataclass(frozen=True)
class Camera:
    """maps (t 3 3) float64: homographies from frame t's pixels to the view's; trusted (t) bool: where they are known.

    filmed_hw is the frames' size, size_hw the view's; reference: the frame whose pixels the view's are, but for a shift by whole ones.
    """

    maps: np.ndarray
    trusted: np.ndarray
    filmed_hw: tuple[int, int]
    size_hw: tuple[int, int]
    reference: int

    def __len__(self) -> int:
        return len(self.maps)

    def points(self, t: int, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of frame t in the view's pixels; NaN in, NaN out."""
        return apply_homography(self.maps[t], points)

    def picture(self, t: int, image: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
        """Frame t, image (h w c) or (h w) uint8, in the view: (*size_hw[, c]); what it does not show is `behind`, else black."""
        seen, shown = self._warped(t, image), self.shown(t)
        rest = np.zeros_like(seen) if behind is None else behind
        return np.where(shown[..., None] if seen.ndim == 3 else shown, seen, rest)

    def shown(self, t: int) -> np.ndarray:
        """Where the view shows something of frame t: (*size_hw) bool; nowhere when its map is not trusted."""
        if not self.trusted[t]:
            return np.zeros(self.size_hw, bool)
        filmed = np.full(self.filmed_hw, OPAQUE, np.uint8)
        return cv2.warpPerspective(filmed, self.maps[t], self.size_hw[::-1], flags=cv2.INTER_LINEAR) == OPAQUE

    def _warped(self, t: int, image: np.ndarray) -> np.ndarray:
        """The image through the map; where that shrinks, it is sampled k times finer and averaged k × k."""
        height, width = self.size_hw
        k = max(1, int(np.ceil(SHRINKS_BELOW / scale_at_middle(self.maps[t], self.filmed_hw))))
        finer = np.array([[k, 0.0, (k - 1) / 2], [0.0, k, (k - 1) / 2], [0.0, 0.0, 1.0]])
        mode = cv2.INTER_CUBIC if k == 1 else cv2.INTER_LINEAR
        fine = cv2.warpPerspective(image, finer @ self.maps[t], (width * k, height * k), flags=mode, borderMode=cv2.BORDER_REPLICATE)
        return fine if k == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)

    def to_attributes(self) -> dict[str, Any]:
        """What an artifact stores; the maps are packed, since a long clip has many."""
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(self.maps, "<f8").tobytes(), 6)).decode("ascii")
        return {
            "maps": packed,
            "trusted": base64.b64encode(zlib.compress(np.packbits(self.trusted).tobytes(), 6)).decode("ascii"),
            "frames": len(self.maps),
            "filmed_hw": list(self.filmed_hw),
            "size_hw": list(self.size_hw),
            "reference": self.reference,
        }

    @staticmethod
    def from_attributes(stored: dict[str, Any]) -> "Camera":
        """Inverse of to_attributes; ValueError, KeyError or zlib.error where it is damaged."""
        t = int(stored["frames"])
        maps = np.frombuffer(zlib.decompress(base64.b64decode(stored["maps"])), "<f8").reshape(t, 3, 3)
        bits = np.frombuffer(zlib.decompress(base64.b64decode(stored["trusted"])), np.uint8)
        sizes = [(int(h), int(w)) for h, w in (stored["filmed_hw"], stored["size_hw"])]
        return Camera(maps, np.unpackbits(bits, count=t).astype(bool), sizes[0], sizes[1], int(stored["reference"]))


def apply_homography(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (..., 2) float64 by matrix (3, 3); NaN in, NaN out."""
    moved = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:]


def corners_of(size_hw: tuple[int, int]) -> np.ndarray:
    """The centres of a picture's four corner pixels (4 2), around it."""
    h, w = size_hw
    return np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float64)


def scale_at_middle(matrix: np.ndarray, size_hw: tuple[int, int]) -> float:
    """How many px a pixel in the middle of a picture of size_hw becomes in length, by a homography (3, 3)."""
    middle = np.array([(size_hw[1] - 1) / 2, (size_hw[0] - 1) / 2])
    here, right, below = apply_homography(matrix, middle + np.array([[0, 0], [1, 0], [0, 1]]))
    return float(np.sqrt(abs(np.linalg.det(np.stack([right - here, below - here])))))
