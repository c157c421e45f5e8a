"""The edge pass: a portrait matting network looks at the person's crop, and at the head's, and sharpens the coarse matte there.

Not in the paper.
"""

import numpy as np

from pipeline.matting.agreement import agreed, limbs_of
from pipeline.matting.subject import Subject
from pipeline.matting.unchanged import Unchanged
from pipeline.matting.views import Box, See, View, look, part_of, within

BODY_SQUARES = 110  # of the usual body's crop: 352 × 320 pixels of the network, or as many of another shape
MOST_SQUARES = 170  # of one frame's crop, where the person stretches out
HEAD_SQUARES = 6  # on a side of the head's crop
HEAD_SHARE = 0.3  # side of the head's crop in sizes of the body: head, hair and shoulders
WORTH_IT = 0.8  # the head is looked at by itself if its squares are so much smaller than the body's
FINEST_PX = 16  # full pixels of a square: a picture enlarged further shows nothing new
PAD_SHARE = 0.08
FEATHER_SHARE = 0.15
FAINT = 5  # of 255


class EdgePass:
    """Sharpens full-size mattes frame by frame; nothing is carried from one to the next.

    see(image (h w 3) uint8, sides multiples of 32) → opacity (h w). face indexes the joints of the face, [] where the skeleton
    has none; training the frames that tell the usual size.
    """

    def __init__(
        self, see: See, subject: Subject, face: list[int], size_hw: tuple[int, int], training: np.ndarray, unchanged: Unchanged | None
    ) -> None:
        self._see, self._subject, self._face, self._unchanged = see, subject, face, unchanged
        boxes = subject.boxes[training]
        self._pad = PAD_SHARE * float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))
        sides = np.minimum(boxes[:, 2:] + self._pad, size_hw[::-1]) - np.maximum(boxes[:, :2] - self._pad, 0)
        self._square = max(FINEST_PX, round(float(np.sqrt(np.median(sides.prod(axis=1)) / BODY_SQUARES))))
        self._head_px = HEAD_SHARE * subject.usual_px
        self._head_square = max(FINEST_PX, int(np.ceil(self._head_px / (HEAD_SQUARES - 1))))

    def sharpened(self, t: int, image: np.ndarray, matte: np.ndarray) -> np.ndarray:
        """Return the matte (h w) uint8 of frame t's image (h w 3) uint8 with the network's edges; an empty one stays empty."""
        rows, columns = (np.flatnonzero((matte > FAINT).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return matte
        box = np.array([columns[0] - self._pad, rows[0] - self._pad, columns[-1] + 1 + self._pad, rows[-1] + 1 + self._pad])
        box = np.clip(box, 0, np.tile(matte.shape[::-1], 2))
        stretched = float(np.sqrt((box[2:] - box[:2]).prod() / MOST_SQUARES))
        view = look(self._see, image, box, max(self._square, int(np.ceil(stretched))))
        full = matte.astype(np.float32) / 255
        still = None if self._unchanged is None else self._unchanged.shown(t, image, view.box)
        full[part_of(view.box)] = self._agreed(t, full, view, still)
        head = self._head_box(t, image.shape)
        if head is not None:
            view = look(self._see, image, head, self._head_square)
            coarse, counts = full[part_of(view.box)], _towards_rim(view.box, head, FEATHER_SHARE * self._head_px)
            full[part_of(view.box)] = coarse + counts * (self._agreed(t, full, view) - coarse)
        return np.rint(full * 255).astype(np.uint8)

    def _agreed(self, t: int, full: np.ndarray, view: View, still: np.ndarray | None = None) -> np.ndarray:
        """What a view's part of a full matte (h w) becomes."""
        coarse, subject = full[part_of(view.box)], self._subject
        limbs = limbs_of(coarse.shape, subject.points[t] - np.array(view.box[:2]), subject.limbs, float(subject.body_px[t]))
        return agreed(coarse, view.opacity, limbs, still)

    def _head_box(self, t: int, size_hw: tuple[int, ...]) -> np.ndarray | None:
        """The box (4) of frame t's head; None where it is not seen, or where a closer look would show nothing new."""
        points = self._subject.points[t][self._face]
        points = points[np.isfinite(points).all(axis=1)]
        if self._head_square > WORTH_IT * self._square or not len(points):
            return None
        box = np.tile(points.mean(axis=0), 2) + self._head_px / 2 * np.array([-1.0, -1.0, 1.0, 1.0])
        x0, y0, x1, y1 = within(_whole(box), size_hw)
        return box if min(x1 - x0, y1 - y0) > self._head_px / 4 else None


def _towards_rim(shown: Box, box: np.ndarray, fade_px: float) -> np.ndarray:
    """Weights (h w) float32 of the pixels in shown: 1 inside the box, falling to 0 at its rim and 0 beyond."""
    inside = []
    for axis in (1, 0):
        at = np.arange(shown[axis], shown[axis + 2])
        inside.append(np.clip(np.minimum(at + 0.5 - box[axis], box[axis + 2] - at - 0.5) / fade_px, 0, 1))
    return np.minimum(inside[0][:, None], inside[1][None]).astype(np.float32)


def _whole(box: np.ndarray) -> Box:
    x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
    return x0, y0, x1, y1
