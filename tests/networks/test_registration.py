"""Where a warped reference lies on a picture: shifts of known length, and what says nothing."""

import pytest
import torch

from pipeline.networks.registration import register
from pipeline.networks.sampling import blur, move_by


def _texture(h: int = 64, w: int = 80) -> torch.Tensor:
    torch.manual_seed(5)
    image = blur(torch.rand(1, 3, h, w), 1.5)
    return (image - image.amin()) / (image.amax() - image.amin())


def _moved(image: torch.Tensor, shift: tuple[float, float]) -> torch.Tensor:
    """moved(x) = image(x + shift)."""
    return move_by(image, torch.tensor(shift)[None, :, None, None].expand(1, 2, *image.shape[2:]), "border")


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, -0.4), (3.0, 2.0), (-4.5, 1.5)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(shift):
    image = _texture()
    flow = register(_moved(image, shift), image, 6.0)
    assert flow.shape == (1, 2, 64, 80)
    assert (flow[..., 12:-12, 12:-12] - torch.tensor(shift)[None, :, None, None]).abs().median() < 0.2


def test_a_picture_out_of_focus_says_where_its_parts_lie_too():
    image = _texture()
    flow = register(blur(_moved(image, (2.0, -1.0)), 2.0), image, 6.0)
    gap = flow[..., 12:-12, 12:-12] - torch.tensor([2.0, -1.0])[None, :, None, None]
    assert gap.abs().median() < 0.7


@pytest.mark.parametrize("limit_px", [0.5, 2.0])
def test_no_flow_is_longer_than_its_limit(limit_px):
    image = _texture()
    flow = register(_moved(image, (4.0, -4.0)), image, limit_px)
    assert flow.abs().max() <= limit_px


def test_flat_colour_moves_nowhere():
    flat = torch.full((1, 3, 32, 32), 0.4)
    assert register(flat, flat, 5.0).abs().max() == 0


def test_what_brings_the_two_no_nearer_is_no_flow(monkeypatch):
    """A picture of something else: whatever was found leaves the gap as it is, or widens it."""
    import pipeline.networks.registration as module

    image = _texture()
    monkeypatch.setattr(module, "_refined", lambda flow, still, moving: torch.full_like(flow, 3.0))
    assert register(image, image, 5.0).abs().max() == 0


def test_images_are_registered_each_by_itself():
    image, other = _texture(), 1 - _texture().flip(-1)
    pictures = torch.cat([_moved(image, (1.0, 0.0)), _moved(other, (0.0, 2.0))])
    both = register(pictures, torch.cat([image, other]), 5.0)
    for i, moving in enumerate((image, other)):
        torch.testing.assert_close(both[i : i + 1], register(pictures[i : i + 1], moving, 5.0), atol=1e-4, rtol=0)
