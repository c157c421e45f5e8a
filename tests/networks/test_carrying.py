"""What gates and flow do to a warped reference: limits, by hand."""

import math

import pytest
import torch

from pipeline.networks.carrying import CarryShape, agreed, blur, carry, high_band, low_band, output_channels

SHAPE = CarryShape(band_px=1.5, flow_px=4.0, gate_start=0.0, detail_start=0.0)
SURE = 30.0
OUTPUTS = output_channels(1)


def _drawn(matte=None):
    torch.manual_seed(0)
    colours = torch.rand(1, 3, 24, 20) * 2 - 1
    matte = torch.ones(1, 1, 24, 20) if matte is None else matte
    return colours, matte, torch.cat([colours * matte, matte, torch.ones_like(matte), torch.ones_like(matte)], 1)


def _outputs(gate=0.0, detail=0.0, own=0.5, logit=0.0, flow=(0.0, 0.0)):
    outputs = torch.zeros(1, OUTPUTS, 24, 20)
    outputs[:, :3] = torch.atanh(torch.tensor(own))
    outputs[:, 3], outputs[:, 4], outputs[:, 5:7] = logit, detail, gate
    outputs[:, 7], outputs[:, 8] = (SHAPE.flow_px * torch.atanh(torch.tensor(v / SHAPE.flow_px)) for v in flow)
    return outputs


def test_full_trust_gives_the_whole_warp():
    colours, _, warped = _drawn()
    made = carry(_outputs(gate=SURE, detail=SURE), warped, SHAPE)
    torch.testing.assert_close(made.colours, colours, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, torch.ones_like(made.mattes), atol=1e-4, rtol=0)


def test_no_trust_gives_the_network_s_own_picture():
    _, _, warped = _drawn()
    made = carry(_outputs(gate=-SURE, detail=-SURE, own=0.25, logit=1.0), warped, SHAPE)
    torch.testing.assert_close(made.colours, torch.full_like(made.colours, 0.25), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, torch.full_like(made.mattes, torch.sigmoid(torch.tensor(1.0)).item()), atol=1e-4, rtol=0)


def test_trust_in_detail_alone_takes_the_network_s_colour_and_the_warp_s_detail():
    colours, matte, warped = _drawn()
    made = carry(_outputs(gate=-SURE, detail=SURE, own=0.0), warped * 0.5 + torch.tensor([0, 0, 0, 0.5, 0.5, 0.5])[:, None, None], SHAPE)
    high, _ = high_band(colours * 0.5, matte, SHAPE.band_px)
    torch.testing.assert_close(made.colours, high, atol=1e-4, rtol=0)  # halved, so that nothing is cut off at -1 and 1


def test_nothing_of_a_transparent_reference_gets_in():
    colours, _, warped = _drawn(torch.zeros(1, 1, 24, 20))
    made = carry(_outputs(gate=SURE, detail=SURE, own=0.3), warped, SHAPE)
    torch.testing.assert_close(made.colours, torch.full_like(colours, 0.3), atol=1e-4, rtol=0)
    assert made.mattes.max() < 1e-3


def test_flow_takes_the_pixel_that_it_names_and_stays_within_its_limit():
    colours, _, warped = _drawn()
    made = carry(_outputs(gate=SURE, detail=SURE, flow=(2.0, -1.0)), warped, SHAPE)
    torch.testing.assert_close(made.colours[..., 8:16, 4:12], colours[..., 7:15, 6:14], atol=1e-3, rtol=0)
    wild = _outputs()
    wild[:, 7:] = 1e6
    assert carry(wild, warped, SHAPE).flow.abs().max() <= SHAPE.flow_px


def test_the_picture_is_its_base_and_the_trusted_detail():
    torch.manual_seed(1)
    _, matte, warped = _drawn()
    made = carry(torch.randn(1, OUTPUTS, 24, 20) * 0.3 * torch.tensor([1.0] * 7 + [0, 0])[:, None, None], warped * 0.3, SHAPE)
    seen = (warped * 0.3)[:, :3] / 0.3
    high, high_matte = high_band(seen, matte * 0.3, SHAPE.band_px)
    expected = (made.base_colours + made.detail * 0.3 * high).clamp(-1, 1)
    torch.testing.assert_close(made.colours, expected, atol=1e-4, rtol=0)
    edge = made.detail * agreed(made.base_mattes) * high_matte
    torch.testing.assert_close(made.mattes, (made.base_mattes + edge).clamp(0, 1), atol=1e-4, rtol=0)


