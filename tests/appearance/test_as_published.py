"""The baseline as_published: what its generator is given, what its discriminators see, when it repeats a step, how it renders."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_stick import AS_PUBLISHED, CROP_HW, draw, make_crops, make_track, small

from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.generate import GenerateInputs, generate_foreground, load_generator, prepare_generator
from pipeline.appearance.gw import pool_features
from pipeline.appearance.params import LearnParams
from pipeline.appearance.renderers.as_published import AsPublishedRenderer
from pipeline.appearance.systems.as_published import AsPublished
from pipeline.appearance.systems.edn import perceptual
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.references import References
from pipeline.artifacts.scores import read_curve
from pipeline.networks.as_published import PosePairGenerator
from pipeline.networks.vgg import load_features
from pipeline.timeline.split import SplitParams
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World

CPU = World(0, 1, torch.device("cpu"))
CHANNELS = 1  # pose maps of the stick: one limb


class Watched(PosePairGenerator):
    """A generator that keeps what it was given and what it made."""

    def __init__(self) -> None:
        super().__init__(CHANNELS, 8, 2, 1)
        self.given: list[torch.Tensor] = []
        self.made: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.given.append(x)
        self.made.append(super().forward(x))
        return self.made[-1]


def learn(folder, stick, features, **changes):
    """System and clip of a drawn clip of 8 frames."""
    prepare_cpu(1)
    track, params = make_track(stick, 8), small(**{**AS_PUBLISHED, "augment": {"share": 0.0}, **changes})
    crops = make_crops(folder / "crops.zarr", track)
    clip = TrainingClip(crops, track, np.arange(8), params)
    clip.expand(crops, folder / "pixels")
    return AsPublished(params, CHANNELS, load_features("st_vgg16", features), CPU), clip


@pytest.fixture
def learning(tmp_path, stick, features_folder):
    """System and batch of two windows."""
    system, clip = learn(tmp_path, stick, features_folder)
    return system, clip.batch(clip.budget.order(1)[0], 0, 1, CPU.device, 0)


def test_a_batch_is_whole_frames_and_consecutive(learning, stick):
    _, batch = learning
    frames, _ = draw(make_track(stick, 8))
    for row, first in enumerate(batch.windows):
        truth = torch.from_numpy(frames[[first, first + 1]]).permute(0, 3, 1, 2) / 127.5 - 1
        torch.testing.assert_close(batch.foregrounds[row], truth)
    assert batch.mattes.min() == 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_mirrored_windows_are_mirrored_in_all_they_hold(tmp_path, stick, features_folder, share):
    _, plain = learn(tmp_path / "a", stick, features_folder)
    _, clip = learn(tmp_path / "b", stick, features_folder, augment={"share": 0.0, "mirror": share})
    one, other = (c.batch(np.arange(4), 0, 1, CPU.device, 0) for c in (plain, clip))
    for name in ("foregrounds", "poses", "mattes"):  # the stick has no sides to exchange
        expected = getattr(one, name).flip(-1) if share else getattr(one, name)
        torch.testing.assert_close(getattr(other, name), expected, atol=1e-4, rtol=0)


def test_a_reference_is_mirrored_with_its_window(tmp_path, stick):
    """For systems that see references: what is carried to a mirrored pose is the reference's mirror image."""
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    learn = LearnParams(band=0.012, flow=0.04, gate_start=0.0, detail_start=0.0, own=1.0, detail=0.0, absent=0.0, far=0.0)
    pictures = np.zeros((8, 1, 1), np.uint8)  # unread: without finer patches the crops' own pixels are warped
    kept = References(pictures, pictures, pictures, np.arange(8), np.zeros((8, 2), np.int64), track.points, track.size_hw, {})
    warped = []
    for share in (0.0, 1.0):
        clip = TrainingClip(crops, track, np.arange(8), small(augment={"share": 0.0, "mirror": share}), kept, learn, count=2)
        clip.expand(crops, tmp_path / f"pixels {share}")
        warped.append(clip.batch(np.arange(4), 0, 1, CPU.device, 0).warped)
    assert warped[0].std() > 0.05
    torch.testing.assert_close(warped[1], warped[0].flip(-1), atol=0.02, rtol=0)


