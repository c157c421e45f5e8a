"""D_q sees frames, D_t sees windows by parallel dilations."""

import torch
from torch import nn

from pipeline.networks.discriminators import QualityDiscriminator, TemporalDiscriminator, shrunk, side_by_side, stacked_maps


def test_quality_is_of_each_frame_alone():
    network = QualityDiscriminator(2, 8, 2, spectral=False).eval()
    poses, frames = torch.rand(4, 2, 16, 16), torch.rand(4, 3, 32, 32)
    logits = network(poses, frames)
    assert logits.shape == (4, 1, 8, 8)
    torch.testing.assert_close(network(poses[1:2], frames[1:2])[0], logits[1])


def test_dilations_stand_in_parallel():
    """Every branch reads the same trunk and the last convolution reads every branch: none of them feeds another."""
    network = TemporalDiscriminator(2, 3, 8, 2, dilations=[1, 2, 4], spectral=False)
    assert [branch.dilation for branch in network.branches] == [(1, 1), (2, 2), (4, 4)]
    read: list[torch.Tensor] = []
    for branch in network.branches:
        branch.register_forward_hook(lambda module, inputs, output: read.append(inputs[0]))
    network(torch.rand(1, 3, 2, 16, 16), torch.rand(1, 3, 3, 32, 32)).sum().backward()
    assert all(x is read[0] for x in read)
    assert isinstance(network.head, nn.Conv2d)
    assert network.head.in_channels == sum(branch.out_channels for branch in network.branches)
    assert all(branch.weight.grad.abs().max() > 0 for branch in network.branches)


def test_dilations_widen_the_view():
    """A pixel's slope reaches farther with a dilation of 4 than with 1 alone."""

    def reach(dilations: list[int]) -> int:
        torch.manual_seed(0)
        network = TemporalDiscriminator(1, 2, 4, 1, dilations, spectral=False)
        frames = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
        network(torch.rand(1, 2, 1, 32, 32), frames)[0, 0, 16, 16].backward()
        assert frames.grad is not None
        return int((frames.grad.abs().sum((0, 1, 2, 3)) > 0).sum())

    assert reach([1, 4]) > reach([1, 1])


def test_temporal_sees_the_order_of_frames():
    network = TemporalDiscriminator(1, 3, 8, 2, [1, 2], spectral=True).eval()
    poses, frames = torch.rand(1, 3, 1, 16, 16), torch.rand(1, 3, 3, 32, 32)
    assert not torch.allclose(network(poses, frames), network(poses, frames.flip(1)))


def test_spectral_norm_bounds_every_convolution():
    network = QualityDiscriminator(2, 8, 2, spectral=True)
    for _ in range(30):
        network(torch.rand(1, 2, 16, 16), torch.rand(1, 3, 32, 32))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2) < 1.05


def test_discriminators_by_features_see_all_layers_at_the_first_one_s_size_and_contrast_apart():
    maps = [torch.rand(2, 4, 16, 24), torch.rand(2, 6, 8, 12)]
    joined = stacked_maps(maps)
    assert joined.shape == (2, 10, 16, 24)
    torch.testing.assert_close(joined[:, :4].square().sum(1), torch.ones(2, 16, 24), atol=1e-2, rtol=0)
    torch.testing.assert_close(stacked_maps([3 * x for x in maps]), joined, atol=1e-2, rtol=0)
    quality = QualityDiscriminator(2, 8, 2, spectral=False, feature_channels=10)
    temporal = TemporalDiscriminator(2, 2, 8, 2, [1, 2], spectral=False, feature_channels=10)
    assert quality(torch.rand(2, 2, 32, 48), joined).shape == (2, 1, 8, 12)
    assert temporal(torch.rand(1, 2, 2, 32, 48), joined[None]).shape == (1, 1, 8, 12)


def test_windows_lie_side_by_side_without_another_order_of_their_channels():
    windows = torch.rand(6, 5, 8, 12).contiguous(memory_format=torch.channels_last).unflatten(0, (2, 3))
    laid = side_by_side(windows)
    assert torch.equal(laid, windows.flatten(1, 2))
    assert laid.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(side_by_side(windows), windows.flatten(1, 2).bfloat16())
    frames = windows[0]
    assert shrunk(frames, frames.shape[-2:]) is frames
    torch.testing.assert_close(shrunk(frames, (4, 6)), nn.functional.avg_pool2d(frames, 2))


def test_the_slope_of_stacked_maps_is_whole_and_that_of_plain_interpolation():
    slopes = []
    for join in (stacked_maps, _plainly_stacked):
        draw = torch.Generator().manual_seed(1)
        maps = [torch.rand(2, c, h, h, generator=draw).requires_grad_() for c, h in ((4, 16), (6, 8), (3, 5))]
        joined = join(maps)
        (joined * torch.rand(joined.shape, generator=draw)).sum().backward()
        slopes.append([x.grad for x in maps])
    for ours, plain in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, plain)


def _plainly_stacked(maps: list[torch.Tensor]) -> torch.Tensor:
    unit = [x / (x.square().sum(1, keepdim=True) + 1e-6).sqrt() for x in maps]
    return torch.cat([nn.functional.interpolate(x, size=maps[0].shape[-2:], mode="bilinear", align_corners=False) for x in unit], 1)
