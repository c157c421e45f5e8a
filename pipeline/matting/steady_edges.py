"""Full-size mattes made steady along the motion that their small pictures show, so that sharpened edges do not flicker.

Not in the paper.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pipeline.matting.steady import FLOW_LEAST_PX, Moment, alike, beside, motion
from pipeline.matting.views import enlarged, part_of

FAINT = 5  # of 255
CLEAR, SOLID = 0.06, 0.94  # an average of moved edges is a little softer than each of them

Sharp = tuple[Moment, np.ndarray]


def steady_edges(items: Iterable[Sharp], weight: float, linked: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (t, matte (h w) uint8) of items (moment, its full-size matte), each averaged with its neighbours' as in `steady`.

    weight 0 yields the mattes as they are. Holds three frames.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    before: Sharp | None = None
    current: Sharp | None = None
    for after in items:
        if current is not None:
            yield current[0].t, _mixed(current, beside(before, after, (linked[current[0].t], linked[after[0].t])), weight, flow)
        before, current = current, after
    if current is not None:
        yield current[0].t, _mixed(current, beside(before, None, (linked[current[0].t], False)), weight, flow)


def _mixed(current: Sharp, neighbours: list[Sharp], weight: float, flow: cv2.DISOpticalFlow) -> np.ndarray:
    moment, matte = current
    rows, columns = (np.flatnonzero((matte > FAINT).any(axis=axis)) for axis in (1, 0))
    if weight == 0 or not neighbours or not len(rows) or min(moment.grey.shape) < FLOW_LEAST_PX:
        return matte
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    scale = np.array(moment.grey.shape[::-1]) / matte.shape[::-1]
    x, y = np.meshgrid(np.arange(box[0], box[2], dtype=np.float32), np.arange(box[1], box[3], dtype=np.float32))
    total, count = matte[part_of(box)].astype(np.float32), np.ones_like(x)
    for other, other_matte in neighbours:
        field, image = motion(moment, other, flow)
        share = weight * enlarged(alike(moment, image), box, scale)
        moved = enlarged(field, box, scale) / np.float32(scale)
        total += share * cv2.remap(other_matte, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        count += share
    full = matte.copy()
    full[part_of(box)] = np.rint(255 * np.clip((total / count / 255 - CLEAR) / (SOLID - CLEAR), 0, 1))
    return full
