"""Frames in which the backend missed the person: bridged from their neighbours, and said. Not in the paper."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline.matting.steady import Flows, Moment

REACH_FRAMES = 16
SEEN = 0.5  # somewhere in the matte, or the person was missed


@dataclass
class Misses:
    """Which frames had no matte though the person is present: bridged from neighbours, or guessed from the joints alone."""

    bridged: list[int] = field(default_factory=list)
    guessed: list[int] = field(default_factory=list)

    def say(self, backend: str, total: int) -> None:
        """A line on stderr for either kind, if there are any among `total` frames."""
        for frames, how in ((self.bridged, "bridged from their neighbours"), (self.guessed, "guessed from the joints alone")):
            if frames:
                some = ", ".join(map(str, sorted(frames)[:10])) + (" ..." if len(frames) > 10 else "")
                print(f"{backend} did not find the person in {len(frames)} of {total} frames ({some}): {how}", file=sys.stderr)


def bridge(
    moments: Iterable[Moment], present: np.ndarray, linked: np.ndarray, guess: Callable[[int], np.ndarray], misses: Misses
) -> Iterator[Moment]:
    """Yield moments in order, each missing matte filled with the nearest ones before and after, moved along the optical flow.

    present and linked (t) bool as in `steady`: nothing is carried across absence or the border to held-out frames. What lies
    farther than 16 frames from a seen matte is guess(t). Holds 16 frames at most.
    """
    before: Moment | None = None
    waiting: list[Moment] = []
    for moment in moments:
        if not linked[moment.t] or len(waiting) == REACH_FRAMES:
            yield from _filled(before, waiting, None, guess, misses)
            before, waiting = None, []
        if present[moment.t] and not (moment.matte > SEEN).any():
            waiting.append(moment)
            continue
        yield from _filled(before, waiting, moment, guess, misses)
        before, waiting = moment if present[moment.t] else None, []
        yield moment
    yield from _filled(before, waiting, None, guess, misses)


def _filled(
    before: Moment | None, waiting: list[Moment], after: Moment | None, guess: Callable[[int], np.ndarray], misses: Misses
) -> list[Moment]:
    """The waiting moments with mattes; of two neighbours the nearer one counts more."""
    onward, back = _carried_through(before, waiting), _carried_through(after, waiting[::-1])[::-1]
    filled = []
    for i, moment in enumerate(waiting):
        if before is None and after is None:
            matte = guess(moment.t)
            misses.guessed.append(moment.t)
        else:
            near, far = (len(waiting) - i if before else 0), (i + 1 if after else 0)
            matte = (near * onward[i] + far * back[i]) / (near + far)
            misses.bridged.append(moment.t)
        filled.append(Moment(moment.t, moment.image, moment.grey, matte.astype(np.float32)))
    return filled


def _carried_through(start: Moment | None, path: list[Moment]) -> list[np.ndarray]:
    """The start's matte moved from frame to frame along a path; 0 without a start."""
    if start is None:
        return [np.zeros_like(moment.matte) for moment in path]
    flows, mattes, at = Flows(), [], start
    for moment in path:
        matte = flows.between(moment, at).moved(at.matte)
        mattes.append(matte)
        at = Moment(moment.t, moment.image, moment.grey, matte)
    return mattes