def test_half_of_the_windows_are_mirrored_and_the_draw_repeats(tmp_path, stick, features_folder):
    _, plain = learn(tmp_path / "a", stick, features_folder)
    _, clip = learn(tmp_path / "b", stick, features_folder, augment={"share": 0.0, "mirror": 0.5})
    windows = np.resize(np.arange(7), 210)
    expected, shown = (c.batch(windows, 0, 1, CPU.device, 0).foregrounds for c in (plain, clip))
    turned = (shown != expected).flatten(1).any(1)
    assert 0.4 < turned.float().mean() < 0.6
    assert torch.equal(shown[turned], expected[turned].flip(-1))
    assert torch.equal(shown, clip.batch(windows, 0, 1, CPU.device, 0).foregrounds)


def test_a_frame_is_made_from_the_pose_before_and_its_own(learning):
    system, batch = learning
    system._run = Watched()
    rendering = system.render(batch)
    (given,), (made,) = system._run.given, system._run.made
    given = given.unflatten(0, (2, 2))
    assert torch.equal(given[:, 1], batch.poses.flatten(1, 2))
    assert torch.equal(given[:, 0], torch.cat([batch.poses[:, 0]] * 2, 1))  # nothing is before a window's first frame
    assert torch.equal(rendering.foregrounds.flatten(0, 1), made)
    assert rendering.logits is None


def test_the_discriminators_see_two_poses_and_a_frame_or_two_frames(learning):
    system, batch = learning
    seen: dict[str, torch.Tensor] = {}
    for name, network in system.discriminators.items():
        network.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    made = system.render(batch).foregrounds
    system._discriminate_frames(batch.poses, made)
    system._discriminate_pairs(made)
    before, pose, frame = seen["frame"].unflatten(0, (2, 2)).split([CHANNELS, CHANNELS, 3], 2)
    assert torch.equal(frame, made)
    assert torch.equal(pose, batch.poses)
    assert torch.equal(before, batch.poses[:, [0, 0]])
    assert torch.equal(seen["temporal"], torch.cat([made[:, 0], made[:, 1]], 1))


def test_d_t_pays_the_difference_of_means_without_a_hinge(learning):
    system, batch = learning
    system.discriminators.eval()  # the power iteration stands still
    rendering = system.render(batch)
    real, fake = (system._discriminate_pairs(x).mean() for x in (batch.foregrounds, rendering.foregrounds))
    whole = system.discriminator_loss(batch, rendering)
    torch.testing.assert_close(system.generator_losses(batch, rendering, [], replay=False)["temporal"], -fake)
    del system.discriminators["frame"]
    torch.testing.assert_close(system.discriminator_loss(batch, rendering), fake - real)
    assert whole > fake - real  # least squares of the patch discriminators


def test_each_player_s_step_leaves_the_other_s_gradients_none(learning):
    system, batch = learning
    rendering = system.render(batch)
    found = system.generator_losses(batch, rendering, [], replay=False)
    torch.stack([found[name] for name in system.weights]).sum().backward(retain_graph=True)
    assert all(p.grad is not None for p in system.generator.parameters())
    assert all(p.grad is None for p in system.discriminators.parameters())
    system.generator.zero_grad()
    system.discriminator_loss(batch, rendering).backward()
    assert all(p.grad is None for p in system.generator.parameters())
    assert all(p.grad is not None for p in system.discriminators.parameters())


def test_losses_of_features_are_absolute_and_of_one_window_transport_is_too(tmp_path, stick, features_folder):
    system, clip = learn(tmp_path, stick, features_folder, batch_windows=1)
    batch = clip.batch(np.array([3]), 0, 1, CPU.device, 0)
    rendering = system.render(batch)
    found = system.generator_losses(batch, rendering, [], replay=False)
    p = system.params.as_published
    real, fake = system.feature_maps(batch.foregrounds, rendering.foregrounds, p.perceptual, p.transport.layer)
    torch.testing.assert_close(found["perceptual"], perceptual(real, fake, p.perceptual.layers).mean())
    rows = [pool_features(maps[p.transport.layer - 1], p.transport.grid) for maps in (real, fake)]
    torch.testing.assert_close(found["transport"], (rows[0] - rows[1]).abs().sum(1).mean())


