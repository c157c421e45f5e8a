"""What networks are shown: poses lie over their frames; discriminators see each frame once, under its own pose, true and made."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from appearance.test_train import CPU, gan_and_batch
from drawn_stick import make_crops, make_track, small
from torch import Tensor

from pipeline.appearance.dataset import Batch, TrainingClip
from pipeline.appearance.systems.fakevideo import FakeVideo
from pipeline.networks.discriminators import stacked_maps


@pytest.mark.parametrize("augment", [0.0, 1.0])
def test_each_frame_s_pose_lies_over_its_matte_and_not_over_another_s(tmp_path, stick, augment):
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    params = small(augment={"share": augment}, dropout={"share": 0.0}, max_stride=1)
    clip = TrainingClip(crops, track, np.arange(8), params)
    clip.expand(crops, tmp_path / "pixels")
    batch = clip.batch(np.arange(6), 0, 1, CPU.device, 5)
    limb, mattes = (batch.poses[:, :, 0] > 0.2).float(), batch.mattes[:, :, 0]
    over = torch.einsum("bkhw,blhw->bkl", limb, mattes) / mattes.sum((2, 3))[:, None]  # of each matte, the share under each pose
    own, other = over.diagonal(dim1=1, dim2=2), over[:, [0, 2], [2, 0]]
    assert own.min() > 0.85
    assert (own[:, [0, 2]] - other).min() > 0.15  # two frames apart the stick has turned by 50 degrees
    colours = batch.foregrounds / mattes.clamp_min(1e-3)[:, :, None]
    inside = (mattes > 0.999)[:, :, None].expand_as(colours)
    orange = torch.tensor([230.0, 140, 20]).view(3, 1, 1) / 127.5 - 1
    assert (colours - orange)[inside].abs().max() < 0.05


def test_windows_are_drawn_at_every_stride_that_fits(tmp_path, stick):
    """The stick turns evenly: how far it turns from frame to frame is the stride."""
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    clip = TrainingClip(crops, track, np.arange(8), small())  # max_stride 2
    rows = [clip._rows(0, np.random.default_rng(i)).tolist() for i in range(20)]
    assert {tuple(row) for row in rows} == {(0, 1, 2), (0, 2, 4)}


Calls = dict[str, list[tuple[Tensor, Tensor, Tensor]]]


@pytest.fixture(params=[[], [1, 2]], ids=["pixels", "features"])
def losses_and_calls(request, tmp_path, stick, features_folder):
    """A system after both losses, its batch and rendering, the losses, and what each discriminator was given and said, call by call."""
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small(discriminators={"sees": request.param}))
    calls: Calls = {name: [] for name in gan.discriminators}

    def note(name: str) -> Callable[..., None]:
        return lambda _module, given, said: calls[name].append((*(x.detach().clone() for x in given), said.detach()))

    for name, network in gan.discriminators.items():
        network.register_forward_hook(note(name))
    rendering = gan.render(batch)
    found = gan.generator_losses(batch, rendering, [], replay=False)
    return gan, batch, rendering, found, gan.discriminator_loss(batch, rendering), calls


def _as_seen(gan: FakeVideo, windows: Tensor) -> Tensor:
    """What a discriminator is to see of windows (b k 3 h w): their pixels, or features, frame by frame."""
    layers = gan.params.discriminators.sees
    if not layers:
        return windows
    with torch.no_grad():
        frames = [[gan.features.features(frame[None], max(layers))[i - 1] for i in layers] for frame in windows.flatten(0, 1)]
    return torch.cat([stacked_maps(maps) for maps in frames]).unflatten(0, windows.shape[:2])


def test_both_discriminators_see_what_was_made_and_what_is_true_frame_by_frame_under_its_own_pose(losses_and_calls):
    gan, batch, rendering, _, _, calls = losses_and_calls
    assert len({float(pose.sum()) for pose in batch.halved_poses.flatten(0, 1)}) == 6  # no frame could stand for another
    made, true = (_as_seen(gan, windows) for windows in (rendering.foregrounds.detach(), batch.composites))
    assert (made - true).abs().mean() > 0.01
    halved = batch.halved_poses
    if gan.params.discriminators.sees:  # at the size of the features
        halved = torch.nn.functional.interpolate(halved.flatten(0, 1), made.shape[-2:], mode="area").unflatten(0, halved.shape[:2])
    for name, flat in (("quality", True), ("temporal", False)):
        # the generator's loss, then the discriminators'
        wanted = [(halved, made), (halved, true), (halved, made)]
        assert len(calls[name]) == 3
        for (poses, windows, _), (own_poses, own) in zip(calls[name], wanted, strict=True):
            shown = (own_poses.flatten(0, 1), own.flatten(0, 1)) if flat else (own_poses, own)
            torch.testing.assert_close(poses, shown[0], atol=0, rtol=0)
            torch.testing.assert_close(windows, shown[1], atol=1e-4, rtol=1e-4)


def test_the_losses_go_in_opposite_directions_for_what_the_discriminators_said(losses_and_calls):
    """Eq. 10-11 with log D = -softplus(-logit), log(1 - D) = -softplus(logit)."""
    _, _, _, found, paid, calls = losses_and_calls
    softplus, total = torch.nn.functional.softplus, 0.0
    for name in ("quality", "temporal"):
        for_generator, true, made = (said for _, _, said in calls[name])
        assert float(found[name].detach()) == pytest.approx(float(softplus(-for_generator).mean()), rel=1e-5)
        total += float(softplus(-true).mean() + softplus(made).mean())
    assert float(paid.detach()) == pytest.approx(total, rel=1e-5)


def test_the_generator_s_losses_are_added_up_by_their_weights_and_a_replay_s_are_two(tmp_path, stick, features_folder):
    weights = {"perceptual": 2.0, "gw": 3.0, "pixel": 5.0, "matte": 7.0, "quality": 11.0, "temporal": 13.0}
    gan, _ = gan_and_batch(tmp_path, stick, features_folder, small(losses=weights))
    found = {name: torch.tensor(float(i)) for i, name in enumerate((*weights, "windows"), start=1)}
    assert float(gan._weighted(found, replay=False)) == 1 * 2 + 2 * 3 + 3 * 5 + 4 * 7 + 5 * 11 + 6 * 13
    assert float(gan._weighted(found, replay=True)) == 1 * 2 + 2 * 3


def test_gw_compares_all_frames_of_a_step(tmp_path, stick, features_folder):
    """The second batch's loss is over the frames of both; the first's over its own."""
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    rendering, earlier = gan.render(batch), []
    for batches in (1, 2):
        gan.generator_losses(batch, rendering, earlier, replay=True)
        assert [len(real) for real, _ in earlier] == [6] * batches
    alone, together = (gan.generator_losses(batch, rendering, list(before), replay=True)["gw"].item() for before in ([], earlier[:1]))
    assert alone != pytest.approx(together, rel=1e-3)


def test_what_is_laid_over_a_background_is_the_generated_colour_by_the_generated_matte(tmp_path, stick, features_folder):
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    outputs = gan.generator(batch.poses).detach()
    colours, logits = torch.tanh(outputs[:, :, :3]), outputs[:, :, 3:]
    rendering = gan.render(batch)
    expected = torch.sigmoid(logits) * colours + (1 - torch.sigmoid(logits)) * batch.backgrounds
    torch.testing.assert_close(rendering.foregrounds.detach(), expected, atol=1e-5, rtol=0)


def test_true_foregrounds_come_with_their_matte_and_are_laid_over_the_background_once():
    """What is learnt from is M x F: the matte is not multiplied a second time, or soft edges come out dark."""
    rng = torch.Generator().manual_seed(3)
    colours = torch.rand((1, 3, 3, 4, 4), generator=rng) * 2 - 1
    mattes = torch.rand((1, 3, 1, 4, 4), generator=rng)
    background = torch.tensor([0.5, -0.25, 0.0]).view(1, 1, 3, 1, 1)
    batch = Batch(torch.zeros(1), torch.zeros(1), mattes * colours, mattes, [0], background)
    torch.testing.assert_close(batch.composites, mattes * colours + (1 - mattes) * background)
