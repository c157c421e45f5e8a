"""How much mattes flicker: what changes from frame to frame beyond the picture's own motion."""

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.matting.steady import Flows, Moment


class Flicker:
    """Adds up over the moments that pass: `share` = changed opacity / opacity, 0 = none; only between linked frames."""

    def __init__(self, linked: np.ndarray, flows: Flows | None = None) -> None:
        self._linked, self._changed, self._opaque = linked, 0.0, 0.0
        self._flows = flows or Flows()

    @property
    def share(self) -> float:
        return self._changed / self._opaque if self._opaque else 0.0

    def watch(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Yield the moments as they are, measuring each against the one before, moved along the optical flow."""
        before: Moment | None = None
        for moment in moments:
            if before is not None and self._linked[moment.t]:
                expected = self._flows.between(moment, before).moved(before.matte)
                self._changed += float(np.abs(moment.matte - expected).sum())
                self._opaque += float(moment.matte.sum())
            before = moment
            yield moment
