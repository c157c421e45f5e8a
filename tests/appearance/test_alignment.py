"""Optical flow that the correction flow learns from: exact on known shifts, silent where there is nothing to see."""

import pytest
import torch

from pipeline.appearance.alignment import misaligned, optical_flow
from pipeline.networks.carrying import blur, move_by


def _texture(h: int = 48, w: int = 64) -> torch.Tensor:
    torch.manual_seed(5)
    image = blur(torch.rand(1, 3, h, w), 1.5)
    return (image - image.amin()) / (image.amax() - image.amin())


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, -0.4), (3.0, 2.0), (-4.5, 1.5)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(shift):
    image = _texture()
    moved = move_by(image, torch.tensor(shift)[None, :, None, None].expand(1, 2, 48, 64), "border")  # moved(x) = image(x + shift)
    flow = optical_flow(moved, image)
    inner = flow[..., 10:-10, 10:-10]
    assert flow.shape == (1, 2, 48, 64)
    assert (inner - torch.tensor(shift)[None, :, None, None]).abs().median() < 0.1


def test_flat_colour_moves_nowhere():
    assert optical_flow(torch.full((1, 3, 32, 32), 0.4), torch.full((1, 3, 32, 32), 0.4)).abs().max() == 0


def test_flows_that_align_the_reference_cost_nothing_and_others_their_distance():
    image, shift = _texture() * 2 - 1, torch.tensor([1.5, -1.0])
    ones = torch.ones(1, 1, 48, 64)
    true = move_by(image, shift[None, :, None, None].expand(1, 2, 48, 64), "border")
    warped = torch.cat([image, ones, ones, ones, true, ones, ones, ones], 1)
    right = torch.stack([shift, torch.zeros(2)])[None, :, :, None, None].expand(1, 2, 2, 48, 64)
    assert misaligned(right, warped, true, ones, 5.0)[0] < 0.3
    wrong = (right + 2).clone().requires_grad_()
    loss, pixels = misaligned(wrong, warped, true, ones, 5.0)
    assert pixels.tolist() == [2 * 48 * 64]  # of both references
    assert 2.3 < loss < 3.2
    loss.backward()
    assert wrong.grad is not None
    assert wrong.grad.abs().sum() > 0
    assert misaligned(wrong, torch.cat([image, 0 * ones, ones, ones] * 2, 1), true, ones, 5.0)[0] == 0  # no reference is there
