"""Training in the order of Alg. 2, watched step by step: what is replayed when, at which rate, which weights are published."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from appearance.test_references import LEARN, filmed
from appearance.test_train import ALL, outputs, train
from drawn_stick import make_crops, make_track, small

from pipeline.appearance.budget import Budget
from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.memory import EpisodicMemory
from pipeline.appearance.systems.fakevideo import FakeVideo
from pipeline.appearance.train import Inputs, train_appearance
from pipeline.training import digests
from pipeline.training.checkpoints import Scratch

STEPS, RATE, DISCRIMINATORS_RATE = 8, 0.002, 0.0002
EVENT = dict[str, object]


@dataclass
class Watched:
    """What happened in a training, in order; the generator's weights after each step, and what was published."""

    budget: Budget
    events: list[tuple] = field(default_factory=list)
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)
    published: dict[str, torch.Tensor] = field(default_factory=dict)


def noted(monkeypatch, owner: type, name: str, events: list[tuple], tell) -> None:
    """Let a method of a class do what it does, and tell(self, result, *arguments) go to the events."""
    done = getattr(owner, name)

    def instead(self, *given, **named):
        result = done(self, *given, **named)
        events.append((name, *tell(self, result, *given, **named)))
        return result

    monkeypatch.setattr(owner, name, instead)


@pytest.fixture(scope="module")
def watched(tmp_path_factory, stick, features_folder) -> Watched:
    """Eight steps of a clip of four windows, two a step: four epochs, with replays at the second and fourth."""
    folder, track = tmp_path_factory.mktemp("watched"), make_track(stick, 6)
    seen = Watched(Budget(STEPS, 4, 4, 2, 6, 7))

    def step(gan: FakeVideo, result, batches, rate, replay=False):
        rates = gan.generator_optimiser.param_groups[0]["lr"], gan.discriminator_optimiser.param_groups[0]["lr"]
        seen.weights.append({name: value.detach().clone() for name, value in gan.generator.state_dict().items()})
        return [batch.windows for batch in batches], replay, rates, result[1].tolist()

    with pytest.MonkeyPatch.context() as patch:
        noted(patch, FakeVideo, "step", seen.events, step)
        noted(patch, EpisodicMemory, "draw", seen.events, lambda _, drawn, epoch: (epoch, drawn))
        for name in ("observe", "refresh"):
            noted(patch, EpisodicMemory, name, seen.events, lambda _, __, *given: given)
        noted(patch, EpisodicMemory, "end_epoch", seen.events, lambda _, __: ())
        memory = {"interval_epochs": 2, "replay": 3, "threshold": 0.0}  # every window is poor enough to be remembered
        crops = make_crops(folder / "crops.zarr", track)
        seen.published = train(folder, "m", crops, track, features_folder, small(steps=STEPS, memory=memory))
    return seen


def test_replays_stand_before_the_epochs_that_they_belong_to_and_all_else_is_trained_in_order(watched):
    names = "".join({"draw": "d", "step": "s", "observe": "o", "refresh": "f", "end_epoch": "e"}[name] for name, *_ in watched.events)
    epoch = "(soo){2}e"
    assert re.fullmatch(f"d{epoch}d(sff){{2}}{epoch}d{epoch}d(sff){{2}}{epoch}", names)  # three windows are replayed as two batches of two


def test_every_step_has_the_windows_it_should_and_their_losses_are_written_down(watched):
    budget, step, drawn = watched.budget, 0, []
    for index, (name, *told) in enumerate(watched.events):
        if name == "draw":
            epoch, drawn = told
            assert epoch == budget.epoch_and_place(step)[0]
            assert len(drawn) == (0 if epoch % 2 else 3)
            replays = np.resize(drawn, (2, 2)).tolist() if drawn else []
        elif name == "step":
            (windows,), replay, _, losses = told
            assert replay == bool(replays)
            wanted = replays.pop(0) if replay else budget.order(budget.epoch_and_place(step)[0])[budget.epoch_and_place(step)[1]].tolist()
            assert windows == wanted
            noting = ["refresh" if replay else "observe"] * 2
            assert [event[0] for event in watched.events[index + 1 : index + 3]] == noting
            assert [event[-2:] for event in watched.events[index + 1 : index + 3]] == list(zip(windows, losses, strict=True))
            step += not replay
    assert step == STEPS


