"""Closed forms of what ONNX cannot say of matrices, for those of two rows and columns: inverse, determinant, singular values."""

import torch
from torch import Tensor


def inverse(matrices: Tensor) -> Tensor:
    """Inverses of matrices (… 2 2)."""
    a, b, c, d = _entries(matrices)
    return torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2) / determinant(matrices)[..., None, None]


def determinant(matrices: Tensor) -> Tensor:
    """Determinants (…) of matrices (… 2 2)."""
    a, b, c, d = _entries(matrices)
    return a * d - b * c


def singular_values(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (… 2 2) as left @ diag(values) @ right: left, right (… 2 2) orthogonal, values (… 2) descending, 0 or more.

    A matrix is the sum of two that turn and grow, one of them mirrored; the angles of both halved, added and subtracted, are those of
    left and right, and their lengths added and subtracted the values.
    """
    a, b, c, d = _entries(matrices)
    turned, mirrored = torch.stack([a + d, c - b], -1) / 2, torch.stack([a - d, c + b], -1) / 2
    lengths = turned.norm(dim=-1), mirrored.norm(dim=-1)
    angles = torch.atan2(turned[..., 1], turned[..., 0]), torch.atan2(mirrored[..., 1], mirrored[..., 0])
    left, right = _turns((angles[0] + angles[1]) / 2), _turns((angles[0] - angles[1]) / 2)
    second = lengths[0] - lengths[1]
    flip = torch.stack([torch.ones_like(second), torch.where(second < 0, -1.0, 1.0)], -1)
    return left, torch.stack([lengths[0] + lengths[1], second.abs()], -1), flip[..., None] * right


def _entries(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0], matrices[..., 1, 1]


def _turns(angles: Tensor) -> Tensor:
    """Rotations (… 2 2) by angles (…), rad."""
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
