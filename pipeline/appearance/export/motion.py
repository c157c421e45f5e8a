"""A motion as an exported graph reads it, window by window."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.appearance.blending import Frame
from pipeline.appearance.fading import fades
from pipeline.appearance.generate import GenerateInputs, seen_through
from pipeline.appearance.poses import to_crop
from pipeline.appearance.references import ReferencePictures
from pipeline.appearance.renderers.base import GenerateParams, Seen
from pipeline.appearance.renderers.fakevideo import FakeVideoRenderer
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import NONE
from pipeline.errors import InputError
from pipeline.picture.greyness import without_colour


@dataclass(frozen=True)
class Motion:
    """A motion (t frames) seen through a target's crop: points (t j 2) crop px, windows (n k) disjoint but for the last one of a run.

    rows (t 2 3): full → crop px; seen: the references of each frame, none of which fades; None where the model carries no real pixels.
    """

    model: FakeVideoRenderer
    track: Track
    points: np.ndarray
    rows: np.ndarray
    windows: np.ndarray
    seen: Seen | None

    @staticmethod
    def of(inputs: GenerateInputs) -> "Motion":
        """InputError where the model is of another system than the project's own, or what it needs is not there."""
        model = inputs.model
        if not isinstance(model, FakeVideoRenderer):
            raise InputError("only a model of the project's own system can be exported, found a baseline's: see appearance.system")
        track, rows = seen_through(inputs)
        seen = model.see(inputs.references, inputs.chosen, track.present, 0, float(rows[0, 0, 0]))
        if seen is not None:  # a graph knows of whole references alone
            seen = replace(seen, ends=np.zeros_like(seen.ends))
        motion = Motion(model, track, to_crop(track.points, rows), rows, model.windows(track, model.k), seen)
        if not len(motion.windows):
            raise InputError(f"{track.source.path} must show the subject in some frame, found none: take another pair with --pair")
        return motion

    def feed(self, window: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of Window for the frames (k) of a window, a batch of one."""
        fed = {"points": self.points[window], "scores": self.track.score[window]}
        if self.seen is not None:
            pictures, ranks = self.seen.pictures, self.seen.ranks[window]
            images = np.stack([picture_bytes(pictures, int(rank)) for rank in ranks.ravel()])
            own = np.where((ranks == NONE)[..., None, None], np.nan, pictures.points.cpu().numpy()[np.maximum(ranks, 0)])
            fed |= {"pictures": images.reshape(*ranks.shape, *images.shape[1:]), "picture_points": own}
        return {name: np.ascontiguousarray(array[None], np.uint8 if name == "pictures" else np.float32) for name, array in fed.items()}

    def of_windows(self, which: np.ndarray) -> "Motion":
        """The frames of some windows alone, one behind the other: whoever draws it draws these windows."""
        frames = self.windows[which].ravel() if self.track.clock.has_time else self.windows[which, 0]
        track = replace(
            self.track, points=self.track.points[frames], score=self.track.score[frames], origin=self.track.origin[frames]
        )
        seen = self.seen
        if seen is not None:
            ranks = seen.ranks[frames]
            seen = replace(seen, ranks=ranks, fading=fades(ranks[:, 0], track.present, 0), ends=seen.ends[frames])
        return Motion(self.model, track, self.points[frames], self.rows[frames], self.model.windows(track, self.model.k), seen)

    def drawn(self, params: GenerateParams) -> list[Frame]:
        """Every frame (t) as torch makes it, by the code that generates foregrounds."""
        alone = params.model_copy(update={"overlap_stride": self.model.k, "fade_s": 0.0})
        frames = self.model.frames(self.track, self.points, alone, self.seen)
        return [replace(frame, rgb=without_colour(frame.rgb)) if self.model.grey else frame for frame in frames]


def picture_bytes(pictures: ReferencePictures, rank: int) -> np.ndarray:
    """A reference as a graph reads it: M ⊙ F, M and what is transient (5 h w) uint8, zeros for NONE."""
    return pictures.picture(rank).cpu().numpy().astype(np.uint8)
