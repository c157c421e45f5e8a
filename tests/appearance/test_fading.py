"""Fades: about changes of reference only, in equal steps; a faded frame is a mixture, but for its detail."""

import numpy as np
import pytest
import torch

from pipeline.appearance.blending import Blend
from pipeline.appearance.fading import arranged_fades, arrangements, fade_frames, fades
from pipeline.artifacts.references import NONE
from pipeline.video.clock import NO_TIME, Clock


def shares(ranks: list[int], frames: int, absent: tuple[int, ...] = ()) -> tuple[list[int], list[float]]:
    present = np.array([t not in absent for t in range(len(ranks))])
    found = fades(np.array(ranks), present, frames)
    return found.other.tolist(), found.share.round(3).tolist()


def test_the_coming_reference_s_share_grows_by_equal_steps():
    other, share = shares([5] * 5 + [8] * 5, 4)
    assert other == [NONE] * 3 + [5, 5, 4, 4] + [NONE] * 3
    coming = [0, 0, 0, share[3], share[4], 1 - share[5], 1 - share[6], 1, 1, 1]
    assert np.allclose(np.diff(coming)[2:7], 0.2)


def test_nothing_fades_without_a_change_without_frames_or_across_an_absence():
    still = [NONE] * 8
    assert shares([3] * 8, 4)[0] == still
    assert shares([3] * 4 + [4] * 4, 0)[0] == still
    assert shares([3] * 4 + [9] + [4] * 3, 4, absent=(4,))[0] == still


def test_nothing_fades_over_the_border_of_what_is_held_out():
    ranks, there = np.array([3] * 4 + [4] * 4), np.ones(8, bool)
    assert fades(ranks, there, 4).other.tolist() == [NONE, NONE, 4, 4, 3, 3, NONE, NONE]
    assert (fades(ranks, there, 4, border=4).other == NONE).all()
    assert fades(ranks, there, 4, border=5).other.tolist() == [NONE, NONE, NONE, 4, 3, NONE, NONE, NONE]


def test_between_two_near_changes_each_takes_what_is_its_half():
    other, share = shares([1, 1, 1, 1, 2, 2, 3, 3, 3, 3], 6)
    assert other == [NONE, 4, 4, 4, 3, 6, 5, 5, 5, NONE]
    assert share == [0, 0.2, 0.4, 0.6, 0.2, 0.2, 0.6, 0.4, 0.2, 0]
    assert shares([1, 1, 2, 3, 3], 4)[0] == [2, 2, NONE, 2, 2]  # one frame alone stays as it is


@pytest.mark.parametrize("lengths", [(1, 2, 5), (2, 3, 3, 1), (7, 1), (3, 3, 3), (1, 1, 6, 2)])
@pytest.mark.parametrize("frames", [2, 3, 4, 6])
def test_no_frame_is_one_reference_s_as_much_as_the_other_s(lengths, frames):
    found = shares([rank for rank, length in enumerate(lengths) for _ in range(length)], frames)
    assert 0.5 not in found[1]
    assert any(other != NONE for other in found[0])


def test_an_arrangement_changes_with_what_is_shown_and_not_with_who_could_show_it():
    ranks = np.array([[4, 7], [4, 7], [4, 8], [4, 8], [4, 9], [5, 9], [5, 9]])
    ends = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [1, 0], [1, 0], [1, 1]], bool)
    changes = np.flatnonzero(np.diff(arrangements(ranks, ends))) + 1
    assert changes.tolist() == [3, 4, 5, 6]
    assert (np.diff(arrangements(ranks[:, :1], np.zeros((7, 0), bool))) != 0).tolist() == [False] * 4 + [True, False]


@pytest.mark.parametrize("beside", [9, 10, 11, 12])
@pytest.mark.parametrize("frames", [2, 4])
def test_a_change_of_an_end_takes_no_frame_from_a_fade_of_the_first(beside, frames):
    ranks = np.array([[4, 7]] * 10 + [[5, 7]] * 10)
    ends, there = np.zeros((20, 1), bool), np.ones(20, bool)
    ends[beside:] = True
    body, found = fades(ranks[:, 0], there, frames), arranged_fades(ranks, ends, there, frames)
    own = body.other != NONE
    assert own.any()
    assert (found.other[own] == body.other[own]).all()
    assert (found.share[own] == body.share[own]).all()


def test_an_end_fades_alone():
    ranks, ends = np.array([[4, 7]] * 8), np.array([[t >= 4] for t in range(8)])
    found = arranged_fades(ranks, ends, np.ones(8, bool), 2)
    assert found.other.tolist() == [NONE, NONE, NONE, 4, 3, NONE, NONE, NONE]
    assert (arranged_fades(ranks, ends, np.ones(8, bool), 2, border=4).other == NONE).all()


@pytest.mark.parametrize(("clock", "frames"), [(Clock.regular("60", 9), 6), (Clock.regular("25", 9), 2), (NO_TIME, 0)])
def test_a_fade_lasts_by_the_clock(clock, frames):
    assert fade_frames(0.1, clock) == frames


