"""How long a training lasts, which windows its epochs show, when its memory can replay."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_stick import make_crops, make_track, small

from pipeline.appearance.budget import Budget, plan_budget, replaying_epochs, shortcomings
from pipeline.appearance.memory import EpisodicMemory
from pipeline.appearance.params import AppearanceParams
from pipeline.appearance.train import Inputs, Outputs, train_appearance
from pipeline.errors import InputError
from pipeline.params import read_section
from pipeline.timeline.split import SplitParams, split_frames
from pipeline.timeline.windows import training_windows

DEFAULT = read_section(Path(__file__).resolve().parents[2] / "params.yaml", "appearance", AppearanceParams)
NO_TIME_LIMIT = {"least_steps": 1, "most_steps": 10**6, "steps": None}
NONE_HELD_OUT = SplitParams(hold_out_fraction=0.0)


def windows_of(seconds: float, fps: int = 30) -> int:
    """Training windows of a clip at the default hold-out."""
    training = split_frames(np.ones(round(seconds * fps), bool), SplitParams(hold_out_fraction=0.2)).training
    return len(training_windows(training, DEFAULT.k, DEFAULT.max_stride))


def simulate(budget: Budget, params: AppearanceParams) -> EpisodicMemory:
    """A memory through a whole training whose losses are drawn: falling, some windows always poor."""
    memory = EpisodicMemory(params.memory, params.seed)
    rng = np.random.default_rng(0)
    hardness = rng.gamma(2.0, size=budget.windows)
    for step in range(budget.steps):
        epoch, place = budget.epoch_and_place(step)
        if place == 0:
            memory.replays += bool(memory.draw(epoch))
        for window in budget.order(epoch)[place]:
            memory.observe(epoch, int(window), float(hardness[window] * rng.uniform(0.9, 1.1) * 0.999**step))
        if place == budget.steps_per_epoch - 1:
            memory.end_epoch()
    return memory


@pytest.mark.parametrize("windows", [1, 3, 7, 8, 9, 20, 63, 64, 65])
def test_all_windows_are_shown_in_as_few_epochs_as_can_be(windows):
    """With 8 windows an epoch and 3 a step."""
    params = small(epoch_windows=8, batch_windows=3, **NO_TIME_LIMIT)
    budget = plan_budget(params, windows)
    phases = -(-windows // 8)
    seen = [set(budget.order(epoch).ravel().tolist()) for epoch in range(1, 2 * phases + 1)]
    assert all(len(shown) == min(windows, 8) for shown in seen)
    assert set.union(*seen[:phases]) == set.union(*seen[phases:]) == set(range(windows))
    assert budget.order(1).shape == (-(-min(windows, 8) // 3), 3)
    assert np.array_equal(budget.order(1), budget.order(1))
    assert windows < 8 or not np.array_equal(budget.order(1), budget.order(2))


def test_windows_of_an_epoch_are_spread_evenly():
    budget = plan_budget(small(epoch_windows=10, **NO_TIME_LIMIT), 1004)
    for epoch in range(1, 200):
        gaps = np.diff(np.sort(budget.order(epoch).ravel()))
        assert set(gaps.tolist()) <= {100, 101}
    firsts = [int(budget.order(epoch).min()) for epoch in range(1, 102)]
    assert sorted(set(firsts)) == list(range(100))  # another beginning in every epoch, until all have been


def test_epochs_make_the_steps_within_least_and_most():
    """78 windows, 2 a step: 39 steps an epoch."""
    by_epochs = {"epoch_windows": 160, "batch_windows": 2, "epochs": 15, "least_steps": 100, "most_steps": 1000, "steps": None}
    assert plan_budget(small(**by_epochs), 78).steps == 15 * 39
    assert plan_budget(small(**{**by_epochs, "epochs": 2}), 78).steps == 100
    assert plan_budget(small(**{**by_epochs, "epochs": 30}), 78).steps == 1000
    assert plan_budget(small(**{**by_epochs, "steps": 7}), 78).steps == 7
    assert plan_budget(small(**by_epochs), 10_000).steps == 1000  # 15 x 80 would be 1200
    assert plan_budget(small(**by_epochs, accumulate=2), 78).steps == 15 * 20
    assert plan_budget(small(**by_epochs), 78).images_seen == 15 * 39 * 2 * 3
    assert (plan_budget(small(**by_epochs), 78).epochs, plan_budget(small(**{**by_epochs, "steps": 40}), 78).epochs) == (15, 2)


def test_least_above_most_is_refused():
    with pytest.raises(InputError, match=r"least_steps must not exceed most_steps, found 9 and 8"):
        plan_budget(small(least_steps=9, most_steps=8), 4)


@pytest.mark.parametrize("seconds", [30, 60, 300])
def test_by_default_the_memory_replays_several_times(seconds):
    budget = plan_budget(DEFAULT, windows_of(seconds))
    assert simulate(budget, DEFAULT).replays == len(replaying_epochs(budget, DEFAULT.memory)) >= 3
    assert not shortcomings(budget, DEFAULT, remembers=True)


def test_the_demo_trains_some_minutes():
    budget = plan_budget(DEFAULT, windows_of(100 / 60, 60))
    assert budget.windows == 78
    assert budget.steps == 12 * 39
    assert simulate(budget, DEFAULT).replays == 3


@pytest.mark.parametrize("threshold", [None, 0.0])
@pytest.mark.parametrize("write", ["first", "every"])
@pytest.mark.parametrize("random_share", [0.0, 1.0])
@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("steps", [5, 12, 25, 40])
def test_the_replays_foretold_are_those_that_come(threshold, write, random_share, interval, steps):
    """10 steps an epoch. What is foretold as missing is said before training."""
    remembered = {"threshold": threshold, "write": write, "random_share": random_share, "interval_epochs": interval, "quantile": 0.5}
    params = small(epoch_windows=20, steps=steps, memory=remembered)
    budget = plan_budget(params, 50)
    replays = simulate(budget, params).replays
    assert replays == len(replaying_epochs(budget, params.memory))
    assert len(shortcomings(budget, params, remembers=True)) == (replays == 0)
    assert not shortcomings(budget, params, remembers=False)


def test_a_budget_that_ends_early_says_so():
    params = small(epoch_windows=20, epochs=30, least_steps=1, most_steps=25, steps=None)
    (line,) = shortcomings(plan_budget(params, 50), params, remembers=False)
    assert "most_steps ends training in epoch 3 of 30" in line


def test_training_says_what_it_will_not_do_and_what_it_did(tmp_path, stick, features_folder, capsys):
    """8 windows, 4 an epoch, 2 a step: 7 steps begin 4 epochs."""
    track = make_track(stick, 10)
    crops = make_crops(tmp_path / "crops.zarr", track)

    def train(name: str, **changes) -> tuple[dict, str]:
        out = Outputs(tmp_path / f"{name}.safetensors", tmp_path / f"{name}.json", tmp_path / f"{name}.tsv")
        params = small(epoch_windows=4, epochs=3, least_steps=7, most_steps=100, steps=None, **changes)
        budget = train_appearance(Inputs(crops, track, features_folder), params, NONE_HELD_OUT, out, tmp_path / ".scratch")
        assert (budget.steps, budget.epochs) == (7, 4)
        return json.loads(out.description.read_text()), capsys.readouterr().out

    told, said = train("a", memory={"interval_epochs": 2, "threshold": 0.0, "capacity": 4, "replay": 2})
    assert said == ""
    assert (told["epochs"], told["replays"], told["images_replayed"], told["images_seen"]) == (4, 2, 2 * 2 * 3, 7 * 2 * 3)
    assert told["budget"]["windows"] == 8
    told, said = train("b", memory={"interval_epochs": 5})
    assert told["replays"] == 0
    assert said.startswith("train_appearance: the memory will not replay in 4 epochs of 2 steps, with an interval of 5: raise")
