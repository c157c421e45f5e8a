"""The episodic memory, step by step on a hand-made trace."""

import pytest

from pipeline.appearance.memory import EpisodicMemory, MemoryParams


def memory(**changes) -> EpisodicMemory:
    values = {
        "enabled": True, "write": "every", "capacity": 3, "threshold": None, "quantile": 0.5, "random_share": 0.0,
        "interval_epochs": 2, "replay": 2,
    }  # fmt: skip
    return EpisodicMemory(MemoryParams.model_validate({**values, **changes}), seed=1)


def see(m: EpisodicMemory, epoch: int, losses: dict[int, float]) -> None:
    for window, loss in losses.items():
        m.observe(epoch, window, loss)
    m.end_epoch()


def test_a_trace_step_by_step():
    m = memory()
    see(m, 1, {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0, 4: 5.0})
    assert m.losses == {}  # no previous epoch, hence no threshold yet, and no random share
    assert m.threshold == 3.0  # median of 1..5
    see(m, 2, {0: 3.1, 1: 3.0, 2: 6.0, 3: 4.0, 4: 1.0})
    assert m.losses == {0: 3.1, 2: 6.0, 3: 4.0}  # above 3.0; equal is not above
    assert m.threshold == 3.1
    m.observe(3, 1, 5.0)
    assert m.losses == {1: 5.0, 2: 6.0, 3: 4.0}  # full: the lowest loss, window 0, leaves
    m.observe(3, 2, 0.5)
    assert m.losses == {1: 5.0, 2: 0.5, 3: 4.0}  # a remembered window keeps its last loss, below the threshold too
    m.observe(3, 0, 3.2)
    assert m.losses == {0: 3.2, 1: 5.0, 3: 4.0}
    m.observe(3, 4, 3.15)
    assert m.losses == {0: 3.2, 1: 5.0, 3: 4.0}  # poor, but the least poor of four: it leaves at once
    m.refresh(1, 0.1)
    m.refresh(7, 9.0)  # not remembered: nothing to refresh
    assert m.losses == {0: 3.2, 1: 0.1, 3: 4.0}


def test_replay_comes_every_kth_epoch_without_replacement():
    m = memory(threshold=0.0)
    see(m, 1, {0: 1.0, 1: 2.0, 2: 3.0})
    assert m.draw(1) == []
    assert m.draw(3) == []
    drawn = m.draw(2)
    assert len(drawn) == len(set(drawn)) == 2
    assert set(drawn) <= {0, 1, 2}
    assert m.draw(2) == drawn  # a resumed run draws the same
    assert len(memory(threshold=0.0).draw(2)) == 0  # nothing remembered


def test_an_absolute_threshold_rules_over_the_quantile():
    m = memory(threshold=2.5)
    see(m, 1, {0: 1.0, 1: 2.5, 2: 2.6})
    assert m.losses == {2: 2.6}
    assert m.threshold == 2.5


def test_first_writes_in_the_first_epoch_only():
    m = memory(threshold=1.0, write="first")
    see(m, 1, {0: 2.0})
    see(m, 2, {0: 1.5, 1: 9.0})
    assert m.losses == {0: 1.5}  # window 1 came too late; window 0's loss is kept up to date


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_random_share_is_a_chance_per_window(share):
    m = memory(random_share=share, capacity=10**6, threshold=1e9)
    see(m, 1, dict.fromkeys(range(2000), 1.0))
    assert len(m.losses) / 2000 == pytest.approx(share, abs=0.04)
    again = memory(random_share=share, capacity=10**6, threshold=1e9)
    see(again, 1, dict.fromkeys(reversed(range(2000)), 1.0))
    assert sorted(again.losses) == sorted(m.losses)  # by epoch and window, not by order


def test_switched_off_it_does_nothing():
    m = memory(enabled=False, threshold=0.0, random_share=1.0)
    see(m, 1, {0: 1.0})
    assert m.losses == {}
    assert m.draw(2) == []


def test_state_goes_through_a_checkpoint():
    m, other = memory(), memory()
    see(m, 1, {0: 1.0, 1: 2.0})
    see(m, 2, {0: 1.7, 1: 2.0})
    m.observe(3, 1, 4.0)
    other.load_state_dict(m.state_dict())
    for memory_ in (m, other):
        memory_.observe(3, 0, 1.0)
        memory_.end_epoch()
    assert other.state_dict() == m.state_dict()
