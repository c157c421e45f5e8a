"""Finer patches: a reference's own pixels, laid in as far as gate and field allow, moved by a flow in working px."""

import numpy as np
import torch
from torch import Tensor

from pipeline.appearance.detail import Patches, finer_picture
from pipeline.networks.carrying import Carried
from pipeline.networks.sampling import pixel_grid

SIDE, FINER, BAND = 16, 2, 1.0
FULL = SIDE * FINER


def patches(sound: float = 1.0) -> tuple[Patches, Tensor]:
    """One patch at the corner (2, 1) of a crop of 20 x 20; its reference, opaque and fine noise, lies where it is seen."""
    torch.manual_seed(0)
    picture = torch.cat([torch.rand(3, FULL, FULL) * 255, torch.full((1, FULL, FULL), 255.0)])
    field = pixel_grid(torch.empty(FULL, FULL))[None]
    nothing = torch.zeros(1, 4, FULL, FULL)
    found = Patches([0], [1], np.array([[2, 1]]), SIDE, FINER, nothing, [picture], field, torch.full((1, 1, FULL, FULL), sound))
    return found, picture[:3] / 127.5 - 1


def made(gate: float, flow: tuple[float, float] = (0.0, 0.0), first: float = 1.0) -> Carried:
    """Two frames of flat colour, wholly opaque."""
    full, grey = torch.ones(2, 1, 20, 20), torch.zeros(2, 3, 20, 20)
    moved = torch.tensor(flow).view(1, 2, 1, 1).expand(2, 2, 20, 20)
    return Carried(grey, full, grey, full, grey, full, gate * full, full, moved[:, None], first * full, 0 * full)


def detail(colours: Tensor) -> Tensor:
    """What is finer than two working px, by halves: differences to the next pixel across."""
    return colours[..., 1:] - colours[..., :-1]


def test_where_gate_and_field_allow_the_detail_is_the_reference_s_and_else_the_base():
    found, picture = patches()
    colours, mattes = finer_picture(made(1.0), found, 2, BAND)
    assert colours.shape == (1, 3, FULL, FULL)
    assert mattes.min() > 0.99
    inner = np.s_[..., 6:-6, 6:-6]
    alike = torch.corrcoef(torch.stack([detail(colours[0])[inner].flatten(), detail(picture)[inner].flatten()]))[0, 1]
    assert alike > 0.95
    assert finer_picture(made(0.0), found, 2, BAND)[0].abs().max() == 0
    assert finer_picture(made(1.0, first=0.0), found, 2, BAND)[0].abs().max() == 0  # it shows something else
    unsound, _ = patches(sound=0.0)
    assert finer_picture(made(1.0), unsound, 2, BAND)[0].abs().max() == 0
    half, _ = patches(sound=0.5)
    torch.testing.assert_close(finer_picture(made(1.0), half, 2, BAND)[0][inner], 0.5 * colours[inner], atol=0.1, rtol=0.3)


def test_a_flow_of_a_working_px_is_as_many_fine_px_as_the_patch_is_finer():
    found, _ = patches()
    still, moved = (finer_picture(made(1.0, flow), found, 2, BAND)[0] for flow in ((0.0, 0.0), (1.0, -2.0)))
    right, up = FINER * 1, FINER * 2
    rows, columns = slice(8, -8), slice(8, -8)
    shifted = still[..., 8 - up : FULL - 8 - up, 8 + right : FULL - 8 + right]
    torch.testing.assert_close(moved[..., rows, columns], shifted, atol=0.05, rtol=0)