def rendering(matte: torch.Tensor, colour: torch.Tensor) -> Blend:
    maps = {"matte": matte, "base_matte": matte, "detail": torch.rand_like(matte), "first_share": matte}
    maps |= {"second_share": torch.rand_like(matte)}
    maps |= {name: torch.rand(2, *matte.shape[1:]) for name in ("flow", "second_flow")}
    return Blend.of({"rgb": colour, "base_rgb": colour}, maps)


def test_a_faded_rendering_is_nearly_the_mixture_of_two_that_are_nearly_alike_and_keeps_its_own_detail():
    torch.manual_seed(3)
    # Without edges that could lie somewhere else in one of them.
    matte, colour = 0.5 + 0.02 * torch.rand(1, 8, 8), 0.5 + 0.02 * torch.rand(3, 8, 8)
    mine, theirs = rendering(matte, colour), rendering(matte + 0.02, colour)
    mixed, own, other = mine.faded(theirs, 0.25).finish(1.0), mine.finish(1.0), theirs.finish(1.0)
    assert np.abs(mixed.matte - (0.75 * own.matte + 0.25 * other.matte)).max() <= 1
    assert np.abs(mixed.fields["base_matte"] - (0.75 * own.fields["base_matte"] + 0.25 * other.fields["base_matte"])).max() <= 1
    assert (mixed.matte > own.matte).any()
    assert (mixed.fields["detail"] == own.fields["detail"]).all()
    assert (mixed.fields["flow"] == own.fields["flow"]).all()


@pytest.mark.parametrize("share", [0.25, 0.4, 0.6, 0.75])
def test_where_two_renderings_are_unlike_the_one_with_the_larger_share_is_seen(share):
    """A hand that only one of two references has is there or not, no ghost; what both have goes on fading."""
    torch.manual_seed(3)
    near = 0.5 * torch.ones(1, 8, 24)
    hand = near.clone()
    hand[..., 16:] = 1.0
    near[..., 16:] = 0.0
    mine, theirs = rendering(near, torch.full((3, 8, 24), 0.2)), rendering(hand, torch.full((3, 8, 24), 0.22))
    mixed = mine.faded(theirs, share)
    matte = mixed.maps["matte"][0, :, 20:]
    assert torch.equal(matte, torch.full_like(matte, float(share > 0.5)))
    seen = (mixed.colours["rgb"] / mixed.weight)[:, :, :8]
    torch.testing.assert_close(seen, torch.full_like(seen, 0.2 + 0.02 * share), atol=2e-3, rtol=0)


def limb(centre: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Matte (1 48 48) and colour (3 48 48) of a limb from top to bottom about a column, lit from one side."""
    beside = torch.arange(48.0) - centre
    matte = torch.sigmoid((7 - beside.abs()) * 1.5).expand(1, 48, 48)
    return matte, torch.stack([0.4 * torch.sin(beside / 3), 0.05 * beside, -0.3 * torch.ones(48)])[:, None].expand(3, 48, 48)


def column_of(matte: torch.Tensor) -> float:
    """Mean column of a matte (1 h w), in its middle rows."""
    seen = matte[0, 12:36].mean(0)
    return float((seen * torch.arange(48.0)).sum() / seen.sum())


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("apart", [-3.0, 2.0, 3.0])
def test_what_lies_elsewhere_in_the_other_rendering_lies_between_both_by_share(share, apart):
    """An outline goes over in steps, colour and all, and does not jump at the middle of a fade."""
    mine, theirs, between = (rendering(*limb(20 + apart * way)) for way in (0, 1, share))
    mixed = mine.faded(theirs, share)
    for name in ("matte", "base_matte"):
        assert column_of(mixed.maps[name]) == pytest.approx(20 + share * apart, abs=0.12)
        assert (mixed.maps[name] - between.maps[name])[:, 12:36].abs().max() < 0.12
    for name in ("rgb", "base_rgb"):
        assert (mixed.colours[name] - between.colours[name])[:, 12:36].abs().mean() < 0.01


def test_what_is_carried_into_a_moved_rendering_is_what_it_was_before():
    """The place in the reference that is shown does not change: where a rendering is moved by d, its flow has -d more."""
    mine, theirs = rendering(*limb(20)), rendering(*limb(23))
    across = torch.arange(48.0).expand(48, 48)
    mine.maps |= {name: torch.stack([0.3 * across, torch.zeros(48, 48)]) for name in ("flow", "second_flow")}
    mine.maps |= dict.fromkeys(("detail", "first_share", "second_share"), across[None] / 48)
    mixed = mine.faded(theirs, 0.4)
    inside = np.s_[12:36, 17:26]
    for name in ("flow", "second_flow"):
        # What was seen at 1.2 px less, of the same place.
        expected = across - 1.2 + 0.3 * (across - 1.2)
        assert (across + mixed.maps[name][0] - expected)[inside].abs().max() < 0.2
        assert mixed.maps[name][1][inside].abs().max() < 0.1
    for name in ("detail", "first_share", "second_share"):
        assert (48 * mixed.maps[name][0] - (across - 1.2))[inside].abs().max() < 0.2
