"""Training of the appearance GAN: what a step touches, what a resume changes, what a model may depend on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_stick import AS_PUBLISHED, CROP_HW, EDN, ROW, draw, make_crops, make_track, small
from working import train_in_turn

from pipeline.appearance import space
from pipeline.appearance.batch import composited
from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.generate import GenerateInputs, GenerateParams, generate_foreground, load_generator, prepare_generator
from pipeline.appearance.systems.base import Rendering
from pipeline.appearance.systems.fakevideo import FakeVideo
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.artifacts.crops import open_crops
from pipeline.artifacts.foregrounds import open_foregrounds
from pipeline.artifacts.models import load_model
from pipeline.artifacts.scores import read_curve
from pipeline.body.pose_maps import pose_channels
from pipeline.errors import InputError
from pipeline.networks.as_published import PosePairGenerator
from pipeline.networks.edn import GlobalGenerator
from pipeline.networks.generator import Generator
from pipeline.networks.vgg import load_features
from pipeline.picture.mixing import composite
from pipeline.timeline.split import SplitParams
from pipeline.training.checkpoints import Scratch
from pipeline.training.device import prepare_cpu
from pipeline.training.processes import World, launch

ALL = SplitParams(hold_out_fraction=0.0)
CPU = World(0, 1, torch.device("cpu"))


def outputs(folder: Path, name: str) -> Outputs:
    return Outputs(folder / f"{name}.safetensors", folder / f"{name}.json", folder / f"{name}.tsv")


def train(folder: Path, name: str, crops, track, features: Path, params, split=ALL) -> dict[str, torch.Tensor]:
    out = outputs(folder, name)
    train_appearance(Inputs(crops, track, features), params, split, out, folder / ".scratch", 1)
    return load_model(out.weights, out.description)[0]


def gan_and_batch(folder: Path, skeleton, features: Path, params):
    prepare_cpu(1)
    track = make_track(skeleton, 8)
    clip = TrainingClip(make_crops(folder / "crops.zarr", track), track, np.arange(8), params)
    clip.expand(make_crops(folder / "crops.zarr", track), folder / "pixels")
    gan = FakeVideo(params, pose_channels(skeleton, params.pose_map), load_features("st_vgg16", features), CPU)
    return gan, clip.batch(clip.budget.order(1)[0], 0, 1, CPU.device, 0)


def test_a_disk_without_room_for_the_training_frames_is_refused(tmp_path, stick, monkeypatch):
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    clip = TrainingClip(crops, track, np.arange(2, 8), small())
    store, needed = tmp_path / "pixels", 6 * 4 * crops.mattes.shape[1] * crops.mattes.shape[2]
    store.write_bytes(b"of an interrupted run")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": needed - 1})())
    with pytest.raises(InputError, match=f"pixels needs about .* {tmp_path} has .* MB free: make room"):
        clip.expand(crops, store)
    assert not store.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": needed})())
    clip.expand(crops, store)
    assert store.stat().st_size == needed


def test_a_disk_without_room_for_what_a_training_writes_is_refused_before_it_begins(tmp_path, stick, features_folder, monkeypatch):
    """There is room for the frames, which lie on the disk by then."""
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 500_000})())
    with pytest.raises(InputError, match=r"^\S+m\.safetensors and 1 more need about \d+ MB, .* has 0 MB free: make room"):
        train(tmp_path, "m", crops, track, features_folder, small(checkpoint_s=0.0))
    assert list((tmp_path / ".scratch").rglob("pixels.u8"))
    assert not list((tmp_path / ".scratch").rglob("checkpoint*"))


@pytest.mark.parametrize("system", [{}, EDN, AS_PUBLISHED], ids=["fakevideo", "edn", "as_published"])
def test_the_room_asked_for_is_what_a_training_takes(system, tmp_path, stick, features_folder, monkeypatch):
    asked, sizes, save = [], [], Scratch.save
    monkeypatch.setattr(space, "require_room", lambda needed: asked.append({path.name: size for path, size in needed.items()}))
    monkeypatch.setattr(Scratch, "save", lambda self, state: (save(self, state), sizes.append(self.checkpoint.stat().st_size)))
    monkeypatch.setattr(space, "SPARE", 0)
    track, out = make_track(stick, 6), replace(outputs(tmp_path, "m"), discriminators=tmp_path / "d.safetensors")
    inputs = Inputs(make_crops(tmp_path / "crops.zarr", track), track, features_folder)
    train_appearance(inputs, small(checkpoint_s=0.0, **system), ALL, out, tmp_path / ".scratch", 1)
    (needed,), names = asked, ("m.safetensors", "d.safetensors")
    taken = {"checkpoint.pt": 2 * max(sizes)} | {name: (tmp_path / name).stat().st_size for name in names}
    assert needed.keys() == taken.keys()
    for name, size in taken.items():
        assert needed[name] <= size <= needed[name] + 2**20  # what SPARE is for
    assert needed["checkpoint.pt"] > 0.8 * taken["checkpoint.pt"] - 2**17


def gradients(network: torch.nn.Module) -> list[bool]:
    return [p.grad is not None for p in network.parameters()]


def test_each_network_s_step_leaves_the_other_s_gradients_none(tmp_path, stick, features_folder):
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    rendering = gan.render(batch)
    found = gan.generator_losses(batch, rendering, [], replay=False)
    torch.stack([found[n] for n in ("perceptual", "gw", "pixel", "matte", "quality", "temporal")]).sum().backward(retain_graph=True)
    assert all(gradients(gan.generator))
    assert not any(gradients(gan.discriminators))
    gan.generator.zero_grad()
    gan.discriminator_loss(batch, rendering).backward()
    assert not any(gradients(gan.generator))
    assert all(gradients(gan.discriminators))


def test_a_replay_trains_the_generator_by_perceptual_and_gw_alone(tmp_path, stick, features_folder):
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in (gan.generator, gan.discriminators)]
    losses, windows = gan.step([batch], 1.0, replay=True)
    assert (losses != 0).tolist() == [True, True, *[False] * (len(gan.LOSSES) - 2)]
    assert windows.shape == (2,)
    assert any(not torch.equal(v, before[0][k]) for k, v in gan.generator.state_dict().items())
    assert all(torch.equal(v, before[1][k]) for k, v in gan.discriminators.state_dict().items())


def test_foregrounds_of_a_batch_are_matte_times_colour(tmp_path, stick, features_folder):
    _, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    assert batch.foregrounds.shape == (2, 3, 3, *CROP_HW)
    assert batch.foregrounds[(batch.mattes == 0).expand_as(batch.foregrounds)].abs().max() == 0
    inside = (batch.mattes > 0.999).expand_as(batch.foregrounds)
    assert batch.foregrounds[inside].max() > 0.7  # 230 / 127.5 - 1 = 0.80
    torch.testing.assert_close(batch.halved_poses, torch.nn.functional.avg_pool2d(batch.poses.flatten(0, 1), 2).unflatten(0, (2, 3)))


def test_every_discriminator_and_loss_sees_the_predicted_matte(tmp_path, stick, features_folder):
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    rendering = gan.render(batch)
    assert rendering.logits is not None
    found = gan.generator_losses(batch, rendering, [], replay=False)
    for name in ("perceptual", "gw", "pixel", "matte", "quality", "temporal"):
        (slope,) = torch.autograd.grad(found[name], rendering.logits, retain_graph=True)
        assert slope.abs().max() > 0, name


def test_truth_costs_nothing_and_a_half_open_matte_does(tmp_path, stick, features_folder):
    """What is wrong of the matte shows the background, whatever the colours are."""
    gan, batch = gan_and_batch(tmp_path, stick, features_folder, small())
    inside = batch.mattes.round()
    batch = replace(batch, foregrounds=batch.foregrounds * inside, mattes=inside)

    def paid(colours: torch.Tensor, mattes: torch.Tensor) -> dict[str, float]:
        rendering = Rendering(composited(colours, mattes, batch.backgrounds), torch.logit(mattes, 1e-6))
        return {n: float(v.mean()) for n, v in gan.generator_losses(batch, rendering, [], replay=False).items()}

    right = paid(batch.foregrounds, inside)
    assert right["pixel"] == right["perceptual"] == 0
    assert right["matte"] < 1e-5
    assert paid(batch.foregrounds, 0.5 * inside)["pixel"] > 0.01
    assert paid(batch.foregrounds, 1 - 0.5 * (1 - inside))["pixel"] > 0.01
    assert paid(2 * batch.foregrounds, 0.5 * inside)["pixel"] > 0.01  # right over black or grey alone


def test_a_batch_has_one_background_for_all_and_another_in_the_next_step(tmp_path, stick, features_folder):
    track = make_track(stick, 8)
    crops = make_crops(tmp_path / "crops.zarr", track)
    clip = TrainingClip(crops, track, np.arange(8), small())
    clip.expand(crops, tmp_path / "pixels")
    windows = clip.budget.order(1)[0]
    whole, first, second, following = (
        clip.batch(windows, rank, size, CPU.device, step).backgrounds for rank, size, step in ((0, 1, 3), (0, 2, 3), (1, 2, 3), (0, 1, 4))
    )
    assert whole.shape == (2, 1, 3, 1, 1)
    assert whole.abs().max() <= 1
    assert all(torch.equal(x[0], whole[0]) for x in (whole[1:], first, second))  # alike for the processes that share a batch
    assert not torch.equal(whole, following)


def test_one_window_overfits(tmp_path, stick, features_folder):
    track = make_track(stick, 3)
    params = small(
        steps=80, max_stride=1, batch_windows=1, augment={"share": 0.0}, memory={"enabled": False},
        optimiser={"generator_rate": 0.005}, losses={"quality": 0.0, "temporal": 0.0, "gw": 0.0, "perceptual": 0.0},
    )  # fmt: skip
    train(tmp_path, "m", make_crops(tmp_path / "crops.zarr", track), track, features_folder, params)
    curve = read_curve(tmp_path / "m.tsv")
    assert curve["pixel"][-1] < 0.15 * curve["pixel"][0]
    assert curve["matte"][-1] < 0.15 * curve["matte"][0]
    rendered_as_filmed(tmp_path, track)


def rendered_as_filmed(folder: Path, track) -> None:
    """The model's rendering of its own motion, through a crop that is shifted and half the size, is what was filmed, pixel by pixel."""
    params = GenerateParams(
        overlap_stride=3, fade_s=0.0, matte_contrast=1.0, favour_nearest=0.0, batch_windows=1, threads=1, precision="float32", compile=False
    )
    model = prepare_generator(load_generator(folder / "m.safetensors", folder / "m.json"), params)
    generate_foreground(GenerateInputs(model, track, open_crops(folder / "crops.zarr")), params, folder / "made.zarr")
    made, (frames, mattes) = open_foregrounds(folder / "made.zarr"), draw(track)
    np.testing.assert_allclose(made.crop, np.tile(ROW, (len(frames), 1, 1)))
    for t, (frame, matte) in enumerate(zip(frames, mattes, strict=True)):
        assert np.abs(made.matte[t].astype(int) - matte).mean() < 12
        assert np.abs(made.matte[t].astype(int) - matte)[matte == 255].mean() < 40
        colour = made.rgb[t][matte == 255].mean(0)
        assert np.abs(colour - [230, 140, 20]).max() < 30
        whole = composite(made.rgb[t], made.matte[t], np.full_like(frame, (20, 90, 40)))
        assert np.abs(whole.astype(int) - frame).mean() < 8


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "memory": {"enabled": False}}, EDN, AS_PUBLISHED])
def test_four_steps_are_two_and_a_resume_and_two(tmp_path, stick, features_folder, monkeypatch, changes):
    """Bit for bit: the run is killed after its second step's checkpoint, then started again."""
    track = make_track(stick, 6)
    crops = make_crops(tmp_path / "crops.zarr", track)
    params = small(checkpoint_s=0.0, **changes)
    whole = train(tmp_path / "a", "m", crops, track, features_folder, params)

    save = Scratch.save

    def save_then_die(self, state):
        save(self, state)
        if state["step"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Scratch, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", "m", crops, track, features_folder, params)
    monkeypatch.setattr(Scratch, "save", save)
    assert list((tmp_path / "b/.scratch").rglob("checkpoint.pt"))
    resumed = train(tmp_path / "b", "m", crops, track, features_folder, params)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (tmp_path / "a/m.tsv").read_bytes() == (tmp_path / "b/m.tsv").read_bytes()
    assert (tmp_path / "a/m.json").read_bytes() == (tmp_path / "b/m.json").read_bytes()
    assert not list((tmp_path / "b/.scratch").rglob("checkpoint.pt"))


def test_two_processes_equal_one_with_the_same_global_batch(tmp_path, stick, features_folder):
    """Adam turns a rounding error in a slope near 0 into a step of the learning rate, hence a small one.

    Processes that did not share slopes, features or memory would differ by about 4 x 5e-5.
    """
    track, slow = make_track(stick, 6), {"optimiser": {"generator_rate": 0.00005}}
    crops = make_crops(tmp_path / "crops.zarr", track)
    systems = {"fakevideo": small(**slow), "edn": small(**EDN, **slow), "as_published": small(**AS_PUBLISHED, **slow)}
    one = {name: train(tmp_path / "one", name, crops, track, features_folder, params) for name, params in systems.items()}
    # they share their two processes, which take long to start; test_torchrun.py has a training start its own
    launch(train_in_turn, (tmp_path / "crops.zarr", track, features_folder, systems, tmp_path / "two"), 2)
    for name, weights in one.items():
        out = outputs(tmp_path / "two", name)
        two = load_model(out.weights, out.description)[0]
        assert two.keys() == weights.keys()
        for key, value in weights.items():
            torch.testing.assert_close(two[key], value, atol=1e-5, rtol=0, msg=lambda said, what=f"{name}: {key}": f"{what}: {said}")


def test_held_out_pixels_change_no_byte_of_the_model(tmp_path, stick, features_folder):
    track, split = make_track(stick, 10), SplitParams(hold_out_fraction=0.3)
    frames, _ = draw(track)
    changed = frames.copy()
    changed[7:] = 255 - changed[7:]
    for name, pixels in (("a", frames), ("b", changed)):
        crops = make_crops(tmp_path / f"{name}.zarr", track, pixels)
        train(tmp_path, name, crops, track, features_folder, small(steps=2), split)
    for suffix in ("safetensors", "json", "tsv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("changes", "has_time"),
    [({"k": 1}, True), ({}, False), (EDN, True), ({**EDN, "pose_map": {"style": "rgb"}, "augment": {"share": 1.0}}, False),
     (AS_PUBLISHED, True), ({**AS_PUBLISHED, "pose_map": {"style": "rgb"}, "augment": {"share": 1.0}}, False),
     ({"accumulate": 2}, True), ({"adversarial": "lsgan", "network": {"dense_skips": False}}, True),
     ({"gw": {"solver": "pot"}, "pose_map": {"style": "rgb"}}, True), ({"losses": {"quality": 0.0, "temporal": 0.0, "pixel": 0.0}}, True)],
)  # fmt: skip
def test_every_variant_trains(tmp_path, stick, features_folder, changes, has_time):
    track = make_track(stick, 7, absent=(3,), has_time=has_time)
    crops = make_crops(tmp_path / "crops.zarr", track)
    train(tmp_path, "m", crops, track, features_folder, small(steps=2, **changes))
    curve = read_curve(tmp_path / "m.tsv")
    system, k = changes.get("system", "fakevideo"), changes.get("k", 3)
    timed = system == "fakevideo" and has_time and k > 1 and changes.get("losses", {}).get("temporal", 1.0) > 0
    assert ("temporal" in curve) == (timed or system == "as_published")
    model = load_generator(tmp_path / "m.safetensors", tmp_path / "m.json")
    assert model.crop_hw == CROP_HW
    assert isinstance(model.network, {"edn": GlobalGenerator, "as_published": PosePairGenerator, "fakevideo": Generator}[system])
    assert not isinstance(model.network, Generator) or model.network.shape.frames == (k if has_time else 1)
    described = json.loads((tmp_path / "m.json").read_text())
    assert described["images_seen"] == 2 * 2 * changes.get("accumulate", 1) * k
    assert {name for name in ("memory", "edn", "as_published") if name in described["params"]} == {
        "memory" if system == "fakevideo" else system
    }


def test_two_frames_suffice(tmp_path, stick, features_folder):
    track = make_track(stick, 2)
    train(tmp_path, "m", make_crops(tmp_path / "crops.zarr", track), track, features_folder, small(steps=1))
    assert json.loads((tmp_path / "m.json").read_text())["images_seen"] == 6  # two windows of three, the last frame shown again
    assert all(np.isfinite(values).all() for values in read_curve(tmp_path / "m.tsv").values())


@pytest.mark.parametrize("shrink", [2, 4])
def test_a_narrow_crop_is_shrunk_no_further_than_the_feature_network_reads(tmp_path, stick, features_folder, shrink):
    """The crop is 32 px high: every layer still has maps, and they are those of the crop as it is."""
    deep = {"layers": [1.0, 1.0, 1.0, 1.0, 1.0]}
    maps = []
    for part in (1, shrink):
        params = small(perceptual={**deep, "shrink": part})
        gan, batch = gan_and_batch(tmp_path / str(part), stick, features_folder, params)
        maps.append(gan.feature_maps(batch.foregrounds, batch.foregrounds, params.perceptual)[0])
    assert len(maps[0]) == len(maps[1]) == 5
    assert all(torch.equal(a, b) for a, b in zip(*maps, strict=True))


def test_bad_inputs_are_named(tmp_path, stick, features_folder):
    track = make_track(stick, 6)
    crops = make_crops(tmp_path / "crops.zarr", track)
    with pytest.raises(InputError, match="must be multiples of 64 px for 7 levels, found 48x32"):
        train(tmp_path, "m", crops, track, features_folder, small(network={"levels": 7}))
    with pytest.raises(InputError, match=r"needs appearance\.k 2, found 3"):
        train(tmp_path, "m", crops, track, features_folder, small(**{**EDN, "k": 3}))
    with pytest.raises(InputError, match=r"crops\.zarr has 6 frames, the keypoints has 7"):
        train(tmp_path, "m", crops, make_track(stick, 7), features_folder, small())
    with pytest.raises(InputError, match="at least one frame with the subject"):
        train(tmp_path, "m", crops, make_track(stick, 6, absent=tuple(range(6))), features_folder, small())
    with pytest.raises(InputError, match="does not exist"):
        train(tmp_path, "m", crops, track, tmp_path, small())


NOTHING = {"perceptual": 0.0, "gw": 0.0, "pixel": 0.0, "matte": 0.0, "quality": 0.0, "temporal": 0.0}
OFF = {"memory": {"enabled": False}}
PUBLISHED = small().as_published.model_dump()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": {"perceptual": 0.0, "gw": 0.0}}, r"memory\.enabled needs .*\.perceptual or \.gw above 0"),
        ({"losses": NOTHING, **OFF}, r"one of appearance\.losses must be above 0, found none: raise perceptual, gw"),
        ({"losses": {**NOTHING, "temporal": 1.0}, "k": 1, **OFF}, r"one of appearance\.losses must be above 0"),
        ({"perceptual": {"layers": [0.0] * 5}}, r"one of appearance\.perceptual\.layers must be above 0"),
        ({**EDN, "edn": {**small().edn.model_dump(), "losses": {"adversarial": 0.0, "feature_matching": 0.0, "perceptual": 0.0}}},
         r"one of appearance\.edn\.losses must be above 0"),
        ({**AS_PUBLISHED, "as_published": {**PUBLISHED, "losses": dict.fromkeys(PUBLISHED["losses"], 0.0)}},
         r"one of appearance\.as_published\.losses must be above 0"),
    ],
)  # fmt: skip
def test_a_step_without_a_loss_is_refused_before_training(tmp_path, stick, features_folder, changes, message):
    track = make_track(stick, 6)
    with pytest.raises(InputError, match=message):
        train(tmp_path, "m", make_crops(tmp_path / "crops.zarr", track), track, features_folder, small(**changes))


@pytest.mark.parametrize(("kept", "remembers"), [*((name, False) for name in NOTHING), ("perceptual", True), ("gw", True)])
def test_any_loss_suffices(tmp_path, stick, features_folder, kept, remembers):
    """Two epochs, with a replay between them where the memory is on."""
    track = make_track(stick, 5)
    params = small(steps=4, losses={**NOTHING, kept: 1.0}, memory={"enabled": remembers, "random_share": 1.0})
    train(tmp_path, "m", make_crops(tmp_path / "crops.zarr", track), track, features_folder, params)
    assert json.loads((tmp_path / "m.json").read_text())["images_replayed"] == (6 if remembers else 0)


def test_a_loss_that_explodes_is_named_with_its_step(tmp_path, stick, features_folder):
    track = make_track(stick, 6)
    params = small(steps=20, losses={"perceptual": 1e38, "gw": 1e38}, optimiser={"generator_rate": 1e30})
    with pytest.raises(FloatingPointError, match=r"at step \d+, (replayed )?windows \["):
        train(tmp_path, "m", make_crops(tmp_path / "crops.zarr", track), track, features_folder, params)
