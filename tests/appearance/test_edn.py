"""The baseline Everybody Dance Now: what its generator is given, what its discriminators see, how it renders a motion."""

import json

import numpy as np
import pytest
import torch
from drawn_stick import CROP_HW, EDN, draw, make_crops, make_track, small

from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.generate import GenerateInputs, generate_foreground, load_generator, prepare_generator
from pipeline.appearance.renderers.edn import EdnRenderer
from pipeline.appearance.systems.edn import Edn, feature_matching, perceptual, stacked
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.scores import read_curve
from pipeline.networks.edn import GlobalGenerator
from pipeline.networks.vgg import load_features
from pipeline.timeline.split import SplitParams
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World

CPU = World(0, 1, torch.device("cpu"))
CHANNELS = 1  # pose maps of the stick: one limb


class Watched(GlobalGenerator):
    """A generator that keeps what it was given and what it made."""

    def __init__(self) -> None:
        super().__init__(CHANNELS + 3, 8, 2, 1)
        self.given: list[torch.Tensor] = []
        self.made: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.given.append(x)
        self.made.append(super().forward(x))
        return self.made[-1]


@pytest.fixture
def learning(tmp_path, stick, features_folder):
    """System and batch of a drawn clip of 8 frames."""
    prepare_cpu(1)
    track, params = make_track(stick, 8), small(**EDN)
    crops = make_crops(tmp_path / "crops.zarr", track)
    clip = TrainingClip(crops, track, np.arange(8), params)
    clip.expand(crops, tmp_path / "pixels")
    system = Edn(params, CHANNELS, load_features("st_vgg16", features_folder), CPU)
    return system, clip.batch(clip.budget.order(1)[0], 0, 1, CPU.device, 0), clip


def test_a_batch_is_whole_frames_and_consecutive(learning):
    _, batch, clip = learning
    frames, _ = draw(make_track(clip.skeleton, 8))
    for row, first in enumerate(batch.windows):
        truth = torch.from_numpy(frames[[first, first + 1]]).permute(0, 3, 1, 2) / 127.5 - 1
        torch.testing.assert_close(batch.foregrounds[row], truth)
    assert batch.mattes.min() == 1


def test_augmented_frames_have_no_black_rim(tmp_path, stick):
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    params = small(**{**EDN, "augment": {"share": 1.0, "shift": 0.5}})
    clip = TrainingClip(crops, track, np.arange(8), params)
    clip.expand(crops, tmp_path / "pixels")
    shown = clip.batch(np.arange(6), 0, 1, CPU.device, 0)
    assert (shown.foregrounds + 1).min() * 127.5 > 19.9  # the background is (20, 90, 40)


def test_the_first_frame_is_made_from_zeros_and_the_second_from_the_first(learning):
    system, batch, _ = learning
    system._run = Watched()
    rendering = system.render(batch)
    given, made = system._run.given, system._run.made
    assert len(given) == 2
    for i in (0, 1):
        assert torch.equal(given[i][:, :CHANNELS], batch.poses[:, i])
        assert torch.equal(rendering.foregrounds[:, i], made[i])
    assert not given[0][:, CHANNELS:].any()
    assert torch.equal(given[1][:, CHANNELS:], made[0])
    assert made[0].any()


def test_the_discriminators_see_two_poses_and_two_frames(learning):
    system, batch, _ = learning
    seen: list[torch.Tensor] = []
    system.discriminators["pairs"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    rendering = system.render(batch)
    system.discriminator_loss(batch, rendering)
    for images, frames in zip(seen, (batch.foregrounds, rendering.foregrounds), strict=True):
        assert images.shape[1] == 2 * (CHANNELS + 3)
        assert torch.equal(images, stacked(batch.poses, frames))
        parts = images.split([CHANNELS, CHANNELS, 3, 3], 1)
        for part, expected in zip(parts, (batch.poses[:, 0], batch.poses[:, 1], frames[:, 0], frames[:, 1]), strict=True):
            assert torch.equal(part, expected)


def test_feature_matching_is_the_mean_gap_of_features_but_not_of_logits():
    def maps(*values: float) -> list[list[torch.Tensor]]:
        return [[torch.full((2, 3, 4, 4), v) for v in values[:2]], [torch.full((2, 3, 2, 2), v) for v in values[2:]]]

    assert feature_matching(maps(1.0, 2.0, 3.0, 4.0), maps(1.0, 2.0, 3.0, 4.0)) == 0
    assert feature_matching(maps(0.0, 0.0, 0.0, 0.0), maps(1.0, 50.0, -3.0, 50.0)) == pytest.approx(4 * (1 + 3) / 2)


def test_the_perceptual_loss_is_absolute_and_weighted_by_layer():
    real, fake = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 2, 2)], [torch.full((2, 3, 4, 4), -2.0), torch.full((2, 5, 2, 2), 3.0)]
    assert perceptual(real, fake, [0.5, 0.25]).tolist() == [0.5 * 2 + 0.25 * 3] * 2


