"""The networks of Everybody Dance Now: their sizes as published."""

import torch

from pipeline.networks.edn import GlobalGenerator, MultiscaleDiscriminator


def convolutions(network: torch.nn.Module) -> list[torch.nn.Conv2d | torch.nn.ConvTranspose2d]:
    return [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]


def test_the_generator_keeps_size_and_range():
    network = GlobalGenerator(6, 8, 3, 2)
    images = network(torch.randn(2, 6, 32, 48))
    assert images.shape == (2, 3, 32, 48)
    assert images.abs().max() <= 1
    assert [c.out_channels for c in convolutions(network)] == [8, 16, 32, 64, *[64] * 4, 32, 16, 8, 3]


def test_discriminators_are_alike_and_see_halved_images():
    network = MultiscaleDiscriminator(12, 64, 3, 2)
    found = network(torch.randn(2, 12, 32, 32))
    assert [[maps.shape[1] for maps in scale] for scale in found] == [[64, 128, 256, 512, 1]] * 2
    assert [c.stride[0] for c in convolutions(network.scales[0])] == [2, 2, 2, 1, 1]
    assert [scale[0].shape[-1] for scale in found] == [17, 9]


def test_a_discriminator_of_a_coarser_scale_sees_the_mean():
    network = MultiscaleDiscriminator(1, 4, 1, 2)
    seen: list[torch.Tensor] = []
    network.scales[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.full((1, 1, 8, 8), 0.7))
    torch.testing.assert_close(seen[0], torch.full((1, 1, 4, 4), 0.7))  # also at the rim: nothing is counted from outside


def test_slopes_of_a_batch_are_those_of_its_images_in_any_layout():
    torch.manual_seed(0)
    network, images = GlobalGenerator(4, 8, 2, 1), torch.randn(2, 4, 16, 16)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=layout)  # type: ignore[call-overload]
        for parts in (1, 2):
            network.zero_grad()
            for part in images.to(memory_format=layout).chunk(parts):
                network(part).square().sum().backward()
            found.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    for other in found[1:]:
        for slope, expected in zip(other, found[0], strict=True):
            torch.testing.assert_close(slope, expected, atol=1e-3 * float(expected.abs().max()), rtol=0)
