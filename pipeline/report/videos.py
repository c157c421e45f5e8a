"""Small videos for the page: panels side by side, read block by block, so that memory does not grow with the clip."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.body.pose_maps import PoseMapParams, pose_picture
from pipeline.video.clock import Clock
from pipeline.video.reading import read_video
from pipeline.video.writing import write_video

BAR_PX = 24
GAP_PX = 4
WIDEST_PX = 1600
IMAGES_FPS = "5"  # a clip without time is shown at this rate
PRESET = "veryfast"

Panel = Iterator[np.ndarray]


def side_by_side(
    names: Sequence[str], panels: Sequence[Panel], sizes_hw: Sequence[tuple[int, int]], clock: Clock, frames: int, height_px: int, crf: int
) -> bytes:
    """Put panels next to each other under their names: an mp4 (H.264, yuv420p, faststart) of `frames` frames.

    sizes_hw are the panels' own sizes; all are shown height_px high, or lower where the whole would be too wide.
    """
    height = min(height_px, int(WIDEST_PX / sum(w / h for h, w in sizes_hw)))
    shown = [(height, max(1, round(height * w / h))) for h, w in sizes_hw]
    width = sum(w for _, w in shown) + GAP_PX * (len(shown) - 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panels.mp4"
        with write_video(path, (height + BAR_PX, width), _first(clock, frames), crf, PRESET, {"comment": "generated, for a report"}) as out:
            for _, images in zip(range(frames), zip(*panels, strict=False), strict=False):
                out.append(_composed(images, shown, names)[None])
        return path.read_bytes()


def frames_panel(frames: Frames) -> Panel:
    """The pictures of an artifact one by one."""
    for _, block in frames.blocks():
        yield from block


def video_panel(path: Path, height_px: int) -> Panel:
    """The pictures of a video file one by one, shrunk while decoding."""
    for block in read_video(path, max_height_px=height_px):
        yield from block.frames


def pose_panel(motion: Track, height_px: int, params: PoseMapParams) -> Panel:
    """The poses one by one as pictures on black, drawn at the size they are shown in."""
    h, w = motion.size_hw
    scale = min(1.0, height_px / h)
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    body = _side(motion) * scale
    for points, score in zip(motion.points, motion.score, strict=True):
        yield pose_picture((points + 0.5) * scale - 0.5, score, motion.skeleton, size, params, side_px=body)


def marked(panel: Panel, marks: Sequence[str]) -> Panel:
    """The same pictures with a word in the corner where the mark of that frame is not empty."""
    for image, mark in zip(panel, marks, strict=False):
        yield _labelled(image, mark) if mark else image


def enlarged(panel: Panel, height_px: int) -> Panel:
    """Small pictures brought near height_px, so that marks written on them can be read."""
    for image in panel:
        scale = max(1.0, height_px / image.shape[0])
        yield cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _side(motion: Track) -> float:
    """Side (full px) of the square that holds the whole track: limb widths are shares of it."""
    flat = motion.points[np.isfinite(motion.points).all(axis=-1)]
    return float((flat.max(axis=0) - flat.min(axis=0)).max()) if len(flat) else float(min(motion.size_hw))


def _composed(images: Sequence[np.ndarray], shown: Sequence[tuple[int, int]], names: Sequence[str]) -> np.ndarray:
    height = shown[0][0]
    canvas = np.zeros((height + BAR_PX, sum(w for _, w in shown) + GAP_PX * (len(shown) - 1), 3), np.uint8)
    x = 0
    for image, (h, w), name in zip(images, shown, names, strict=True):
        mode = cv2.INTER_AREA if image.shape[0] >= h else cv2.INTER_CUBIC
        canvas[BAR_PX:, x : x + w] = image if image.shape[:2] == (h, w) else cv2.resize(image, (w, h), interpolation=mode)
        cv2.putText(canvas, name, (x + 6, BAR_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235, 235, 235), 1, cv2.LINE_AA)
        x += w + GAP_PX
    return canvas


def _labelled(image: np.ndarray, mark: str) -> np.ndarray:
    image = np.ascontiguousarray(image).copy()
    origin = (8, 20)  # at the top: the player hides the bottom
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, mark, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
    return image


def _first(clock: Clock, frames: int) -> Clock:
    if clock.pts is None or clock.fps is None:
        return Clock.regular(IMAGES_FPS, frames)
    return Clock(clock.fps, clock.time_base, clock.pts[:frames])
