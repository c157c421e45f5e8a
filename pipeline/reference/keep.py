"""Real pictures of the target, unmixed from the background, kept at the source's resolution for carrying.

Not in the paper, whose Eq. 6-7 carry real pixels of the face alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_clip, require_same_size
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import create_references
from pipeline.artifacts.store import require_free_bytes
from pipeline.params import Section
from pipeline.picture.unmixing import unmixed
from pipeline.progress import Progress
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames

OPAQUE = 8  # of 255: fainter pixels are noise of the matte, and would widen the picture


class KeepParams(Section):
    """Section `reference.keep` of params.yaml."""

    most: int = Field(ge=1, le=10000)


@dataclass(frozen=True)
class KeepInputs:
    """What is read of a target: frames, mattes, keypoints, plate."""

    frames: Frames
    mattes: Frames
    track: Track
    plate: Frames


def keep_references(inputs: KeepInputs, params: KeepParams, split: SplitParams, enabled: bool, out: Path) -> int:
    """Publish at most `most` training frames, evenly spread, cut out around the subject; returns how many, none where not enabled.

    Memory does not grow with the length of the clip. InputError when the inputs differ in length or size.
    """
    frames, mattes, track = inputs.frames, inputs.mattes, inputs.track
    require_same_clip(frames, mattes, track)
    require_same_size(frames, inputs.plate)
    # Which frames, and one size of picture that holds the subject in all of them.
    training = split_frames(track.present, split).training if enabled else np.zeros(0, np.int64)
    kept = [int(t) for t in spread_evenly(training, params.most)]
    boxes = [_opaque_box(mattes[t]) for t in kept]
    kept, boxes = [t for t, b in zip(kept, boxes) if b is not None], [b for b in boxes if b is not None]
    height, width = _picture_hw(boxes)
    require_free_bytes(out, len(kept) * height * width * 2)
    corners = [_corner(box, (height, width), frames.size_hw) for box in boxes]
    points = track.points[kept] if kept else np.zeros((0, len(track.joints), 2), np.float32)
    with (
        create_references(out, (height, width), np.array(kept, np.int64), _table(corners), points, frames.size_hw) as writer,
        Progress(len(kept), "keep_references") as progress,
    ):
        for t, (x, y) in zip(kept, corners, strict=True):
            part = np.s_[y : y + height, x : x + width]
            plate = inputs.plate[min(t, len(inputs.plate) - 1)]
            matte = mattes[t][part]
            writer.append(unmixed(frames[t][part], matte, plate[part]), matte)
            progress.advance()
    return len(kept)


def _opaque_box(matte: np.ndarray) -> tuple[int, int, int, int] | None:
    """Half-open box of what is opaque of a matte (h w); None when nothing is."""
    opaque = matte > OPAQUE
    columns, rows = np.flatnonzero(opaque.any(axis=0)), np.flatnonzero(opaque.any(axis=1))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(columns) else None


def _picture_hw(boxes: Sequence[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Size (h, w) that holds every box; (1, 1) without any."""
    return max((b[3] - b[1] for b in boxes), default=1), max((b[2] - b[0] for b in boxes), default=1)


def _corner(box: tuple[int, int, int, int], picture_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[int, int]:
    """First pixel (x, y) of a picture that has the box in its middle and lies inside the frame."""
    (height, width), (h, w) = picture_hw, size_hw
    x = (box[0] + box[2] - width) // 2
    y = (box[1] + box[3] - height) // 2
    return min(max(x, 0), w - width), min(max(y, 0), h - height)


def _table(corners: list[tuple[int, int]]) -> np.ndarray:
    return np.array(corners, np.int64).reshape(-1, 2)
