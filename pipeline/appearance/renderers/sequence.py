"""Rendering frame after frame, for systems that make whole frames one by one."""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.blending import Frame, nothing, rgb_of
from pipeline.appearance.renderers.base import GenerateParams, Renderer, Seen
from pipeline.artifacts.keypoints import Track
from pipeline.training.device import autocast, choose_dtype


class InSequence(Renderer):
    """Makes frames in their order; each may follow from the one before."""

    @abstractmethod
    def follow(self, poses: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """The frame (1 3 h w) in [-1, 1] of a pose map (1 c h w), and what the next one is made from; before: what this one is."""

    def frames(self, motion: Track, points: np.ndarray, params: GenerateParams, seen: Seen | None) -> Iterator[Frame]:
        """Nothing is before the first frame, after frames without the subject, and wherever frames do not follow in time.

        The matte is 255 everywhere, since the background is the network's own.
        """
        before = None
        for t, is_there in enumerate(motion.present):
            if not is_there:
                before = None
                yield nothing(self.crop_hw, carries=False)
                continue
            poses = self.poses(self.on_device(points[None, t : t + 1]), self.on_device(motion.score[None, t : t + 1]))[0]
            with torch.inference_mode(), autocast(poses.device, choose_dtype(params.precision, poses.device)):
                made, after = self.follow(poses, before)
            before = after if motion.clock.has_time else None
            yield Frame(rgb_of(made[0]), np.full(self.crop_hw, 255, np.uint8), {})
