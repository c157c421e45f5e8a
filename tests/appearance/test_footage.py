"""A target learnt from several clips: nothing spans two of them, and a further one goes on where the training before it ended."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_stick import CROP_HW, EDN, make_crops, make_track, small

from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.earlier import load_earlier
from pipeline.appearance.footage import Footage, Joined
from pipeline.appearance.memory import EpisodicMemory
from pipeline.appearance.params import LearnParams
from pipeline.appearance.systems.fakevideo import FakeVideo
from pipeline.appearance.train import Further, Inputs, Outputs, train_appearance
from pipeline.artifacts.models import load_discriminators, load_model
from pipeline.artifacts.references import References, create_references, open_references
from pipeline.body.pose_maps import pose_channels
from pipeline.errors import InputError
from pipeline.networks.vgg import load_features
from pipeline.picture.geometry import apply_affine
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.timeline.windows import window_frames
from pipeline.training.processes import World

SPLIT = SplitParams(hold_out_fraction=0.25)
LEARN = LearnParams(
    band=0.01, flow=0.04, gate_start=1.0, detail_start=2.0, own=5.0, detail=0.0, far=0.25, absent=0.3
)  # fmt: skip


def footage(folder: Path, stick, t: int, name: str = "c", split: SplitParams = SPLIT, **track) -> Footage:
    made = make_track(stick, t, **track)
    return Footage(make_crops(folder / f"{name}.zarr", made), made, split_frames(made.present, split).training)


def references(path: Path, track, frames: list[int]) -> References:
    with create_references(
        path, (8, 8), np.array(frames, np.int64), np.zeros((len(frames), 2), np.int64), track.points[frames], track.size_hw
    ) as writer:
        for t in frames:
            writer.append(np.full((8, 8, 3), t, np.uint8), np.full((8, 8), 255, np.uint8))
    return open_references(path)


def joined(clips: list[Footage], **changes) -> TrainingClip:
    own = clips[0]
    return TrainingClip(own.crops, own.track, own.training, small(**changes), further=clips[1:])


def test_no_window_spans_two_clips_that_are_learnt_from_to_the_end(tmp_path, stick):
    clips = [footage(tmp_path, stick, t, f"c{t}", SplitParams(hold_out_fraction=0.0)) for t in (4, 5)]
    clip = joined(clips)
    shown = [set(window_frames(int(first), int(widest), 3, clip.frames)) for first, widest in clip.windows]
    assert shown == [{0, 1, 2}, {1, 2, 3}, {5, 7, 9}, {6, 7, 8}, {7, 8, 9}]


def test_each_clip_holds_its_own_last_part_out(tmp_path, stick):
    clips = [footage(tmp_path, stick, t, f"c{t}") for t in (8, 12, 6)]
    clip, offsets = joined(clips), Joined.of(clips).offsets
    numbers = [offset + np.arange(len(c.track.points)) for c, offset in zip(clips, offsets, strict=True)]
    held_out = [part[round(0.75 * len(part)) + (len(part) == 6) :] for part in numbers]  # 25 % of 6 frames are 2, rounded
    for first, widest in clip.windows:
        shown = window_frames(int(first), int(widest), 3, clip.frames)
        assert sum(set(shown) <= set(part) for part in numbers) == 1
        assert not set(shown) & set(np.concatenate(held_out))
    assert len(clip.windows) == sum(len(TrainingClip(c.crops, c.track, c.training, small()).windows) for c in clips)


def test_pixels_and_points_are_those_of_each_clip_in_turn(tmp_path, stick):
    clips = [footage(tmp_path, stick, 8, "a"), footage(tmp_path, stick, 12, "b")]
    alone = [TrainingClip(c.crops, c.track, c.training, small()) for c in clips]
    both = joined(clips)
    for some, c in zip(alone, clips, strict=True):
        some.expand(c.crops, tmp_path / "one")
    both.expand(clips[0].crops, tmp_path / "both", clips[1].crops)
    pixels = [np.fromfile(tmp_path / "both", np.uint8).reshape(-1, *CROP_HW, 4)]
    alone[0].expand(clips[0].crops, tmp_path / "a")
    alone[1].expand(clips[1].crops, tmp_path / "b")
    pixels += [np.fromfile(tmp_path / name, np.uint8).reshape(-1, *CROP_HW, 4) for name in "ab"]
    assert np.array_equal(pixels[0], np.concatenate(pixels[1:]))
    assert np.array_equal(both.points, np.concatenate([c.points for c in alone]))
    assert both.facts()["frames"] == len(both.points) == 15


def test_the_new_clip_is_shown_whole_and_of_the_earlier_ones_as_much(tmp_path, stick):
    many, few = footage(tmp_path, stick, 40, "a"), footage(tmp_path, stick, 8, "b")
    for clips, new, earlier in (([many, few], 4, 4), ([few, many], 28, 4), ([few, few, few], 4, 4)):
        clip = joined(clips)
        offset = Joined.of(clips).offsets[-1]
        newest = clip.windows[clip.shown, 0] >= offset
        assert (int(newest.sum()), int((~newest).sum())) == (new, earlier)
        assert set(np.flatnonzero(clip.windows[:, 0] >= offset)) <= set(clip.shown)
        assert clip.budget.windows == new + earlier
        assert set(clip.order(1).ravel()) <= set(clip.shown)
    alone = joined([many])
    assert np.array_equal(alone.order(2), alone.budget.order(2))


def test_references_of_every_clip_are_drawn_and_found_in_their_own_frames(tmp_path, stick):
    clips = [footage(tmp_path, stick, 12, "a"), footage(tmp_path, stick, 16, "b")]
    kept = [[0, 4, 8], [1, 5, 11]]
    clips = [replace(c, references=references(tmp_path / f"r{i}", c.track, kept[i])) for i, c in enumerate(clips)]
    own = clips[0]
    clip = TrainingClip(own.crops, own.track, own.training, small(), own.references, LEARN, 2, clips[1:])
    assert clip.drawer is not None
    assert clip.drawer.rows.tolist() == [0, 4, 8, 9 + 1, 9 + 5, 9 + 11]
    drawn = {int(row) for seed in range(60) for row in clip.drawer.draw(np.array([2, 3, 4]), 2, np.random.default_rng(seed))}
    assert drawn - {-1} == set(clip.drawer.rows.tolist())
    assert clip.facts()["references"] == 6


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_rows_of_scaled_pixels_lead_where_the_clips_own_lead(tmp_path, stick, factor):
    own, other = footage(tmp_path, stick, 8, "a"), footage(tmp_path, stick, 8, "b")
    rows = other.crops.crop.copy()
    rows[:, [0, 1], [0, 1]] *= factor
    both = Joined.of([own, replace(other, crops=replace(other.crops, crop=rows))])
    points = np.random.default_rng(0).uniform(0, 80, (5, 2))
    for row, scaled in zip(both.crop_rows(), both.scaled_rows(), strict=True):
        assert scaled[0, 0] == pytest.approx(own.crops.crop[0, 0, 0])
        ratio = row[0, 0] / scaled[0, 0]
        np.testing.assert_allclose(apply_affine(scaled, (points + 0.5) * ratio - 0.5), apply_affine(row, points), atol=1e-9)


def test_clips_that_cannot_be_learnt_together_are_refused(tmp_path, stick):
    own = footage(tmp_path, stick, 8, "a")
    still = footage(tmp_path, stick, 8, "b", has_time=False)
    with pytest.raises(InputError, match="alike in skeleton and time, found stick with time and stick without time"):
        joined([own, still])
    with pytest.raises(InputError, match="found stick with time and another version of stick, which dvc repro makes anew with time"):
        joined([own, replace(own, track=replace(own.track, skeleton=replace(stick, roles={"nose": stick.joints[:1]})))])
    with pytest.raises(InputError, match=r"crops of one target must have one size, found \(32, 48\) and \(48, 32\) \(h, w\)"):
        joined([own, replace(own, crops=replace(own.crops, crop_hw=(48, 32)))])


# --- going on ---------------------------------------------------------------------------------------------------------


def outputs(folder: Path, name: str) -> Outputs:
    return Outputs(*(folder / f"{name}.{end}" for end in ("safetensors", "json", "tsv", "discriminators.safetensors")))


def go_on(folder: Path, name: str, own: Footage, clips: list[Footage], earlier: Outputs, features: Path, **changes) -> Outputs:
    none = references(folder / f"{name}-none", own.track, [])
    names = tuple(f"c{i}" for i in range(len(clips)))
    further = Further(names, tuple((c.crops, c.track, none) for c in clips), load_earlier(earlier.weights))
    out = outputs(folder, name)
    train_appearance(Inputs(own.crops, own.track, features, further=further), small(**changes), SPLIT, out, folder / ".scratch", 1)
    return out


@pytest.fixture(scope="module")
def begun(tmp_path_factory, stick, features_folder):
    """The target's own clip and a further one, and the model of the first."""
    folder = tmp_path_factory.mktemp("begun")
    own, other = footage(folder, stick, 8, "a"), footage(folder, stick, 12, "b")
    out = outputs(folder, "own")
    train_appearance(Inputs(own.crops, own.track, features_folder), small(), SPLIT, out, folder / ".scratch", 1)
    return folder, own, other, out


