"""What is surely of the body: as thick as references show a limb to be, whatever its pose; nothing where they show nothing."""

import cv2
import numpy as np
import torch
from line import LINE

from pipeline.appearance.core import BodyCore
from pipeline.networks.carrying import CarryShape, carry, output_channels

SIDE, THICK, THIN = 128, 8, 3  # half widths, px
STRAIGHT = np.array([[20.0, 64.0], [64.0, 64.0], [108.0, 64.0]])
BENT = np.array([[20.0, 30.0], [64.0, 30.0], [64.0, 118.0]])  # as large, since thickness counts in sizes of the body


def drawn(pose: np.ndarray) -> torch.Tensor:
    """Its first limb THICK, the second THIN; a limb that is not seen is not drawn."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    for start, stop, half in ((pose[1], pose[2], THIN), (pose[0], pose[1], THICK)):
        if np.isfinite([start, stop]).all():
            (x0, y0), (x1, y1) = start.astype(int).tolist(), stop.astype(int).tolist()
            cv2.line(picture, (x0, y0), (x1, y1), 1.0, 2 * half + 1)
    return torch.from_numpy(picture)


def posed(*poses: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(poses).astype(np.float32))


def learnt(*poses: np.ndarray) -> BodyCore:
    return BodyCore.learn([drawn(pose) for pose in poses], posed(*poses), LINE)


def test_a_limb_is_as_thick_in_a_pose_never_seen():
    core = learnt(STRAIGHT, STRAIGHT + 3)
    least = core.matte(posed(BENT), (SIDE, SIDE))[0, 0]
    true = drawn(BENT)
    assert (least > 0.5)[true == 0].float().mean() < 0.001
    first = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    first[30 - THICK : 30 + THICK + 1, 24:60] = True
    assert least[first].mean() > 0.5
    assert least[30, 24:60].min() == 1
    assert core.reach[0] > 1.5 * core.reach[1]


def test_what_no_reference_shows_is_not_sure():
    hidden = STRAIGHT.copy()
    hidden[2] = np.nan
    core = learnt(hidden)
    assert core.reach[0] > 0
    assert core.reach[1] == 0
    both = core.matte(posed(STRAIGHT, np.full((3, 2), np.nan)), (SIDE, SIDE))
    assert both[0, 0, 64, 30] == 1
    assert not both[0, 0, :, 90:].any()
    assert not both[1].any()


def test_mattes_that_do_not_lie_over_their_poses_make_nothing_sure():
    assert not BodyCore.learn([torch.zeros(SIDE, SIDE)], posed(STRAIGHT), LINE).matte(posed(STRAIGHT), (SIDE, SIDE)).any()


def test_no_matte_falls_below_what_is_sure():
    outputs, warped = torch.zeros(1, output_channels(1), 16, 16), torch.zeros(1, 6, 16, 16)
    outputs[:, 3] = -8.0
    least = torch.zeros(1, 1, 16, 16)
    least[..., 4:12, 4:12] = 1.0
    made = carry(outputs, warped, CarryShape(1.0, 0.0, 1.0, 1.0), 2.0, least)
    without = carry(outputs, warped, CarryShape(1.0, 0.0, 1.0, 1.0), 2.0)
    assert made.mattes[..., 6:10, 6:10].min() > 0.9
    assert without.mattes.max() < 0.1
    assert made.mattes[..., :2, :].max() < 0.1