# --- the step that is repeated ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeat", "passes"),
    [({"interval": None, "below": None}, [1, 1, 1, 1]), ({"interval": 2, "below": None}, [1, 2, 1, 2]),
     ({"interval": None, "below": 1e9}, [2, 2, 2, 2]), ({"interval": 3, "below": -1e9}, [1, 1, 2, 1])],
)  # fmt: skip
def test_a_batch_is_trained_once_more_by_number_or_where_the_loss_is_low(tmp_path, stick, features_folder, repeat, passes):
    system, clip = learn(tmp_path, stick, features_folder, as_published={**small().as_published.model_dump(), "repeat": repeat})
    found = []
    for step in range(4):
        before = system.ema.n_averaged
        system.step([clip.batch(clip.budget.order(1)[step % 2], 0, 1, CPU.device, step)], 1.0)
        found.append(system.ema.n_averaged - before)
    assert found == passes
    assert system.images_repeated == (sum(passes) - 4) * 2 * 2


def test_the_loss_that_decides_is_the_weighted_one(learning):
    system, batch = learning
    losses, _ = system.step([batch], 1.0)
    named = dict(zip(system.LOSSES, losses.tolist(), strict=True))
    total = sum(weight * named[name] for name, weight in system.params.as_published.losses.model_dump().items())
    for below, expected in ((total - 1e-3, False), (total + 1e-3, True)):
        changed = system.params.as_published.model_copy(
            update={"repeat": system.params.as_published.repeat.model_copy(update={"interval": None, "below": below})}
        )
        system.params = system.params.model_copy(update={"as_published": changed})
        assert system._is_repeated(losses) == expected


def test_the_second_pass_is_a_step_like_any_other(tmp_path, stick, features_folder):
    weights = []
    for repeat, steps in (({"interval": 1, "below": None}, 1), ({"interval": None, "below": None}, 2)):
        system, clip = learn(
            tmp_path / str(steps), stick, features_folder, as_published={**small().as_published.model_dump(), "repeat": repeat}
        )
        batch = clip.batch(clip.budget.order(1)[0], 0, 1, CPU.device, 0)
        for _ in range(steps):
            system.step([batch], 1.0)
        weights.append(copy.deepcopy(system.generator.state_dict()))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


# --- joints that are missing ------------------------------------------------------------------------------------------


def test_training_and_rendering_show_a_missing_joint_where_it_was(tmp_path, stick, features_folder, generate_params):
    track = make_track(stick, 6)
    track.points[2:4, 1], track.score[2:4, 1] = np.nan, 0
    held = make_track(stick, 6)
    held.points[2:4, 1] = held.points[1, 1]
    crops = make_crops(tmp_path / "crops.zarr", held)
    clip = TrainingClip(crops, track, np.arange(6), small(**AS_PUBLISHED))
    assert np.array_equal(clip.points, TrainingClip(crops, held, np.arange(6), small()).points)
    out = []
    for shown in (track, held):
        torch.manual_seed(0)
        network = Watched()
        rgb = render(tmp_path / str(len(out)), network, shown, generate_params, held).rgb[0:6]
        assert all(given[0, CHANNELS:].any() for given in network.given)  # never an empty pose
        out.append(rgb)
    assert np.array_equal(*out)
    assert np.isnan(track.points[2, 1]).all()
    gap = make_track(stick, 6, absent=(2,))
    gap.points[3, 1], gap.score[3, 1] = np.nan, 0
    assert np.isnan(TrainingClip(crops, gap, np.array([0, 1, 3, 4, 5]), small(**AS_PUBLISHED)).points[2, 1]).all()


# --- rendering --------------------------------------------------------------------------------------------------------


