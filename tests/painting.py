"""Painting drawn clips with exact mattes, their background, and videos of them. Test support."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SUPERSAMPLING = 3


class Painter:
    """Paints shapes on an enlarged picture and on its matte alike, and shrinks both at the end."""

    def __init__(self, large: np.ndarray):
        self.picture = large.copy()
        self.matte = np.zeros(large.shape[:2], np.uint8)

    def line(self, points: Sequence[np.ndarray], width_px: float, colour: tuple[int, int, int]) -> None:
        """A polyline with round ends."""
        corners, thickness = _enlarged(points), max(1, round(width_px * SUPERSAMPLING))
        cv2.polylines(self.picture, [corners], False, colour, thickness, cv2.LINE_8, 4)
        cv2.polylines(self.matte, [corners], False, 255, thickness, cv2.LINE_8, 4)

    def polygon(self, points: Sequence[np.ndarray], margin_px: float, colour: tuple[int, int, int]) -> None:
        """A filled polygon, widened by a margin."""
        corners = _enlarged(points)
        cv2.fillPoly(self.picture, [corners], colour, cv2.LINE_8, 4)
        cv2.fillPoly(self.matte, [corners], 255, cv2.LINE_8, 4)
        self.line([*points, points[0]], margin_px, colour)

    def disc(self, centre: np.ndarray, radius_px: float, colour: tuple[int, int, int]) -> None:
        """A filled circle."""
        x, y = (int(v) for v in _enlarged([centre])[0])
        radius = round(radius_px * SUPERSAMPLING * 16)
        cv2.circle(self.picture, (x, y), radius, colour, -1, cv2.LINE_8, 4)
        cv2.circle(self.matte, (x, y), radius, 255, -1, cv2.LINE_8, 4)

    def finish(self, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The picture and the matte at their own size, edges averaged."""
        size = (size_hw[1], size_hw[0])
        return tuple(cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (self.picture, self.matte))


def paint_clip(background: np.ndarray, points: np.ndarray, paint: Callable[[Painter, np.ndarray], None]) -> tuple[np.ndarray, np.ndarray]:
    """Paint poses (t j 2) one by one over a background (h w 3): frames (t h w 3) and true mattes (t h w), both uint8."""
    large = cv2.resize(background, None, fx=SUPERSAMPLING, fy=SUPERSAMPLING, interpolation=cv2.INTER_NEAREST)
    frames, mattes = [], []
    for pose in points:
        painter = Painter(large)
        paint(painter, pose)
        frame, matte = painter.finish(background.shape[:2])
        frames.append(frame)
        mattes.append(matte)
    return np.stack(frames), np.stack(mattes)


def static_background(size_hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A textured picture (h w 3) uint8: soft clouds, a floor, fine grain."""
    h, w = size_hw
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.uniform(70, 180, (5, 6, 3)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    floor = (np.arange(h) > 0.8 * h)[:, None, None] * np.float32(-35)
    return np.clip(clouds + floor + rng.normal(0, 8, (h, w, 3)), 0, 255).astype(np.uint8)


def write_video(path: Path, frames: np.ndarray, fps: str = "25", codec: str = "libx264") -> Path:
    """Write frames (t h w 3) uint8 of even size as a video of nearly their pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "8"} if codec == "libx264" else {"qscale": "2"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return Path(path)


def _enlarged(points: Sequence[np.ndarray]) -> np.ndarray:
    """Points (n 2) on the enlarged picture, in cv2's fixed point with four bits."""
    large = (np.asarray(points, np.float64) + 0.5) * SUPERSAMPLING - 0.5
    return np.rint(large * 16).astype(np.int32)
