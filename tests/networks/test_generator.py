"""Dense skips reach every decoder directly."""

import pytest
import torch

from pipeline.networks.carrying import WARPED_CHANNELS, output_channels
from pipeline.networks.generator import Exchange, Generator, GeneratorShape, own_picture, together


def small(dense: bool = True, k: int = 3) -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorShape(pose_channels=2, frames=k, base_width=8, levels=4, blocks=1, dense_skips=dense))


@pytest.mark.parametrize("k", [1, 3])
def test_colours_and_matte_logits_for_every_frame(k):
    outputs = small(k=k)(torch.rand(2, k, 2, 32, 32))
    colours, logits = own_picture(outputs)
    assert colours.shape == (2, k, 3, 32, 32)
    assert logits.shape == (2, k, 1, 32, 32)
    assert outputs.dtype == torch.float32
    assert colours.abs().max() <= 1


@pytest.mark.parametrize("dense", [True, False])
def test_a_decoder_layer_receives_encoder_layers_directly(dense):
    """With everything before it detached, decoder layer i has a slope to encoder layers 1..i, or to layer i alone."""
    network = small(dense)
    encoded = [x.detach() for x in network.encode(torch.rand(3, 2, 32, 32))]
    deeper = None
    for layer in range(4, 0, -1):
        leaves = [x.clone().requires_grad_() for x in encoded]
        out = network.decode(layer, deeper, leaves)
        (out * torch.rand_like(out)).sum().backward()
        reached = [i + 1 for i, x in enumerate(leaves) if x.grad is not None and x.grad.abs().max() > 0]
        assert reached == (list(range(1, layer + 1)) if dense else [layer])
        deeper = out.detach()


def test_layers_have_halving_sizes_and_capped_widths():
    shapes = [tuple(x.shape[1:]) for x in small().encode(torch.rand(3, 2, 32, 32))]
    assert shapes == [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 4, 4)]


def test_frames_begin_by_themselves_and_learn_to_read_every_pose():
    network = small()
    poses = torch.rand(1, 3, 2, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(poses)[:, 1], network(poses.flip(1))[:, 1])
        one_by_one = torch.cat([network(poses[:, [t] * 3])[:, :1] for t in range(3)], 1)
        torch.testing.assert_close(network(poses), one_by_one)
    network(poses).sum().backward()
    slopes = [module.mix.weight.grad for module in network.modules() if isinstance(module, Exchange)]
    assert len(slopes) == 1
    assert all(slope is not None and slope.abs().max() > 0 for slope in slopes)
    for module in network.modules():
        if isinstance(module, Exchange):
            torch.nn.init.normal_(module.mix.weight)
    poses.requires_grad_()
    network(poses)[:, 0].sum().backward()
    assert poses.grad is not None
    assert (poses.grad.abs().amax((0, 2, 3, 4)) > 0).all()


def test_layout_in_memory_changes_nothing():
    network = small().eval()
    poses = torch.rand(1, 3, 2, 32, 32)
    stacked = poses.flatten(1, 2).contiguous(memory_format=torch.channels_last).unflatten(1, (3, 2))
    with torch.no_grad():
        torch.testing.assert_close(network(stacked), network(poses), rtol=1e-5, atol=1e-6)


def test_a_generator_of_references_sees_the_warped_frame_and_begins_with_even_gates():
    torch.manual_seed(0)
    network = Generator(GeneratorShape(2, 3, 8, 4, 1, True, references=2))
    poses, warped = torch.rand(1, 3, 2, 32, 48), torch.rand(1, 3, 2 * WARPED_CHANNELS, 32, 48, requires_grad=True)
    outputs = network(poses, warped)
    assert outputs.shape == (1, 3, output_channels(2), 32, 48)
    assert (outputs[:, :, 4:] == 0).all()
    outputs[:, :, :3].sum().backward()
    assert warped.grad is not None
    assert (warped.grad.abs().amax((0, 3, 4)) > 0).all()


def test_poses_and_references_come_together_in_their_order_channels_last():
    parts = [torch.rand(2, 3, 8, 12), torch.rand(2, 5, 8, 12)]
    joined = together([part.permute(0, 2, 3, 1) for part in parts])
    assert torch.equal(joined, torch.cat(parts, 1))
    assert joined.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(together([part.permute(0, 2, 3, 1) for part in parts]), torch.cat(parts, 1).bfloat16())