def test_a_training_goes_on_from_model_discriminators_average_and_memory(begun, stick, features_folder):
    _, _, _, out = begun
    params = small(seed=99)
    features, world = load_features("st_vgg16", features_folder), World(0, 1, torch.device("cpu"))
    gan = FakeVideo(params, pose_channels(stick, params.pose_map), features, world)
    memory = EpisodicMemory(params.memory, params.seed)
    load_earlier(out.weights).hand_on(gan, memory)
    weights, _ = load_model(out.weights, out.description)
    discriminators, facts = load_discriminators(out.discriminators)
    networks = (gan.generator, weights), (gan.discriminators, discriminators)
    for state, wanted in [(gan.ema.module.state_dict(), weights), *((network.state_dict(), wanted) for network, wanted in networks)]:
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[name], wanted[name]) for name in wanted)
    assert gan.ema.n_averaged == facts["updates"] >= 4
    assert memory.losses
    assert {str(window): loss for window, loss in memory.losses.items()} == facts["memory"]["losses"]
    assert memory.threshold == facts["memory"]["threshold"]
    assert memory.replays == 0
    gan.ema.update(gan.generator)
    assert all(torch.equal(gan.ema.module.state_dict()[name], weights[name]) for name in weights)  # the average does not jump


def test_two_clones_get_the_same_bytes_and_the_chain_is_told(begun, features_folder, tmp_path):
    _, own, other, out = begun
    made = [go_on(tmp_path / name, "m", own, [other], out, features_folder) for name in ("one", "two")]
    for part in ("weights", "description", "curve", "discriminators"):
        assert getattr(made[0], part).read_bytes() == getattr(made[1], part).read_bytes()
    told = json.loads(made[0].description.read_text())
    assert told["further_clips"] == ["c0"]
    assert told["earlier"]["weights_sha256"] == json.loads(out.description.read_text())["weights_sha256"]
    again = go_on(tmp_path / "third", "m", own, [other, other], made[0], features_folder)
    assert json.loads(again.description.read_text())["earlier"]["weights_sha256"] == told["weights_sha256"]
    assert "further_clips" not in json.loads(out.description.read_text())


def test_what_does_not_belong_together_is_refused(begun, features_folder, tmp_path):
    folder, own, other, out = begun
    with pytest.raises(InputError, match="all trainings of a target must have one generator, found base_width 8 and 16"):
        go_on(tmp_path, "a", own, [other], out, features_folder, network={"base_width": 16})
    with pytest.raises(InputError, match="an earlier training must have left the networks that params ask for"):
        go_on(tmp_path, "b", own, [other], out, features_folder, discriminators={"width": 16})
    with pytest.raises(InputError, match=r"several clips of a target need appearance.system fakevideo, found edn"):
        go_on(tmp_path, "c", own, [other], out, features_folder, **EDN)
    later = go_on(tmp_path, "d", own, [other], out, features_folder)
    (tmp_path / "d.discriminators.safetensors").write_bytes((folder / "own.discriminators.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"d.discriminators.safetensors must be of the training that made .*d.safetensors"):
        load_earlier(later.weights)
    (tmp_path / "d.discriminators.safetensors").unlink()
    with pytest.raises(InputError, match=r"d.discriminators.safetensors does not exist. Run: dvc repro"):
        load_earlier(later.weights)
