"""Losses by hand."""

import math

import pytest
import torch

from pipeline.appearance import losses


def test_perceptual_is_a_weighted_mean_square_per_frame():
    real = [torch.zeros(2, 1, 2, 2), torch.zeros(2, 2, 1, 1)]
    fake = [torch.full((2, 1, 2, 2), 2.0), torch.ones(2, 2, 1, 1)]
    fake[0][1] = 0
    assert losses.perceptual(real, fake, [0.5, 3.0]).tolist() == [0.5 * 4 + 3, 3]
    assert losses.perceptual(real, fake, [0.0, 1.0]).tolist() == [1, 1]


def test_pixel_and_matte():
    assert losses.pixel(torch.zeros(1, 2), torch.tensor([[1.0, -3.0]])).item() == 2
    assert losses.matte(torch.tensor([1.0]), torch.tensor([0.0])).item() == pytest.approx(math.log(2))


def test_log_form_is_equation_10():
    real, fake = torch.tensor([0.3]), torch.tensor([-0.8])
    d = torch.sigmoid
    expected = -(torch.log(d(real)) + torch.log(1 - d(fake)))
    assert losses.discriminator_adversarial(real, fake, "log").item() == pytest.approx(expected.item(), rel=1e-6)
    assert losses.generator_adversarial(fake, "log").item() == pytest.approx(-torch.log(d(fake)).item(), rel=1e-6)


def test_least_squares_form():
    assert losses.discriminator_adversarial(torch.tensor([1.0]), torch.tensor([0.0]), "lsgan").item() == 0
    assert losses.discriminator_adversarial(torch.tensor([0.0]), torch.tensor([2.0]), "lsgan").item() == 2.5
    assert losses.generator_adversarial(torch.tensor([3.0]), "lsgan").item() == 4