def test_what_people_see_at_the_working_size_teaches_everything_but_the_gate_of_detail_and_finer_patches_that():
    _, _, warped = _drawn()
    outputs = (torch.randn(1, OUTPUTS, 24, 20) * 0.1).requires_grad_()
    made = carry(outputs, warped, SHAPE)
    (made.colours.square().sum() + (made.mattes * torch.rand_like(made.mattes)).sum()).backward(retain_graph=True)
    assert outputs.grad is not None
    assert (outputs.grad.abs().amax((0, 2, 3)) > 0).tolist() == [True] * 4 + [False] + [True] * 4
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
    first, second = (torch.rand(1, 3, 24, 20) - 0.5 for _ in range(2))
    ones = torch.ones(1, 1, 24, 20)
    warped = torch.cat([first, ones, ones, ones, second, ones, ones, ones], 1)
    outputs = torch.zeros(1, output_channels(2), 24, 20)
    outputs[:, 4], outputs[:, 5], outputs[:, 6] = -SURE, -SURE, SURE  # the colour of the second
    torch.testing.assert_close(carry(outputs, warped, SHAPE).colours, second, atol=1e-4, rtol=0)
    outputs[:, 4] = SURE
    low, _ = low_band(second, ones, SHAPE.band_px)
    high, _ = high_band(first, ones, SHAPE.band_px)
    torch.testing.assert_close(carry(outputs, warped, SHAPE).colours, (low + high).clamp(-1, 1), atol=1e-2, rtol=0)


@pytest.mark.parametrize("favour", [0.0, 1.5])
def test_references_are_trusted_as_much_as_one_would_be_and_a_nearer_one_more_than_the_next(favour):
    _, _, warped = _drawn()
    one = carry(_outputs(), warped, SHAPE, favour=favour)
    three = carry(torch.zeros(1, output_channels(3), 24, 20), warped.repeat(1, 3, 1, 1), SHAPE, favour=favour)
    torch.testing.assert_close(three.gates.sum(1, keepdim=True), one.gates, atol=1e-6, rtol=0)
    torch.testing.assert_close(three.gates[:, :2], three.gates[:, 1:] * math.exp(favour), atol=1e-5, rtol=0)
    faint = warped.clone()
    faint[:, 3] = 0.5  # the matte of the second is another
    made = carry(torch.zeros(1, output_channels(2), 24, 20), torch.cat([warped, faint], 1), SHAPE, favour=favour).mattes[0, 0, 12, 10]
    first = math.exp(favour) / (1 + math.exp(favour))
    torch.testing.assert_close(made, torch.tensor(0.5 * (first + 0.5 * (1 - first)) + 0.25), atol=1e-4, rtol=0)


def test_a_reference_that_is_not_there_leaves_its_share_to_the_others():
    torch.manual_seed(4)
    seen, ones = torch.rand(1, 3, 24, 20) - 0.5, torch.ones(1, 1, 24, 20)
    outputs = torch.zeros(1, output_channels(2), 24, 20)
    outputs[:, 5:9] = SURE
    made = carry(outputs, torch.cat([torch.zeros(1, 6, 24, 20), seen, ones, ones, ones], 1), SHAPE)
    torch.testing.assert_close(made.colours, seen, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.mattes, ones, atol=1e-4, rtol=0)


def test_where_a_field_is_folded_the_matte_is_the_network_s_own():
    """A folded warp shows nothing; that it shows nothing does not mean that nothing is there."""
    _, _, warped = _drawn()
    warped[..., :12, :] = 0
    made = carry(_outputs(gate=SURE, detail=SURE, logit=SURE), warped, SHAPE)
    assert made.base_mattes[..., :8, :].min() > 0.99
    warped[:, 4] = 1  # sound, and empty: there is nobody
    assert carry(_outputs(gate=SURE, detail=SURE, logit=SURE), warped, SHAPE).base_mattes[..., :8, :].max() < 0.01
