"""Convolutions with fewer products are the convolutions: to rounding, at every size, and nothing else is replaced."""

import pytest
import torch
from torch import nn

from pipeline.networks.alex import StAlex
from pipeline.networks.fewer_products import TILES_AT_ONCE, BlurredConvolution, FewerProducts, SlidingMaximum, with_fewer_products
from pipeline.networks.shift_tolerant import Blur
from pipeline.networks.vgg import StVgg16


@pytest.mark.parametrize("size_hw", [(1, 1), (4, 4), (7, 9), (30, 5), (6, 4 * TILES_AT_ONCE + 3)])
def test_the_result_is_the_convolutions(size_hw):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, padding=1).requires_grad_(False)
    pictures = torch.randn(2, 3, *size_hw)
    true = nn.functional.conv2d(pictures.double(), layer.weight.double(), layer.bias.double(), padding=1)
    found = FewerProducts(layer)(pictures.to(memory_format=torch.channels_last))
    assert found.shape == true.shape
    assert float((found - true).abs().max()) < 2e-5 * float(true.abs().max())


def test_a_picture_has_the_same_result_alone_and_among_others():
    torch.manual_seed(0)
    layer, pictures = FewerProducts(nn.Conv2d(4, 6, 3, padding=1, bias=False)), torch.randn(3, 4, 13, 10)
    assert torch.equal(layer(pictures), torch.cat([layer(one[None]) for one in pictures]))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(64, 64, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 3, padding=2, dilation=2),
        nn.Conv2d(64, 64, (3, 5), padding=(1, 2)),
        nn.Conv2d(64, 64, 5, padding=2),
        nn.Conv2d(3, 64, 3, padding=1),
        nn.ConvTranspose2d(64, 64, 3, padding=1),
    ],
)
def test_other_layers_stay(layer):
    assert type(with_fewer_products(nn.Sequential(layer))[0]) is type(layer)


@pytest.mark.parametrize(("network", "replaced"), [(StVgg16, 12), (StAlex, 3)])
def test_networks_of_metrics_give_the_same_distances(network, replaced):
    torch.manual_seed(0)
    made, a, b = network().eval().requires_grad_(False), torch.rand(1, 3, 40, 52) * 2 - 1, torch.rand(1, 3, 40, 52) * 2 - 1
    before = made.distance(a, b)[0]
    with_fewer_products(made)
    assert sum(isinstance(layer, FewerProducts) for layer in made.modules()) == replaced
    torch.testing.assert_close(made.distance(a, b)[0], before, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("size_hw", [(32, 33), (33, 32), (32, 32), (33, 45)])
@pytest.mark.parametrize(("side", "padding"), [(11, 2), (3, 0)])
def test_a_blurred_convolution_is_the_two_as_one(size_hw, side, padding):
    torch.manual_seed(0)
    layer, blur = nn.Conv2d(3, 4, side, padding=padding).requires_grad_(False), Blur(4)
    blur.filt[:] = torch.tensor([0.25, 0.5, 0.25]).outer(torch.tensor([0.25, 0.5, 0.25]))
    pictures = torch.randn(2, 3, *size_hw)
    as_one = with_fewer_products(nn.Sequential(layer, blur))
    assert isinstance(as_one[0], BlurredConvolution)
    torch.testing.assert_close(as_one(pictures), blur(layer(pictures)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("side", [2, 3, (2, 4)])
def test_the_largest_under_a_square_is_max_poolings(side):
    pictures = torch.randn(2, 3, 9, 14)
    assert torch.equal(SlidingMaximum(nn.MaxPool2d(side, 1))(pictures), nn.MaxPool2d(side, stride=1)(pictures))
    assert isinstance(with_fewer_products(nn.Sequential(nn.MaxPool2d(side, 1)))[0], SlidingMaximum)
    for other in (nn.MaxPool2d(side), nn.MaxPool2d(side, 1, dilation=2)):
        assert with_fewer_products(nn.Sequential(other))[0] is other


def test_a_blur_that_is_not_even_stays():
    blur = Blur(4)
    blur.filt[:] = torch.tensor([0.25, 0.5, 0.25]).outer(torch.tensor([0.2, 0.5, 0.3]))
    assert isinstance(with_fewer_products(nn.Sequential(nn.Conv2d(3, 4, 3), blur))[1], Blur)
