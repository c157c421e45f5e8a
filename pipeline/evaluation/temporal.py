"""Steadiness of a video: warping error, temporal consistency and the flicker of windows (§4.2).

Not in the paper: it names TCM without its flow or mask. The warping error E of a pair of frames is the mean over
visible pixels and channels, in the range [0, 1], of the squared difference between the second frame, warped back by
the flow from first to second, and the first. A pixel is hidden where forward and backward flow disagree, at motion
boundaries (Ruder et al. 2016, squared magnitudes), and where the flow leaves the image.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline.params import Section
from pipeline.timeline.windows import runs

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]  # two uint8 images (h w 3) → flow (h w 2) float32, first to second


def load_flow(name: Literal["dis", "raft"], weights: Path) -> Flow:
    """The optical flow of a name; `weights` is the folder that holds a folder per asset. InputError without its file."""
    match name:
        case "dis":
            from pipeline.evaluation.backends.dis import load
        case "raft":
            from pipeline.evaluation.backends.raft import load
    return load(weights / name)


class MaskParams(Section):
    """Section `evaluation.mask`: when a pixel counts as hidden; see visible_pixels()."""

    consistency: float = Field(ge=0)
    consistency_px2: float = Field(ge=0)
    boundary: float = Field(ge=0)
    boundary_px2: float = Field(ge=0)

    def describe(self) -> str:
        """The mask in one line, to stand beside the numbers."""
        return (
            f"hidden where |f + b(f)|^2 > {self.consistency:g} (|f|^2 + |b(f)|^2) + {self.consistency_px2:g}, "
            f"|grad f|^2 > {self.boundary:g} |f|^2 + {self.boundary_px2:g}, or f leaves the image"
        )


def warp_back(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Pull image (h w c) float32 back along flow (h w 2): the value at p is image(p + flow(p)), linear, edges replicated."""
    return cv2.remap(image, *_targets(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def visible_pixels(forward: np.ndarray, backward: np.ndarray, mask: MaskParams) -> np.ndarray:
    """Pixels (h w) bool of the first frame that the second shows too; flows (h w 2) px, first to second and back."""
    returned = warp_back(backward, forward)
    size2 = _squared(forward)
    hidden = _squared(forward + returned) > mask.consistency * (size2 + _squared(returned)) + mask.consistency_px2
    across = _squared(np.diff(forward, axis=1, append=forward[:, -1:]))
    down = _squared(np.diff(forward, axis=0, append=forward[-1:]))
    hidden |= across + down > mask.boundary * size2 + mask.boundary_px2
    x, y = _targets(forward)
    height, width = x.shape
    return ~hidden & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def warping_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray, visible: np.ndarray) -> float:
    """E of two uint8 frames (h w 3) under a flow (h w 2) and mask (h w); NaN when nothing is visible."""
    if not visible.any():
        return float("nan")
    moved = warp_back(second.astype(np.float32) / 255, flow)
    return float(np.mean((moved - first.astype(np.float32) / 255)[visible].astype(np.float64) ** 2))


def flow_and_mask(first: np.ndarray, second: np.ndarray, flow: Flow, mask: MaskParams) -> tuple[np.ndarray, np.ndarray]:
    """Flow (h w 2) from first to second and the pixels (h w) visible in both."""
    forward = flow(first, second)
    return forward, visible_pixels(forward, flow(second, first), mask)


def consistency(pred: Sequence[float], true: Sequence[float], static_below: float) -> tuple[float, int]:
    """Mean over pairs of exp(-|E(pred) / E(true) - 1|), and the number of pairs left out.

    Left out: pairs with E(true) under static_below, where the quotient is noise, and pairs with no visible pixel.
    NaN when none remains. TCM as third parties write it, after Yao et al. 2017.
    """
    p, t = np.asarray(pred, np.float64), np.asarray(true, np.float64)
    kept = np.isfinite(p) & np.isfinite(t) & (t >= static_below)
    if not kept.any():
        return float("nan"), len(p)
    return float(np.mean(np.exp(-np.abs(p[kept] / t[kept] - 1)))), int((~kept).sum())


def flicker(errors: Sequence[float], at_border: Sequence[bool]) -> float:
    """Mean E across the borders of windows over mean E inside them: 1 = no seam; NaN when either is missing or zero."""
    e, border = np.asarray(errors, np.float64), np.asarray(at_border, bool)
    finite = np.isfinite(e)
    across, inside = e[finite & border], e[finite & ~border]
    if not len(across) or not len(inside) or inside.mean() == 0:
        return float("nan")
    return float(across.mean() / inside.mean())


def window_borders(present: np.ndarray, window: int) -> np.ndarray:
    """Mark frames (t) bool that begin a window but no run: windows of `window` frames are laid from the first frame of each run.

    present (t) bool. The pair (i - 1, i) crosses a border where element i is set. The same pairs are taken whatever
    the overlap of the windows, so that renderings of different overlap can be compared.
    """
    border = np.zeros(len(present), bool)
    for start, stop in runs(np.flatnonzero(present)):
        border[start + window : stop : window] = True
    return border


def _targets(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return x, y


def _squared(vectors: np.ndarray) -> np.ndarray:
    return (vectors**2).sum(axis=-1)
