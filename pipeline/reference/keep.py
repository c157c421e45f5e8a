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
from pipeline.body.pose_distance import body_size
from pipeline.body.size import size_ratio
from pipeline.params import Section
from pipeline.picture.geometry import mask_box, sample_crop
from pipeline.picture.unmixing import unmixed
from pipeline.progress import Progress
from pipeline.reference.transient import Compared
from pipeline.timeline.sampling import spread_evenly
from pipeline.timeline.split import SplitParams, split_frames

OPAQUE = 8  # of 255: fainter pixels are noise of the matte, and would widen the picture


class KeepParams(Section):
    """Section `reference.keep` of params.yaml."""

    most: int = Field(ge=1, le=10000)


@dataclass(frozen=True)
class KeepInputs:
    """What is read of a clip of a target: frames, mattes, keypoints, plate; of a further clip also the track of the target's own."""

    frames: Frames
    mattes: Frames
    track: Track
    plate: Frames
    like: Track | None = None


def keep_references(inputs: KeepInputs, params: KeepParams, split: SplitParams, enabled: bool, out: Path) -> int:
    """Publish at most `most` training frames, evenly spread, cut out around the subject; returns how many, none where not enabled.

    Those of a further clip are scaled so that the body is as large as in the target's own, `like`, and so are their px. Memory does
    not grow with the length of the clip. InputError when the inputs differ in length or size.
    """
    frames, mattes, track = inputs.frames, inputs.mattes, inputs.track
    require_same_clip(frames, mattes, track)
    require_same_size(frames, inputs.plate)
    # Which frames, and one size of picture that holds the subject in all of them.
    training = split_frames(track.present, split).training if enabled else np.zeros(0, np.int64)
    kept = [int(t) for t in spread_evenly(training, params.most)]
    boxes = [mask_box(mattes[t] > OPAQUE) for t in kept]
    kept, boxes = [t for t, b in zip(kept, boxes) if b is not None], [b for b in boxes if b is not None]
    height, width = _picture_hw(boxes)
    corners = [_corner(box, (height, width), frames.size_hw) for box in boxes]
    points = track.points[kept] if kept else np.zeros((0, len(track.joints), 2), np.float32)
    scaled = _Scaled(1.0, (height, width))
    if inputs.like is not None and kept:
        scaled = _Scaled.to_size_of(inputs.like, track, split, (height, width))
    picture_hw, size_hw = scaled.picture_hw, scaled.size_hw(frames.size_hw)
    require_free_bytes(out, len(kept) * picture_hw[0] * picture_hw[1] * 2)
    numbers, first, points = np.array(kept, np.int64), scaled.corners(_table(corners)), scaled.points(points)
    compared = Compared(picture_hw, body_size(points))
    with (
        create_references(out, picture_hw, numbers, first, points, size_hw) as writer,
        Progress(2 * len(kept), "keep_references", "picture") as progress,
    ):
        for t, (x, y) in zip(kept, corners, strict=True):
            part = np.s_[y : y + height, x : x + width]
            plate = inputs.plate[min(t, len(inputs.plate) - 1)]
            corner = np.array([x, y])
            matte = mattes[t][part]
            colours = unmixed(frames[t][part], matte, plate[part])
            colours, matte = scaled.picture(colours, corner), scaled.picture(matte, corner)
            writer.append(colours, matte)
            compared.add(colours, matte)
            progress.advance()
        for layer in compared.transients(points - first[:, None], track.clock, numbers, track.skeleton):
            writer.mark(layer)
            progress.advance()
    return len(kept)


@dataclass(frozen=True)
class _Scaled:
    """Pictures of size_hw own px, and what is said of them, `ratio` times as large; as they are where it is 1."""

    ratio: float
    own_hw: tuple[int, int]

    @staticmethod
    def to_size_of(like: Track, track: Track, split: SplitParams, own_hw: tuple[int, int]) -> "_Scaled":
        """So that the body is as large as in another clip, by training frames of both."""
        here, there = (clip.points[split_frames(clip.present, split).training] for clip in (track, like))
        return _Scaled(size_ratio(here, there, track.skeleton), own_hw)

    @property
    def picture_hw(self) -> tuple[int, int]:
        """Size of a picture, with a px more for where it begins within one."""
        height, width = self.own_hw
        return self.own_hw if self.ratio == 1 else (int(np.ceil(height * self.ratio)) + 1, int(np.ceil(width * self.ratio)) + 1)

    def size_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """The frame's size."""
        return max(1, round(size_hw[0] * self.ratio)), max(1, round(size_hw[1] * self.ratio))

    def points(self, points: np.ndarray) -> np.ndarray:
        """Positions (… 2); an integer is the centre of a pixel."""
        return points if self.ratio == 1 else ((points + 0.5) * self.ratio - 0.5).astype(points.dtype)

    def corners(self, corners: np.ndarray) -> np.ndarray:
        """First pixels (n 2) int64."""
        return corners if self.ratio == 1 else np.floor(corners * self.ratio).astype(np.int64)

    def picture(self, picture: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """A picture (h w …) uint8 whose first own pixel is `corner`."""
        if self.ratio == 1:
            return picture
        shift = (corner + 0.5) * self.ratio - 0.5 - np.floor(corner * self.ratio)
        row = np.array([[self.ratio, 0.0, shift[0]], [0.0, self.ratio, shift[1]]])
        return sample_crop(picture, row, self.picture_hw, border="zero")


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
