"""The networks of the public code said to be the paper's: their sizes as found, what each part is given."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.networks.as_published import DenseSkip, FramePairDiscriminator, PosePairGenerator


def test_the_generator_keeps_size_and_range():
    network = PosePairGenerator(5, 8, 4, 1)
    images = network(torch.randn(2, 10, 32, 48))
    assert images.shape == (2, 3, 32, 48)
    assert images.abs().max() <= 1


def test_it_is_as_large_as_the_uploads():
    """262 million weights and 442 GMAC at 512 x 512 with 65 classes were counted there; a share of 2 % is not accounted for."""
    with torch.device("meta"):
        network = PosePairGenerator(65, 64, 4, 11)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 130, 512, 512))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(262e6, rel=0.025)
    assert counter.get_total_flops() / 2 == pytest.approx(442e9, rel=0.005)


@pytest.mark.parametrize(("downsamplings", "levels"), [(4, {"2", "3", "4"}), (3, {"1", "2", "3"}), (1, {"1"})])
def test_dense_skips_are_at_the_three_deepest_levels(downsamplings, levels):
    assert set(PosePairGenerator(1, 4, downsamplings, 0).skips) == levels


def test_a_dense_skip_hears_the_encoder_down_to_its_level():
    torch.manual_seed(0)
    skip = DenseSkip(4, 2)
    encoded = [torch.randn(1, 4 * 2**i, 16 // 2**i, 16 // 2**i, requires_grad=True) for i in range(3)]
    x = torch.randn(1, 16, 4, 4, requires_grad=True)
    out = skip(x, encoded)
    assert out.shape == (1, 16, 4, 4)
    out.square().sum().backward()
    assert all(maps.grad is not None and maps.grad.abs().max() > 0 for maps in (x, *encoded))
    with torch.no_grad():  # the strided convolutions' maps and the level's own are summed
        alone = [torch.zeros_like(maps) for maps in encoded]
        alone[2] = encoded[2] + sum(shrink(maps) for shrink, maps in zip(skip.shrink, encoded, strict=False))
        torch.testing.assert_close(skip(x, alone), out)


def test_the_judge_of_two_frames_tells_their_order_and_has_no_dilation():
    torch.manual_seed(0)
    network = FramePairDiscriminator(8, 3).eval()
    first, second = torch.randn(1, 3, 32, 32), torch.randn(1, 3, 32, 32)
    judged = network(torch.cat([first, second], 1))
    assert judged.shape == (1, 1, 4, 4)
    assert not torch.equal(judged, network(torch.cat([second, first], 1)))
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert {c.dilation for c in convolutions} == {(1, 1)}
    assert [c.out_channels for c in convolutions if c.kernel_size == (3, 3)] == [8, 8, 16, 16, 32, 32]


def test_every_weight_of_that_judge_is_spectrally_normed():
    torch.manual_seed(0)
    network = FramePairDiscriminator(8, 2).train()
    for _ in range(200):  # one power iteration a pass
        network(torch.zeros(1, 6, 8, 8))
    weights = [m.weight.detach().flatten(1) for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(weights) == 7
    for weight in weights:
        assert torch.linalg.matrix_norm(weight, 2) == pytest.approx(1, abs=0.02)
