"""Laws of the local GAN's networks."""

import torch

from pipeline.networks.local_gan import LocalGenerator, PatchDiscriminator


def test_untrained_refiner_is_the_identity() -> None:
    torch.manual_seed(0)
    residual = LocalGenerator(8)(torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 1, 32, 32))
    assert residual.shape == (2, 3, 32, 32)
    assert not residual.any()


def test_residual_sees_patch_and_matte() -> None:
    torch.manual_seed(0)
    net = LocalGenerator(8)
    torch.nn.init.normal_(net.residual.weight)
    patch, matte = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    base = net(patch, matte)
    assert not torch.equal(net(patch * 0.5, matte), base)
    assert not torch.equal(net(patch, matte * 0.5), base)


def test_no_checkerboard_passes() -> None:
    net = LocalGenerator(8)
    with torch.no_grad():
        net.residual.bias.copy_(torch.tensor([1.0, -1.0, -1.0, 1.0]).repeat(3))  # what the four pixels of each block get
        residual = net(torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32))
    torch.testing.assert_close(residual[..., 1:-1, 1:-1], torch.zeros(1, 3, 30, 30))


def test_patches_of_a_batch_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    net = LocalGenerator(8).eval()
    torch.nn.init.normal_(net.residual.weight)
    patches, mattes = torch.rand(3, 3, 32, 32), torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(net(patches, mattes)[1:2], net(patches[1:2], mattes[1:2]), atol=1e-5, rtol=1e-5)


def test_discriminator_sees_places_of_a_patch_given_the_generated_one() -> None:
    torch.manual_seed(0)
    net = PatchDiscriminator(8)
    generated, patch = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    logits = net(generated, patch)
    assert logits.shape == (2, 1, 16, 16)
    assert not torch.equal(net(generated * 0.5, patch), logits)
