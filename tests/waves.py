"""Pictures made of sines, so that any package can make them again."""

import torch


def wave(phase: float) -> torch.Tensor:
    """Two images (2 3 64 64) in [-1, 1]."""
    y, x = torch.meshgrid(torch.arange(64.0, dtype=torch.float64), torch.arange(64.0, dtype=torch.float64), indexing="ij")
    images = [[torch.sin(x * (0.11 * (c + 1)) + y * (0.07 * (i + 1)) + phase * (c + 1)) for c in range(3)] for i in range(2)]
    return torch.stack([torch.stack(image) for image in images]).float()
