"""How one reference fades into the next: for a few frames both are seen, so that a change of reference is no jump. Not in the paper."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.artifacts.references import NONE
from pipeline.timeline.windows import parted, runs
from pipeline.video.clock import Clock


@dataclass(frozen=True)
class Fades:
    """other (t) int: frame beside the change whose references make this frame too, NONE for most; share (t) in [0, 1) of what they make."""

    other: np.ndarray
    share: np.ndarray


def fade_frames(seconds: float, clock: Clock) -> int:
    """Frames that a fade of so many seconds lasts; 0 for a clip without time."""
    return 0 if clock.fps is None or not clock.has_time else round(seconds * float(Fraction(clock.fps)))


def arrangements(ranks: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Numbers (t) that are equal where references of ranks (t r) show the same: the first one the body, and the second one the ends of
    limbs (t e) bool that are its."""
    shown = np.where(ends, ranks[:, 1:2] if ranks.shape[1] > 1 else NONE, ranks[:, :1])
    return np.unique(np.concatenate([ranks[:, :1], shown], 1), axis=0, return_inverse=True)[1].ravel()


def arranged_fades(ranks: np.ndarray, ends: np.ndarray, present: np.ndarray, frames: int, border: int | None = None) -> Fades:
    """fades() about every change of what is shown, arrangements(); one of an end alone takes no frame from those of the first reference."""
    body, every = (fades(order, present, frames, border) for order in (ranks[:, 0], arrangements(ranks, ends)))
    own = body.other != NONE
    return Fades(np.where(own, body.other, every.other), np.where(own, body.share, every.share))


def fades(first: np.ndarray, present: np.ndarray, frames: int, border: int | None = None) -> Fades:
    """Fades of `frames` frames about each change of reference, its rank or arrangements() first (t), between two present frames (t) bool.

    None crosses the border, the first frame of those held out: training frames do without the references nearest to them, so that
    what is seen of theirs beyond it would be a picture farther off than any that an unseen pose has.
    Half of them lie on either side; where changes follow each other faster, as many as are free. The share of the coming reference
    grows by equal steps: the error of a jump, squared, falls by their number. No frame is one reference's as much as the other's, since
    where these are unlike it would be a ghost of both: of an odd number of frames the last of the longer side stays as it is.
    """
    other, share = np.full(len(first), NONE), np.zeros(len(first))
    for start, stop in parted(runs(np.flatnonzero(present)), border):
        edges = [start, *(np.flatnonzero(np.diff(first[start:stop])) + start + 1), stop]
        for before, change, after in zip(edges, edges[1:], edges[2:], strict=False):
            early, late = _free(change - before, before > start, frames), _free(after - change, after < stop, frames)
            odd = (early + late) % 2
            early, late = (early - odd, late) if early > late else (early, late - odd)
            steps = np.arange(1, early + late + 1) / (early + late + 1)
            other[change - early : change], share[change - early : change] = change, steps[:early]
            other[change : change + late], share[change : change + late] = change - 1, 1 - steps[early:]
    return Fades(other, share)


def _free(length: int, shared: bool, frames: int) -> int:
    """Frames of a run of equal references that one of its ends may take."""
    return min(frames // 2, length // 2 if shared else length)
