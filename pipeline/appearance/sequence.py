"""Rendering frame after frame, for systems that make whole frames one by one."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.renderers import Renderer
from pipeline.training.device import Precision, autocast, choose_dtype


def frames_in_sequence(
    renderer: Renderer,
    present: np.ndarray,
    poses: Callable[[int], Tensor],
    crop_hw: tuple[int, int],
    precision: Precision,
    has_time: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Colours (h w 3) and matte (h w) uint8 of every frame; present (t) bool, poses(t) the pose map (1 c h w) of frame t.

    The renderer starts anew at the first frame, after frames without the subject, and at every frame where frames do not
    follow in time. The matte is 255 everywhere, since the background is the network's own; a frame without the subject
    has none of either.
    """
    for t, seen in enumerate(present):
        if not seen:
            renderer.restart()
            yield np.zeros((*crop_hw, 3), np.uint8), np.zeros(crop_hw, np.uint8)
            continue
        drawn = poses(t)
        with torch.inference_mode(), autocast(drawn.device, choose_dtype(precision, drawn.device)):
            made = renderer.render(drawn)
        if not has_time:
            renderer.restart()
        colours = ((made[0] + 1) * 127.5).clamp(0, 255).round().byte()
        yield colours.permute(1, 2, 0).cpu().numpy(), np.full(crop_hw, 255, np.uint8)
