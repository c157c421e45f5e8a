"""What gates and the correction flow do to a warped reference: limits, by hand."""

import math

import numpy as np
import pytest
import torch

from pipeline.networks.carrying import CarryShape, Sure, agreed, carry, high_band, low_band, output_channels
from pipeline.networks.sampling import blur, move_by

SHAPE = CarryShape(band_px=1.5, flow_px=4.0, gate_start=0.0, detail_start=0.0)
STILL = CarryShape(band_px=1.5, flow_px=0.0, gate_start=0.0, detail_start=0.0)  # references stay where they are
SURE = 30.0
OUTPUTS = output_channels(1)


def _drawn(matte=None):
    torch.manual_seed(0)
    colours = torch.rand(1, 3, 24, 20) * 2 - 1
    matte = torch.ones(1, 1, 24, 20) if matte is None else matte
    return colours, matte, torch.cat([colours * matte, matte, torch.ones_like(matte), torch.ones_like(matte)], 1)


def _outputs(gate=0.0, detail=0.0, own=0.5, logit=0.0):
    outputs = torch.zeros(1, OUTPUTS, 24, 20)
    outputs[:, :3] = torch.atanh(torch.tensor(own))
    outputs[:, 3], outputs[:, 4], outputs[:, 5:7] = logit, detail, gate
    return outputs


def test_full_trust_gives_the_whole_warp():
    colours, _, warped = _drawn()
    made = carry(_outputs(gate=SURE, detail=SURE), warped, STILL)
    torch.testing.assert_close(made.colours, colours, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, torch.ones_like(made.mattes), atol=1e-4, rtol=0)


def test_no_trust_gives_the_network_s_own_picture():
    _, _, warped = _drawn()
    made = carry(_outputs(gate=-SURE, detail=-SURE, own=0.25, logit=1.0), warped, STILL)
    torch.testing.assert_close(made.colours, torch.full_like(made.colours, 0.25), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, torch.full_like(made.mattes, torch.sigmoid(torch.tensor(1.0)).item()), atol=1e-4, rtol=0)


def test_trust_in_detail_alone_takes_the_network_s_colour_and_the_warp_s_detail():
    colours, matte, warped = _drawn()
    made = carry(_outputs(gate=-SURE, detail=SURE, own=0.0), warped * 0.5 + torch.tensor([0, 0, 0, 0.5, 0.5, 0.5])[:, None, None], STILL)
    high, _ = high_band(colours * 0.5, matte, STILL.band_px)
    torch.testing.assert_close(made.colours, high, atol=1e-4, rtol=0)  # halved, so that nothing is cut off at -1 and 1


def test_nothing_of_a_transparent_reference_gets_in():
    colours, _, warped = _drawn(torch.zeros(1, 1, 24, 20))
    made = carry(_outputs(gate=SURE, detail=SURE, own=0.3), warped, STILL)
    torch.testing.assert_close(made.colours, torch.full_like(colours, 0.3), atol=1e-4, rtol=0)
    assert made.mattes.max() < 1e-3


@pytest.mark.parametrize("flow_px", [4.0, 1.0, 0.0])
def test_a_warped_reference_is_moved_to_where_it_lies_on_the_network_s_own_picture_but_no_farther_than_its_limit(flow_px):
    """The network's own picture is the reference moved by (2, -1), and the gates are hardly open."""
    torch.manual_seed(6)
    image, shift = blur(torch.rand(1, 3, 48, 40), 1.5) * 4 - 2, torch.tensor([2.0, -1.0])
    image = image.clamp(-0.9, 0.9)
    true = move_by(image, shift[None, :, None, None].expand(1, 2, 48, 40), "border")
    ones = torch.ones(1, 1, 48, 40)
    outputs = torch.cat([torch.atanh(true), ones, 0 * ones - SURE, 0 * ones - 2, 0 * ones - 2], 1)
    made = carry(outputs, torch.cat([image, ones, ones, ones], 1), CarryShape(1.5, flow_px, 0.0, 0.0))
    inner = np.s_[..., 12:-12, 12:-12]
    found = made.flow[inner].median(-1).values.median(-1).values[0]
    assert made.flow.abs().max() <= flow_px
    if flow_px == 4:
        assert (found - shift).abs().max() < 0.5
        unmoved = carry(outputs, torch.cat([image, ones, ones, ones], 1), STILL)
        assert (made.colours - true)[inner].abs().mean() < 0.5 * (unmoved.colours - true)[inner].abs().mean()
    elif flow_px == 1:
        assert found.tolist() == pytest.approx([1.0, -1.0], abs=0.1)


def test_the_picture_is_its_base_and_the_trusted_detail():
    torch.manual_seed(1)
    _, matte, warped = _drawn()
    made = carry(torch.randn(1, OUTPUTS, 24, 20) * 0.3, warped * 0.3, STILL)
    seen = (warped * 0.3)[:, :3] / 0.3
    high, high_matte = high_band(seen, matte * 0.3, STILL.band_px)
    expected = (made.base_colours + made.detail * 0.3 * high).clamp(-1, 1)
    torch.testing.assert_close(made.colours, expected, atol=1e-4, rtol=0)
    edge = made.detail * agreed(made.base_mattes) * high_matte
    torch.testing.assert_close(made.mattes, (made.base_mattes + edge).clamp(0, 1), atol=1e-4, rtol=0)