def test_each_network_s_step_leaves_the_other_s_gradients_none(learning):
    system, batch, _ = learning
    rendering = system.render(batch)
    found = system.generator_losses(batch, rendering, [], replay=False)
    torch.stack([found[name] for name in system.weights]).sum().backward(retain_graph=True)
    assert all(p.grad is not None for p in system.generator.parameters())
    assert all(p.grad is None for p in system.discriminators.parameters())
    system.generator.zero_grad()
    system.discriminator_loss(batch, rendering).backward()
    assert all(p.grad is None for p in system.generator.parameters())
    assert all(p.grad is not None for p in system.discriminators.parameters())


def test_both_frames_count_in_the_perceptual_loss(learning):
    system, batch, _ = learning
    rendering = system.render(batch)
    found = system.generator_losses(batch, rendering, [], replay=False)
    each, p = [], system.params.edn.perceptual
    for i in (0, 1):
        real, fake = system.feature_maps(batch.foregrounds[:, i : i + 1], rendering.foregrounds[:, i : i + 1], p)
        each.append(perceptual(real, fake, p.layers).mean())
    torch.testing.assert_close(found["perceptual"], each[0] + each[1])


def test_one_window_overfits(tmp_path, stick, features_folder, generate_params):
    track = make_track(stick, 2)
    crops = make_crops(tmp_path / "crops.zarr", track)
    changes = {**EDN, "steps": 120, "batch_windows": 1, "optimiser": {"generator_rate": 0.005}}
    params = small(**changes, edn={"losses": {"adversarial": 0.0, "feature_matching": 0.0, "perceptual": 10.0}})
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    train_appearance(Inputs(crops, track, features_folder), params, SplitParams(hold_out_fraction=0.0), out, tmp_path / ".scratch")
    curve = read_curve(out.curve)
    assert curve["perceptual"][-1] < 0.3 * curve["perceptual"][0]
    assert "adversarial" not in curve
    generate_foreground(GenerateInputs(load_generator(out.weights, out.description), track, crops), generate_params, tmp_path / "made.zarr")
    made = open_foregrounds(tmp_path / "made.zarr").rgb[0:2].astype(float)
    frames, _ = draw(track)
    assert np.abs(made - frames).mean() < 0.5 * np.abs(frames.mean((0, 1, 2)) - frames).mean()


# --- rendering --------------------------------------------------------------------------------------------------------


def render(folder, network, track, params):
    loaded = EdnRenderer(network.eval(), small().pose_map, track.skeleton, CROP_HW, False, "0" * 64)
    crops = make_crops(folder / "c.zarr", track)
    generate_foreground(GenerateInputs(prepare_generator(loaded, params), track, crops), params, folder / "out.zarr")
    return open_foregrounds(folder / "out.zarr")


def test_rendering_hands_each_frame_on_and_starts_anew_after_a_gap(tmp_path, stick, generate_params):
    torch.manual_seed(0)
    network = Watched()
    track = make_track(stick, 7, absent=(3,))
    out = render(tmp_path, network, track, generate_params)
    shown = [t for t in range(7) if t != 3]
    assert len(network.given) == len(shown)
    for i, t in enumerate(shown):
        before = network.given[i][:, CHANNELS:]
        assert torch.equal(before, torch.zeros_like(before) if t in (0, 4) else network.made[i - 1])
        expected = ((network.made[i][0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).round()
        assert np.abs(out.rgb[t] - expected).max() <= 0.5
        assert out.matte[t].min() == 255
    assert out.matte[3].max() == 0
    assert out.attributes["k"] == 1


def test_later_poses_change_no_earlier_frame(tmp_path, stick, generate_params):
    torch.manual_seed(0)
    network, track = Watched(), make_track(stick, 6)
    first = render(tmp_path / "a", network, track, generate_params).rgb[0:6]
    track.points[4:, 1] += 5
    second = render(tmp_path / "b", network, track, generate_params).rgb[0:6]
    assert np.array_equal(first[:4], second[:4])
    assert not np.array_equal(first[4], second[4])


def test_a_clip_without_time_hands_nothing_on(tmp_path, stick, generate_params):
    network = Watched()
    render(tmp_path, network, make_track(stick, 3, has_time=False), generate_params)
    assert not any(given[:, CHANNELS:].any() for given in network.given)


def test_a_published_baseline_is_rendered_from_its_files(tmp_path, stick, features_folder, generate_params):
    track = make_track(stick, 5)
    crops = make_crops(tmp_path / "crops.zarr", track)
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    params = small(**EDN, steps=2)
    train_appearance(Inputs(crops, track, features_folder), params, SplitParams(hold_out_fraction=0.2), out, tmp_path / ".scratch")
    generate_foreground(GenerateInputs(load_generator(out.weights, out.description), track, crops), generate_params, tmp_path / "made.zarr")
    assert open_foregrounds(tmp_path / "made.zarr").matte[2].min() == 255
    described = json.loads(out.description.read_text())
    assert described["generator"] == {"pose_channels": CHANNELS, "width": 8, "downsamplings": 2, "blocks": 1}
    assert described["images_seen"] == 2 * 2 * 2
    assert described["images_replayed"] == 0
