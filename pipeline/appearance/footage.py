"""Several clips that one target is learnt from, their frames counted in one row. Not in the paper, which knows one clip.

Between two clips a number is left out, so that no window of consecutive frames, and nothing else that looks at neighbours, spans both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.artifacts.agree import require_same_length
from pipeline.artifacts.crops import Crops
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import References, join_references
from pipeline.errors import InputError
from pipeline.picture.geometry import compose_affine, scaling
from pipeline.timeline.sampling import spread_evenly


@dataclass(frozen=True)
class Footage:
    """One clip of a target: crops, track, the frames (n) of it that are learnt from, its references if any are seen."""

    crops: Crops
    track: Track
    training: np.ndarray
    references: References | None = None


@dataclass(frozen=True)
class Joined:
    """All clips of a target; offsets (c): what is added to a clip's frame to have its number among all."""

    clips: tuple[Footage, ...]
    offsets: tuple[int, ...]

    @staticmethod
    def of(clips: Sequence[Footage]) -> "Joined":
        """The first is the target's own. InputError where the clips cannot be learnt together."""
        first = clips[0]
        for clip in clips:
            require_same_length(clip.track, clip.crops)
            if not len(clip.training):
                raise InputError("training needs at least one frame with the subject, found none: lower split.hold_out_fraction")
            if clip.crops.crop_hw != first.crops.crop_hw:
                sizes = f"{first.crops.crop_hw} and {clip.crops.crop_hw} (h, w)"
                raise InputError(f"crops of one target must have one size, found {sizes}. Run: dvc repro crop_footage")
            if clip.track.skeleton != first.track.skeleton or clip.track.clock.has_time != first.track.clock.has_time:
                names = first.track.skeleton.name, clip.track.skeleton.told_from(first.track.skeleton)
                times = ("with" if c.track.clock.has_time else "without" for c in (first, clip))
                found = " and ".join(f"{name} {time} time" for name, time in zip(names, times, strict=True))
                raise InputError(f"clips of a target must be alike in skeleton and time, found {found}: change clips in params.yaml")
        lengths = [len(clip.track.points) + 1 for clip in clips]
        return Joined(tuple(clips), tuple(int(n) for n in np.cumsum([0, *lengths[:-1]])))

    @property
    def length(self) -> int:
        """Numbers given to frames, those left out included."""
        return self.offsets[-1] + len(self.clips[-1].track.points)

    @property
    def training(self) -> np.ndarray:
        """Numbers (n) of all frames that are learnt from, ascending."""
        return np.concatenate([clip.training + offset for clip, offset in zip(self.clips, self.offsets, strict=True)])

    def of_training(self, name: str) -> np.ndarray:
        """An array of the tracks (`points`, `score`) in the frames that are learnt from."""
        return np.concatenate([getattr(clip.track, name)[clip.training] for clip in self.clips])

    def crop_rows(self) -> np.ndarray:
        """Full → crop px (n 2 3) of the frames that are learnt from, each from its own clip's full px."""
        return np.concatenate([clip.crops.crop[clip.training] for clip in self.clips])

    def scaled_rows(self) -> np.ndarray:
        """The same from full px as references have them: scaled so that the body is as large as in the target's own clip."""
        rows, scale = self.crop_rows(), self.clips[0].crops.crop[self.clips[0].training[0], 0, 0]
        out = []
        for row in rows:
            back = scale / row[0, 0]  # own px in a scaled one
            out.append(row if back == 1 else compose_affine(row, scaling(back)))
        return np.stack(out)

    def frame(self, row: int) -> np.ndarray:
        """A frame (h w 3) of its crops by its rank among those that are learnt from."""
        for clip in self.clips:
            if row < len(clip.training):
                return clip.crops.frames[int(clip.training[row])]
            row -= len(clip.training)
        raise IndexError(row)

    @property
    def references(self) -> References | None:
        """Those of all clips; None where a clip has none to be seen."""
        found = [clip.references for clip in self.clips if clip.references is not None]
        return join_references(found) if len(found) == len(self.clips) else None

    def reference_frames(self) -> list[np.ndarray]:
        """Numbers (m) of the frames that each clip's references show."""
        pairs = zip(self.clips, self.offsets, strict=True)
        return [clip.references.frames + offset for clip, offset in pairs if clip.references is not None]

    def shown(self, first_frames: np.ndarray) -> np.ndarray:
        """Indices of the windows, by their first frames' numbers (n), that training shows: all of the last clip, and of the earlier
        ones as many at most, spread evenly, so that what they taught is not forgotten."""
        newest = first_frames >= self.offsets[-1]
        earlier = spread_evenly(np.flatnonzero(~newest), max(int(newest.sum()), 1))
        return np.concatenate([earlier, np.flatnonzero(newest)])