def test_what_people_see_at_the_working_size_teaches_everything_but_the_gate_of_detail_and_finer_patches_that():
    _, _, warped = _drawn()
    outputs = (torch.randn(1, OUTPUTS, 24, 20) * 0.1).requires_grad_()
    made = carry(outputs, warped, STILL)
    (made.colours.square().sum() + (made.mattes * torch.rand_like(made.mattes)).sum()).backward(retain_graph=True)
    assert outputs.grad is not None
    assert (outputs.grad.abs().amax((0, 2, 3)) > 0).tolist() == [True] * 4 + [False] + [True] * 2
    outputs.grad = None
    (made.base_colours.square().sum() + made.base_mattes.sum() + made.detail.sum()).backward()
    assert outputs.grad is not None
    assert (outputs.grad.abs().amax((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("sigma", [0.8, 2.5])
def test_a_blur_keeps_what_is_flat_and_the_bands_add_up(sigma):
    colours, matte, _ = _drawn()
    torch.testing.assert_close(blur(torch.full((1, 2, 24, 20), 0.4), sigma), torch.full((1, 2, 24, 20), 0.4))
    low, low_matte = low_band(colours, matte, sigma)
    high, high_matte = high_band(colours, matte, sigma)
    torch.testing.assert_close(low + high, colours)
    torch.testing.assert_close(low_matte + high_matte, matte)
    assert low.std() < 0.7 * colours.std()


def test_of_several_references_all_give_colour_and_the_first_detail():
    torch.manual_seed(3)
    first, second = (0.4 * (torch.rand(1, 3, 24, 20) - 0.5) for _ in range(2))
    ones = torch.ones(1, 1, 24, 20)
    warped = torch.cat([first, ones, ones, ones, second, ones, ones, ones], 1)
    outputs = torch.zeros(1, output_channels(2), 24, 20)
    outputs[:, 4], outputs[:, 5], outputs[:, 6] = -SURE, -SURE, SURE  # the colour of the second
    torch.testing.assert_close(carry(outputs, warped, STILL).colours, second, atol=1e-4, rtol=0)
    outputs[:, 4] = SURE
    low, _ = low_band(second, ones, STILL.band_px)
    high, _ = high_band(first, ones, STILL.band_px)
    torch.testing.assert_close(carry(outputs, warped, STILL).colours, (low + high).clamp(-1, 1), atol=1e-2, rtol=0)


@pytest.mark.parametrize("favour", [0.0, 1.5])
def test_references_are_trusted_as_much_as_one_would_be_and_a_nearer_one_more_than_the_next(favour):
    _, _, warped = _drawn()
    one = carry(_outputs(), warped, STILL, favour=favour)
    three = carry(torch.zeros(1, output_channels(3), 24, 20), warped.repeat(1, 3, 1, 1), STILL, favour=favour)
    torch.testing.assert_close(three.gates.sum(1, keepdim=True), one.gates, atol=1e-6, rtol=0)
    torch.testing.assert_close(three.gates[:, :2], three.gates[:, 1:] * math.exp(favour), atol=1e-5, rtol=0)
    faint = warped.clone()
    faint[:, 3] = 0.5  # the matte of the second is another
    made = carry(torch.zeros(1, output_channels(2), 24, 20), torch.cat([warped, faint], 1), STILL, favour=favour).mattes[0, 0, 12, 10]
    first = math.exp(favour) / (1 + math.exp(favour))
    torch.testing.assert_close(made, torch.tensor(0.5 * (first + 0.5 * (1 - first)) + 0.25), atol=1e-4, rtol=0)


def test_detail_of_another_surface_is_not_carried_but_the_second_reference_s_of_the_same_one():
    """A ball lay over the first reference's right half, and the gate of colour knows it."""
    torch.manual_seed(3)
    ones = torch.ones(1, 1, 24, 40)
    texture = 0.2 * (torch.rand(1, 3, 24, 40) - 0.5)
    right = (torch.arange(40) >= 20).float()
    first, second = texture + 0.8 * right, texture.flip(3)
    warped = torch.cat([first, ones, ones, ones, second, ones, ones, ones], 1)
    outputs = torch.zeros(1, output_channels(2), 24, 40)
    outputs[:, 4], outputs[:, 5:9] = SURE, -SURE  # the network's own flat colour, all detail
    high, other = (high_band(x, ones, STILL.band_px)[0] for x in (first, second))
    alone, both = carry(torch.cat([outputs[:, :5], outputs[:, 5:9:2]], 1), warped[:, :6], STILL), carry(outputs, warped, STILL)
    beside, far = np.s_[..., :10], np.s_[..., 30:]
    for made in (alone, both):
        torch.testing.assert_close(made.colours[beside], high[beside], atol=1e-3, rtol=0)
    assert alone.colours[far].abs().max() < 1e-3
    torch.testing.assert_close(both.colours[far], other[far], atol=1e-3, rtol=0)
    assert alone.first[far].max() == 0
    assert both.second[far].min() == 1


def test_a_reference_that_is_not_there_leaves_its_share_to_the_others():
    torch.manual_seed(4)
    seen, ones = torch.rand(1, 3, 24, 20) - 0.5, torch.ones(1, 1, 24, 20)
    outputs = torch.zeros(1, output_channels(2), 24, 20)
    outputs[:, 5:9] = SURE
    made = carry(outputs, torch.cat([torch.zeros(1, 6, 24, 20), seen, ones, ones, ones], 1), STILL)
    torch.testing.assert_close(made.colours, seen, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, ones, atol=1e-4, rtol=0)


def test_where_a_field_is_folded_the_matte_is_the_network_s_own():
    """A folded warp shows nothing; that it shows nothing does not mean that nothing is there."""
    _, _, warped = _drawn()
    warped[..., :12, :] = 0
    made = carry(_outputs(gate=SURE, detail=SURE, logit=SURE), warped, STILL)
    assert made.base_mattes[..., :8, :].min() > 0.99
    warped[:, 4] = 1  # sound, and empty: there is nobody
    assert carry(_outputs(gate=SURE, detail=SURE, logit=SURE), warped, STILL).base_mattes[..., :8, :].max() < 0.01


def test_a_body_that_is_half_sound_is_not_half_transparent_but_away_from_it_is():
    """The vote of what a warp half shows counts by half, and is of the matte that it shows."""
    _, _, warped = _drawn()
    warped[:, :5] *= 0.5
    outputs = _outputs(gate=3.0, logit=-SURE)
    here = torch.zeros(1, 1, 24, 20)
    here[..., 10:] = 1.0
    everywhere, about = (carry(outputs, warped, STILL, sure=sure).base_mattes for sure in (None, Sure(here * 0, here)))
    share = 0.5 * math.exp(3.0) / (1 + 0.5 * math.exp(3.0))
    torch.testing.assert_close(everywhere, torch.full_like(everywhere, share), atol=1e-4, rtol=0)
    torch.testing.assert_close(about[..., 17:], everywhere[..., 17:], atol=1e-3, rtol=0)
    torch.testing.assert_close(about[..., :4], everywhere[..., :4] / 2, atol=1e-3, rtol=0)


def test_what_one_reference_half_shows_another_does_not_lose():
    """Where the trusted first one is half sound, a second one that is sound makes the body whole."""
    torch.manual_seed(5)
    seen, ones = torch.rand(1, 3, 24, 20) - 0.5, torch.ones(1, 1, 24, 20)
    half = torch.cat([seen * 0.5, ones * 0.5, ones * 0.5, ones], 1)
    outputs = torch.zeros(1, output_channels(2), 24, 20)
    outputs[:, 3] = -SURE
    outputs[:, [5, 7]], outputs[:, [6, 8]] = 5.0, 3.0
    made = carry(outputs, torch.cat([half, seen, ones, ones, ones], 1), STILL)
    assert made.base_mattes.min() > 0.97


def test_what_is_half_sound_gives_half_the_colour():
    torch.manual_seed(6)
    seen, ones = torch.rand(1, 3, 24, 20) - 0.5, torch.ones(1, 1, 24, 20)
    half = torch.cat([seen * 0.5, ones * 0.5, ones * 0.5, ones], 1)
    made = carry(_outputs(gate=2.0, own=0.0), half, STILL)
    torch.testing.assert_close(made.gates, torch.full_like(made.gates, 0.5 * math.exp(2.0) / (1 + 0.5 * math.exp(2.0))))


def test_where_soundness_ends_a_whole_body_has_no_edge():
    torch.manual_seed(7)
    seen, ones = (torch.rand(1, 3, 24, 20) - 0.5) * 0.1, torch.ones(1, 1, 24, 20)
    sound = ones.clone()
    sound[..., 10:] = 0.3
    made = carry(_outputs(gate=SURE, detail=SURE, logit=SURE), torch.cat([seen * sound, sound, sound, ones], 1), STILL)
    assert made.mattes.min() > 0.99


def test_where_nothing_of_a_reference_is_sound_no_detail_of_it_is_to_be_had():
    """Grey is nothing in M ⊙ F, and a reference of which nothing is seen would be taken for one of a grey shirt."""
    _, _, warped = _drawn()
    warped[:, :3] *= 0.02  # grey
    warped[..., 10:] = 0
    made = carry(_outputs(gate=SURE, detail=SURE, own=1e-6, logit=SURE), warped, STILL)
    assert made.first[..., 10:].max() == 0
    assert made.first[..., :6].min() == 1
    half = warped.clone()
    half[:, 3:] *= 0.5  # half sound is sound enough
    assert carry(_outputs(gate=SURE, detail=SURE, own=1e-6, logit=SURE), half, STILL).first[..., :6].min() == 1
