"""The paper's system at work: frames in windows, blended where windows overlap, real pixels carried where the model carries them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from pipeline.appearance.blending import Blend, Frame, nothing
from pipeline.appearance.core import learn_core
from pipeline.appearance.fading import arranged_fades
from pipeline.appearance.references import ReferencePictures
from pipeline.appearance.renderers.base import GenerateParams, Renderer, Seen
from pipeline.appearance.renderers.carrying import Carrying
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.references import ChosenReferences, References
from pipeline.errors import InputError
from pipeline.networks.generator import Generator, GeneratorShape, own_picture
from pipeline.timeline.windows import rendering_windows, still_windows
from pipeline.training.device import autocast, choose_dtype


class FakeVideoRenderer(Renderer):
    """Makes foregrounds and mattes, window by window."""

    network: Generator

    @staticmethod
    def build(shape: dict[str, Any]) -> Generator:
        return Generator(GeneratorShape(**shape))

    @property
    def k(self) -> int:
        return self.network.shape.frames

    def see(
        self, references: References | None, chosen: ChosenReferences | None, present: np.ndarray, fade: int, scale: float
    ) -> Seen | None:
        if self.carrying is None:
            return None
        wanted = len(present), self.network.shape.references
        if references is None or chosen is None or chosen.rank.shape != wanted:
            found = "none" if chosen is None else "{} of {}".format(*chosen.rank.shape[::-1])
            needed = f"{wanted[1]} chosen references for each of {wanted[0]} frames"
            raise InputError(f"the model needs {needed}, found {found}. Run: dvc repro find_references")
        pictures = ReferencePictures(references, scale, self.device)
        found, needed = chosen.ends.shape[1], len(self.skeleton.ends())
        if found != needed:
            raise InputError(f"chosen references must tell of {needed} ends of limbs, found {found}. Run: dvc repro find_references")
        fading = arranged_fades(chosen.rank, chosen.ends, present, fade, chosen.attributes.get("border"))
        return Seen(pictures, chosen.rank, fading, learn_core(pictures, self.skeleton), chosen.ends)

    def windows(self, motion: Track, stride: int) -> np.ndarray:
        """The windows (n k) in which a motion is made, `stride` frames apart, k at most; a clip without time has one a frame."""
        if not motion.clock.has_time:
            return still_windows(np.flatnonzero(motion.present), self.k)
        return rendering_windows(motion.present, self.k, min(stride, self.k))

    def frames(self, motion: Track, points: np.ndarray, params: GenerateParams, seen: Seen | None) -> Iterator[Frame]:
        """Every frame, blended from its windows as soon as no later window holds it."""
        present, windows = motion.present, self.windows(motion, params.overlap_stride)
        empty = nothing(self.crop_hw, seen is not None)
        pending: dict[int, Blend] = {}
        done = 0
        for start in range(0, len(windows), params.batch_windows):
            batch = windows[start : start + params.batch_windows]
            for frame, blend in self._render(points[batch], motion.score[batch], batch, params, seen):
                if frame in pending:
                    pending[frame].add(blend)
                else:
                    pending[frame] = blend
            following = windows[start + len(batch), 0] if start + len(batch) < len(windows) else len(present)
            for frame in range(done, following):
                yield pending.pop(frame).finish(params.matte_contrast) if frame in pending else empty
            done = max(done, int(following))
        for _ in range(done, len(present)):
            yield empty

    def _render(
        self, points: np.ndarray, scores: np.ndarray, windows: np.ndarray, params: GenerateParams, seen: Seen | None
    ) -> Iterator[tuple[int, Blend]]:
        """Renderings of windows (b k) from crop points (b k j 2), a frame that a window repeats only once."""
        points_, scores_ = self.on_device(points), self.on_device(scores)
        dtype = choose_dtype(params.precision, self.device)
        with torch.inference_mode():
            with autocast(self.device, dtype):
                poses = self.poses(points_, scores_)
            if seen is None or self.carrying is None:
                with autocast(self.device, dtype):
                    colours, logits = own_picture(self.network(poses))
                images, maps = colours.flatten(0, 1), torch.sigmoid(logits).flatten(0, 1)
                blends = [Blend.of({"rgb": image}, {"matte": matte}) for image, matte in zip(images, maps, strict=True)]
            else:
                carrying = Carrying(self.network, self.skeleton, self.crop_hw, self.carrying, params, seen)
                blends = carrying.frames(poses, points_, windows)
        for i, (frame, before) in enumerate((frame, row[:j]) for row in windows.tolist() for j, frame in enumerate(row)):
            if frame not in before:
                yield frame, blends[i]
