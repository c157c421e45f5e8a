"""Rendering frame after frame, each given the one before, as Everybody Dance Now does."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.edn import GlobalGenerator
from pipeline.training import Precision, autocast, choose_dtype


def frames_in_sequence(
    network: GlobalGenerator,
    present: np.ndarray,
    poses: Callable[[int], Tensor],
    crop_hw: tuple[int, int],
    precision: Precision,
    has_time: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Colours (h w 3) and matte (h w) uint8 of every frame; present (t) bool, poses(t) the pose map (1 c h w) of frame t.

    The network is given its own output of the frame before, and zeros at the first frame, after frames without the
    subject, and throughout where frames do not follow in time. The matte is 255 everywhere, since the background is the
    network's own; a frame without the subject has none of either.
    """
    device = next(network.parameters()).device
    nothing = torch.zeros(1, 3, *crop_hw, device=device)
    before = nothing
    for t, seen in enumerate(present):
        if not seen:
            before = nothing
            yield np.zeros((*crop_hw, 3), np.uint8), np.zeros(crop_hw, np.uint8)
            continue
        with torch.inference_mode(), autocast(device, choose_dtype(precision, device)):
            made = network(torch.cat([poses(t), before], 1))
        before = made if has_time else nothing
        colours = ((made[0] + 1) * 127.5).clamp(0, 255).round().byte()
        yield colours.permute(1, 2, 0).cpu().numpy(), np.full(crop_hw, 255, np.uint8)