def test_both_rates_fall_to_nothing_over_the_last_half(watched):
    rates = [told[2] for name, *told in watched.events if name == "step" and not told[1]]
    shares = [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [rate for rate, _ in rates] == pytest.approx([RATE * share for share in shares])
    assert [rate for _, rate in rates] == pytest.approx([DISCRIMINATORS_RATE * share for share in shares])
    replayed = [told[2][0] for name, *told in watched.events if name == "step" and told[1]]
    assert replayed == pytest.approx([RATE, RATE, RATE * 0.5, RATE * 0.5])


def test_what_is_published_is_the_moving_average(watched):
    average, first = {}, watched.weights[0]
    floats = [name for name, value in first.items() if value.is_floating_point()]
    # The average starts from weights that nobody noted: what they weigh after all steps is known, the rest is a sum.
    start = 1.0
    average = {name: torch.zeros_like(first[name]) for name in floats}
    for n, weights in enumerate(watched.weights):
        decay = min(0.9, (1 + n) / (10 + n))
        start *= decay
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in floats}
    last = watched.weights[-1]
    apart = sum(float((watched.published[name] - last[name]).abs().sum()) for name in floats)
    moved = sum(float((first[name] - last[name]).abs().sum()) for name in floats)
    assert start < 1e-4
    assert apart > 0.01 * moved
    for name in floats:
        torch.testing.assert_close(watched.published[name], average[name], atol=2e-4, rtol=0)


class Stopped(Exception):
    """A training was about to begin."""


def test_a_checkpoint_is_of_these_params_inputs_and_code(tmp_path, stick, features_folder, monkeypatch):
    """Whatever changes the result is in the name of the scratch folder; the same gives the same."""
    found: list[Path] = []

    def enter(self):
        found.append(self.folder)
        raise Stopped

    monkeypatch.setattr(Scratch, "__enter__", enter)
    track, crops, references, _, _ = filmed(tmp_path, stick, 6)

    def folder(params=None, track_=track, crops_=crops, references_=references, learn=LEARN, count=2, features=features_folder) -> Path:
        inputs, out = Inputs(crops_, track_, features, references_), outputs(tmp_path, "m")
        with pytest.raises(Stopped):
            train_appearance(inputs, params or small(), ALL, out, tmp_path / "scratch", 1, learn, count)
        return found[-1]

    same = folder()
    assert same == folder()
    assert same.parent == tmp_path / "scratch" / "train_appearance"
    moved = make_track(stick, 6)
    moved.points[3] += 1
    other = torch.load(features_folder / "vgg_shift_tolerant.pth", weights_only=True)
    (tmp_path / "features").mkdir()
    torch.save({name: value + 1 for name, value in other.items()}, tmp_path / "features/vgg_shift_tolerant.pth")
    changed = [
        folder(small(seed=8)),
        folder(small(optimiser={"generator_rate": 0.001})),
        folder(track_=moved),
        folder(crops_=make_crops(tmp_path / "other.zarr", track)),
        folder(references_=None),
        folder(learn=LEARN.model_copy(update={"far": 0.5})),
        folder(count=1),
        folder(features=tmp_path / "features"),
    ]
    digest = digests.digest_file
    monkeypatch.setattr(digests, "digest_file", lambda path: digest(path) + ("0" if str(path).endswith("fakevideo.py") else ""))
    changed.append(folder())
    assert len({same, *changed}) == 1 + len(changed)


def test_an_epoch_shows_each_window_once(stick, tmp_path):
    track = make_track(stick, 6)
    clip = TrainingClip(make_crops(tmp_path / "crops.zarr", track), track, np.arange(6), small(batch_windows=2))
    for epoch in (1, 2, 3):
        assert sorted(clip.budget.order(epoch).flatten().tolist()) == [0, 1, 2, 3]
