"""The window that the network looks through, in whole cells of the frame, so that what it remembers moves without loss."""

import numpy as np

from pipeline.networks.rvm import STEP_PX, STRIDES, States

Window = tuple[int, int, int, int]  # x0 y0 x1 y1, half open, in cells: squares of the frame that 16 × 16 of the network's pixels show


def moved(states: States, old: Window, new: Window) -> States:
    """States as seen through another window: each keeps its place in the frame, and is 0 where the old window saw nothing."""
    if old == new:
        return states
    x0, y0, x1, y1 = max(old[0], new[0]), max(old[1], new[1]), min(old[2], new[2]), min(old[3], new[3])
    if x0 >= x1 or y0 >= y1:
        return ()
    out = []
    for state, stride in zip(states, STRIDES, strict=True):
        n = STEP_PX // stride
        at = np.zeros((*state.shape[:2], (new[3] - new[1]) * n, (new[2] - new[0]) * n), np.float32)
        to, of = (np.s_[..., (y0 - w[1]) * n : (y1 - w[1]) * n, (x0 - w[0]) * n : (x1 - w[0]) * n] for w in (new, old))
        at[to] = state[of]
        out.append(at)
    return tuple(out)


def holds(outer: Window, inner: Window) -> bool:
    """Whether a window holds all of another."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def area(window: Window) -> int:
    """How many cells a window has."""
    return (window[2] - window[0]) * (window[3] - window[1])
