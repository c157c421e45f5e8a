"""Fills holes with DeepFill v2 (Yu et al. 2019, [48]), the paper's own choice (§3.1), from its published weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pipeline.background.backends.deepfill.checkpoint import read_generator
from pipeline.background.backends.deepfill.network import MULTIPLE_PX, DeepFill, network_input
from pipeline.background.backends.deepfill.windows import enlarged, shrunk, windows_about
from pipeline.training.device import prepare_cpu

LONGEST_PX = 512  # of what the network sees at once; it was trained at 256 with holes of up to half that


def load(
    weights: Path, device: str = "cpu", fuse: bool | None = None, longest_px: int = LONGEST_PX
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return f(image (h w 3) uint8 RGB, mask (h w) bool, True = hole) → image with the holes filled, the rest untouched.

    weights: the .pth file, or the folder that holds it; its keys tell the layout. Images up to longest_px are seen whole,
    in larger ones every hole is seen through a window with context, shrunk where that is larger still. Sides that are no
    multiple of 8 are padded by reflection (the port cuts them). An image that is all hole is returned as it is.
    fuse: whether neighbouring matches are fused; None = as the file's layout does in the port.
    """
    network = read_generator(Path(weights), fuse).to(device)
    prepare_cpu()

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if image.shape[:2] != mask.shape:
            raise ValueError(f"mask must be as large as the image {image.shape[:2]}, found {mask.shape}")
        mask = mask.astype(bool)
        filled = image.copy()
        if mask.all():
            return filled
        for window in windows_about(mask, longest_px):
            filled[window] = _fill_window(network, filled[window], mask[window], longest_px)
        return np.where(mask[..., None], filled, image)

    return fill


def _fill_window(network: DeepFill, image: np.ndarray, mask: np.ndarray, longest_px: int) -> np.ndarray:
    """The window with its hole filled, at full size; at a reduced one when it is longer than longest_px."""
    if max(mask.shape) <= longest_px:
        return _run(network, image, mask)
    small, hole = shrunk(image, mask, longest_px)
    if hole.all():
        return image
    return enlarged(_run(network, small, hole), mask.shape)


def _run(network: DeepFill, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One pass of the network over an image (h w 3) uint8, padded to multiples of 8; what it paints replaces the hole."""
    h, w = mask.shape
    room = ((0, -h % MULTIPLE_PX), (0, -w % MULTIPLE_PX))
    device = next(network.parameters()).device
    colours = torch.from_numpy(np.pad(image, (*room, (0, 0)), mode="symmetric")).to(device).permute(2, 0, 1)[None]
    hole = torch.from_numpy(np.pad(mask, room, mode="symmetric")).to(device)[None, None].float()
    with torch.inference_mode():
        _, painted = network(network_input(colours.float() / 127.5 - 1, hole), hole)
    # Truncated, not rounded: that is what the published software writes.
    levels = ((painted[0] + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()[:h, :w]
    return np.where(mask[..., None], levels, image)
