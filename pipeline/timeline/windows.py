"""Windows of consecutive frames in which the subject is present."""

import numpy as np


def runs(frames: np.ndarray) -> list[tuple[int, int]]:
    """Half-open runs [start, stop) of consecutive indices in ascending frames (t)."""
    frames = np.asarray(frames, np.int64)
    if not len(frames):
        return []
    breaks = np.flatnonzero(np.diff(frames) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(frames, breaks)]


def parted(found: list[tuple[int, int]], border: int | None) -> list[tuple[int, int]]:
    """Runs [start, stop), of which the one across the border, a frame, is cut in two before it; None: as they are."""
    parts: list[tuple[int, int]] = []
    for start, stop in found:
        parts += [(start, stop)] if border is None or not start < border < stop else [(start, border), (border, stop)]
    return parts


def training_windows(frames: np.ndarray, k: int, max_stride: int) -> np.ndarray:
    """First frame and widest stride (n 2) of every window of k frames that stays inside one run of frames.

    The second column is the largest stride, at most max_stride, at which the window still fits; a run shorter than k
    yields one window with stride 0: window_frames repeats its last frame.
    """
    rows: list[tuple[int, int]] = []
    for start, stop in runs(frames):
        if stop - start < k:
            rows.append((start, 0))
            continue
        for first in range(start, stop - k + 1):
            widest = max_stride if k == 1 else min(max_stride, (stop - 1 - first) // (k - 1))
            rows.append((first, widest))
    return np.array(rows, np.int64).reshape(-1, 2)


def window_frames(first: int, stride: int, k: int, frames: np.ndarray) -> np.ndarray:
    """Indices (k) of one window; stride 0 means a run shorter than k, whose last frame is repeated."""
    if stride > 0:
        return first + stride * np.arange(k)
    stop = next(stop for start, stop in runs(frames) if start <= first < stop)
    return np.minimum(first + np.arange(k), stop - 1)


def rendering_windows(present: np.ndarray, k: int, stride: int) -> np.ndarray:
    """Windows (n k) that cover every present frame (t) bool, their first frames `stride` apart (1..k).

    The last window of a run is shifted back to end with it; no window spans absent frames; a run shorter than k repeats
    its last frame.
    """
    rows: list[np.ndarray] = []
    for start, stop in runs(np.flatnonzero(present)):
        last = max(stop - k, start)
        firsts = [*range(start, last, stride), last]
        rows += [np.minimum(first + np.arange(k), stop - 1) for first in firsts]
    return np.array(rows, np.int64).reshape(-1, k)


def still_windows(frames: np.ndarray, k: int) -> np.ndarray:
    """Windows (t k) that repeat each frame (t) k times: for a clip without time."""
    return np.repeat(np.asarray(frames, np.int64)[:, None], k, axis=1)
