"""The baseline as_published at work: each frame from the pose before it and its own, of its own twice at the start."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.held import hold_missing
from pipeline.appearance.renderers.sequence import InSequence
from pipeline.artifacts.keypoints import Track
from pipeline.networks.as_published import PosePairGenerator


class AsPublishedRenderer(InSequence):
    """Hands each pose on."""

    @staticmethod
    def build(shape: dict[str, Any]) -> PosePairGenerator:
        return PosePairGenerator(**shape)

    def read(self, motion: Track) -> Track:
        """Missing joints held, as in training."""
        if not motion.clock.has_time:
            return motion
        shown = np.flatnonzero(motion.present)
        points, score = motion.points.copy(), motion.score.copy()
        points[shown], score[shown] = hold_missing(points[shown], score[shown], shown, self.pose_map.score_threshold)
        return replace(motion, points=points, score=score)

    def follow(self, poses: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.network(torch.cat([poses if before is None else before, poses], 1)), poses
