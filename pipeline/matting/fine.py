"""The edge pass: a portrait matting network looks at the person's crop and sharpens the coarse matte there.

Not in the paper.
"""

import numpy as np

from pipeline.matting.agreement import agreed, limbs_of
from pipeline.matting.subject import Subject
from pipeline.matting.unchanged import Unchanged
from pipeline.matting.views import See, View, look, part_of, shown_box

BODY_SQUARES = 110  # of the usual body's crop: 352 × 320 pixels of the network, or as many of another shape
MOST_SQUARES = 170  # of one frame's crop, where the person stretches out
FINEST_PX = 16  # full pixels of a square: a picture enlarged further shows nothing new
PAD_SHARE = 0.08


class EdgePass:
    """Sharpens full-size mattes frame by frame; nothing is carried from one to the next.

    see(image (h w 3) uint8, sides multiples of 32) → opacity (h w). training indexes the frames that tell the usual size.
    """

    def __init__(
        self, see: See, subject: Subject, size_hw: tuple[int, int], training: np.ndarray, unchanged: Unchanged | None
    ) -> None:
        self._see, self._subject, self._unchanged = see, subject, unchanged
        boxes = subject.boxes[training]
        self._pad = PAD_SHARE * float(np.nanmedian((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))
        sides = np.minimum(boxes[:, 2:] + self._pad, size_hw[::-1]) - np.maximum(boxes[:, :2] - self._pad, 0)
        self._square = max(FINEST_PX, round(float(np.sqrt(np.nanmedian(sides.prod(axis=1)) / BODY_SQUARES))))

    def sharpened(self, t: int, image: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the matte (h w) uint8 of frame t's image (h w 3) uint8 with the network's edges; an empty one stays empty."""
        shown = shown_box(matte)
        if shown is None:
            return matte
        pad = self._pad
        box = np.clip(np.array(shown) + np.array([-pad, -pad, pad, pad]), 0, np.tile(matte.shape[::-1], 2))
        stretched = float(np.sqrt((box[2:] - box[:2]).prod() / MOST_SQUARES))
        view = look(self._see, image, box, max(self._square, int(np.ceil(stretched))))
        full = matte.astype(np.float32) / 255
        still = None if self._unchanged is None else self._unchanged.shown(t, image, view.box)
        full[part_of(view.box)] = self._agreed(t, full, view, still)
        return np.rint(full * 255).astype(np.uint8)

    def _agreed(self, t: int, full: np.ndarray, view: View, still: np.ndarray | None) -> np.ndarray:
        """What a view's part of a full matte (h w) becomes."""
        coarse, subject = full[part_of(view.box)], self._subject
        limbs = limbs_of(coarse.shape, subject.points[t] - np.array(view.box[:2]), subject.limbs, float(subject.body_px[t]))
        return agreed(coarse, view.opacity, limbs, still)
