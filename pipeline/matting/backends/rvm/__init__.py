"""Mattes by Robust Video Matting: people about the followed person, seen frame after frame by a network that remembers."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.matting.backends.rvm.window import Window, area, holds, moved
from pipeline.networks.rvm import STEP_PX, Rvm, States, load_rvm

BODY_PX = 320  # of the network's picture: the usual body
LEAST_CELL_PX = 8  # full pixels that 16 of the network's show; a picture enlarged further shows nothing new
PAD_SHARE, LEAST_PAD_SHARE = 0.35, 0.12  # of the usual body: the window about a box when it is laid, and before it is laid anew
THUMB_HW = (24, 32)
# A cut: the thumbnail changes by this many levels, and by so many times what the steps before it did.
CUT_LEVELS, CUT_RATIO, STEPS, NOISE_LEVELS = 5.0, 4.0, 4, 1.0


def load(weights_folder: Path, threads: int, body_px: float) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return f(frames (t h w 3) uint8 RGB, boxes_xyxy (t 4), points (t j 2)) → mattes (t h w) uint8, 255 = a person.

    boxes are the half-open boxes of the person's joints, NaN where it is absent (the matte is then 0); points have no part in
    it. body_px is the usual extent of the person's body. Frames are taken for a clip in order, however they are split among
    calls: what is seen of one depends on those before it, never on a later one, back to the last absence or cut. Others near
    the person are in the matte too.
    """
    follow = _Follower(load_rvm(weights_folder, threads), max(LEAST_CELL_PX, round(STEP_PX * body_px / BODY_PX)), body_px)

    def segment(frames: np.ndarray, boxes_xyxy: np.ndarray, points: np.ndarray) -> np.ndarray:
        mattes = np.zeros(frames.shape[:3], np.uint8)
        for matte, frame, box in zip(mattes, frames, boxes_xyxy, strict=True):
            follow.look(frame, box, matte)
        return mattes

    return segment


class _Follower:
    """Looks at frames one after another through a window of whole cells (cell_px square) that goes with the person."""

    def __init__(self, see: Rvm, cell_px: int, body_px: float) -> None:
        self._see, self._cell, self._body = see, cell_px, body_px
        self._forget()

    def _forget(self) -> None:
        """As if no frame had been seen."""
        self._window: Window | None = None
        self._states: States = ()
        self._thumb: np.ndarray | None = None
        self._steps: deque[float] = deque(maxlen=STEPS)

    def look(self, frame: np.ndarray, box: np.ndarray, matte: np.ndarray) -> None:
        """Write the opacity of people in the window about a box (4) of frame (h w 3) into matte (h w), which is 0."""
        if not np.isfinite(box).all():
            self._forget()
            return
        self._notice_cut(frame)
        window = self._laid(box, frame.shape)
        if self._window is not None:
            self._states = moved(self._states, self._window, window)
        self._window = window
        x0, y0, x1, y1 = (side * self._cell for side in window)
        shown = np.s_[max(0, y0) : min(y1, frame.shape[0]), max(0, x0) : min(x1, frame.shape[1])]
        right, bottom = x1 - min(x1, frame.shape[1]), y1 - min(y1, frame.shape[0])
        picture = cv2.copyMakeBorder(frame[shown], 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        size = ((window[2] - window[0]) * STEP_PX, (window[3] - window[1]) * STEP_PX)
        way = cv2.INTER_AREA if self._cell > STEP_PX else cv2.INTER_LINEAR
        opacity, self._states = self._see(cv2.resize(picture, size, interpolation=way), self._states)
        full = cv2.resize(opacity, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        matte[shown] = np.rint(255 * full[: full.shape[0] - bottom, : full.shape[1] - right])

    def _notice_cut(self, frame: np.ndarray) -> None:
        """Drop what the network remembers where a frame (h w 3) belongs to another shot than the one before."""
        last, self._thumb = self._thumb, cv2.resize(frame, THUMB_HW[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        if last is None:
            return
        step = float(np.abs(self._thumb - last).mean())
        if self._steps and step >= CUT_LEVELS and step >= CUT_RATIO * (max(self._steps) + NOISE_LEVELS):
            self._window, self._states = None, ()
        self._steps.append(step)  # also a cut's, so that who starts to move fast is taken for a cut once at most

    def _laid(self, box: np.ndarray, size_hw: tuple[int, ...]) -> Window:
        """The last window while it holds the box and is not far too large for it, else a new one."""
        wanted, least = (self._cells(box, share * self._body, size_hw) for share in (PAD_SHARE, LEAST_PAD_SHARE))
        last = self._window
        if last is not None and holds(last, least) and area(last) <= 2 * area(wanted):
            return last
        return wanted

    def _cells(self, box: np.ndarray, pad: float, size_hw: tuple[int, ...]) -> Window:
        """The cells that a box and pad pixels about it touch, of those that the frame touches; at least one."""
        most = np.ceil(np.array(size_hw[1::-1]) / self._cell)
        first = np.clip(np.floor((box[:2] - pad) / self._cell), 0, most - 1)
        end = np.clip(np.ceil((box[2:] + pad) / self._cell), first + 1, most)
        x0, y0, x1, y1 = (int(side) for side in (*first, *end))
        return x0, y0, x1, y1