def render(folder, network, track, params, filmed=None):
    """The foregrounds of a track; filmed: one without gaps, of which crops can be drawn."""
    loaded = AsPublishedRenderer(network.eval(), small().pose_map, track.skeleton, CROP_HW, False, "0" * 64)
    crops = make_crops(folder / "c.zarr", filmed or track)
    generate_foreground(GenerateInputs(prepare_generator(loaded, params), track, crops), params, folder / "out.zarr")
    return open_foregrounds(folder / "out.zarr")


def test_rendering_hands_each_pose_on_and_starts_anew_after_a_gap(tmp_path, stick, generate_params):
    torch.manual_seed(0)
    network, track = Watched(), make_track(stick, 7, absent=(3,))
    out = render(tmp_path, network, track, generate_params)
    shown = [t for t in range(7) if t != 3]
    assert len(network.given) == len(shown)
    for i, t in enumerate(shown):
        before, own = network.given[i].split(CHANNELS, 1)
        assert torch.equal(before, own if t in (0, 4) else network.given[i - 1][:, CHANNELS:])
        expected = ((network.made[i][0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).round()
        assert np.abs(out.rgb[t] - expected).max() <= 0.5
        assert out.matte[t].min() == 255
    assert out.matte[3].max() == 0
    assert out.attributes["k"] == 1


def test_a_pose_changes_its_own_frame_and_the_next_alone(tmp_path, stick, generate_params):
    torch.manual_seed(0)
    network, track = Watched(), make_track(stick, 6)
    changed = replace(track, points=track.points.copy())
    changed.points[2, 1] -= 3
    first, second = (render(tmp_path / name, network, t, generate_params).rgb[0:6] for name, t in (("a", track), ("b", changed)))
    assert [np.array_equal(a, b) for a, b in zip(first, second, strict=True)] == [True, True, False, False, True, True]


def test_a_clip_without_time_hands_nothing_on(tmp_path, stick, generate_params):
    network = Watched()
    render(tmp_path, network, make_track(stick, 3, has_time=False), generate_params)
    assert all(torch.equal(*given.split(CHANNELS, 1)) for given in network.given)


def test_one_window_overfits_and_is_rendered_from_its_files(tmp_path, stick, features_folder, generate_params):
    track = make_track(stick, 2)
    crops = make_crops(tmp_path / "crops.zarr", track)
    losses = {"adversarial": 0.0, "feature_matching": 0.0, "temporal": 0.0, "transport": 0.0}
    base = small().as_published.model_dump()
    changed = {**base, "losses": {**base["losses"], **losses}, "repeat": {"interval": 40, "below": None}}
    params = small(
        **{**AS_PUBLISHED, "augment": {"share": 0.0}}, steps=120, batch_windows=1, optimiser={"generator_rate": 0.005}, as_published=changed
    )
    out = Outputs(tmp_path / "m.safetensors", tmp_path / "m.json", tmp_path / "m.tsv")
    train_appearance(Inputs(crops, track, features_folder), params, SplitParams(hold_out_fraction=0.0), out, tmp_path / ".scratch")
    curve = read_curve(out.curve)
    assert curve["perceptual"][-1] < 0.3 * curve["perceptual"][0]
    assert set(curve) == {"step", "epoch", "rate", "perceptual"}
    described = json.loads(out.description.read_text())
    assert described["generator"] == {"pose_channels": CHANNELS, "width": 8, "downsamplings": 2, "blocks": 1}
    assert (described["images_seen"], described["images_replayed"]) == (120 * 2, 3 * 2)
    assert "as_published" in described["params"]
    assert not {"edn", "memory", "gw", "losses"} & set(described["params"])
    generate_foreground(GenerateInputs(load_generator(out.weights, out.description), track, crops), generate_params, tmp_path / "made.zarr")
    made = open_foregrounds(tmp_path / "made.zarr").rgb[0:2].astype(float)
    frames, _ = draw(track)
    assert np.abs(made - frames).mean() < 0.5 * np.abs(frames.mean((0, 1, 2)) - frames).mean()
