"""Full-size mattes made steady along the motion that their small pictures show, so that sharpened edges do not flicker.

Not in the paper.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pipeline.matting.steady import FLOW_LEAST_PX, Flows, Moment, with_neighbours
from pipeline.matting.views import enlarged, part_of, shown_box

CLEAR, SOLID = 0.06, 0.94  # an average of moved edges is a little softer than each of them

Sharp = tuple[Moment, np.ndarray]


def steady_edges(
    items: Iterable[Sharp], weight: float, linked: np.ndarray, flows: Flows | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (t, matte (h w) uint8) of items (moment, its full-size matte), each averaged with its neighbours' as in `steady`.

    weight 0 yields the mattes as they are. Holds three frames.
    """
    flows = flows or Flows()
    for item, neighbours in with_neighbours(items, linked, lambda item: item[0].t):
        yield item[0].t, _mixed(item, neighbours, weight, flows)


def _mixed(current: Sharp, neighbours: list[Sharp], weight: float, flows: Flows) -> np.ndarray:
    moment, matte = current
    box = shown_box(matte)
    if weight == 0 or not neighbours or box is None or min(moment.grey.shape) < FLOW_LEAST_PX:
        return matte
    scale = np.array(moment.grey.shape[::-1]) / matte.shape[::-1]
    x, y = np.meshgrid(np.arange(box[0], box[2], dtype=np.float32), np.arange(box[1], box[3], dtype=np.float32))
    total, count = matte[part_of(box)].astype(np.float32), np.ones_like(x)
    for other, other_matte in neighbours:
        motion = flows.between(moment, other)
        share = weight * enlarged(motion.alike, box, scale)
        moved = enlarged(motion.offset, box, scale) / np.float32(scale)
        total += share * cv2.remap(other_matte, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        count += share
    full = matte.copy()
    full[part_of(box)] = np.rint(255 * np.clip((total / count / 255 - CLEAR) / (SOLID - CLEAR), 0, 1))
    return full
