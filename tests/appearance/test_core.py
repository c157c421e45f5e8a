"""What is surely of the body: as thick as references show a limb to be, whatever its pose; nothing where they show nothing."""

import cv2
import numpy as np
import pytest
import torch
from line import LINE

from pipeline.appearance.core import BodyCore
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.networks.carrying import CarryShape, Sure, carry, output_channels

SIDE, THICK, THIN = 128, 8, 3  # half widths, px
STRAIGHT = np.array([[20.0, 64.0], [64.0, 64.0], [108.0, 64.0]])
BENT = np.array([[20.0, 30.0], [64.0, 30.0], [64.0, 118.0]])  # as large, since thickness counts in sizes of the body


TWO = Skeleton(
    "two", ("a", "b", "c", "d"), "a", (Limb("a", "b", LINE.limbs[0].colour, 4.0, True), Limb("c", "d", LINE.limbs[0].colour, 1.0, True)),
    (), {}, (), (),
)  # fmt: skip
HANGS = np.array([[44.0, 14.0], [44.0, 114.0], [80.0, 20.0], [80.0, 60.0]])
RAISED = np.array([[44.0, 14.0], [44.0, 114.0], [80.0, 100.0], [120.0, 100.0]])


def beside(pose: np.ndarray) -> torch.Tensor:
    """The first limb very broad, to the very edge of the second, which is THIN, where it hangs."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    picture[8:120, 20:80] = 1.0
    picture[20:61, 76:84] = 1.0
    return torch.from_numpy(picture)


BODY = Skeleton(
    "body", ("neck", "ls", "rs", "lh", "rh", "lf", "rf"), "neck",
    tuple(Limb(a, b, LINE.limbs[0].colour, 1.0, True) for a, b in
          (("neck", "ls"), ("neck", "rs"), ("neck", "lh"), ("neck", "rh"), ("lh", "lf"), ("rh", "rf"))),
    (("ls", "rs"), ("lh", "rh"), ("lf", "rf")), {}, (), (),
)  # fmt: skip
FRONT = np.array([[64.0, 20.0], [86.0, 24.0], [42.0, 24.0], [80.0, 66.0], [48.0, 66.0], [82.0, 112.0], [46.0, 112.0]])
BACK = FRONT * [-1, 1] + [128, 0]


def robed(pose: np.ndarray) -> torch.Tensor:
    """Legs with cloth 6 px to their outer sides and 2 px to their inner ones."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    for hip, foot, out in ((3, 5, 1), (4, 6, -1)):
        out = out * (1 if pose[3, 0] > pose[4, 0] else -1)
        (x0, y0), (x1, y1) = pose[hip], pose[foot]
        corners = [[x0 + 6 * out, y0 - 6], [x0 - 2 * out, y0 - 6], [x1 - 2 * out, y1 + 6], [x1 + 6 * out, y1 + 6]]
        cv2.fillPoly(picture, [np.round(corners).astype(int)], 1.0)
    return torch.from_numpy(picture)


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
    least = core.sure(posed(BENT), (SIDE, SIDE)).least[0, 0]
    true = drawn(BENT)
    assert (least > 0.5)[true == 0].float().mean() < 0.001
    first = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    first[30 - THICK : 30 + THICK + 1, 24:60] = True
    assert least[first].mean() > 0.5
    assert least[30, 24:60].min() == 1
    assert core.reach[0].min() > 1.5 * core.reach[1].max()


def test_what_no_reference_shows_is_not_sure():
    hidden = STRAIGHT.copy()
    hidden[2] = np.nan
    core = learnt(hidden)
    assert core.reach[0].min() > 0
    assert not core.reach[1].any()
    both = core.sure(posed(STRAIGHT, np.full((3, 2), np.nan)), (SIDE, SIDE)).least
    assert both[0, 0, 64, 30] == 1
    assert not both[0, 0, :, 90:].any()
    assert not both[1].any()


def test_a_limb_is_as_thick_as_it_is_on_either_side_of_its_line_and_at_each_place():
    """The line lies along the lower edge of a wedge."""
    wedge = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(wedge, [np.array([[0, 64], [0, 53], [127, 60], [127, 64]])], 1.0)
    core = BodyCore.learn([torch.from_numpy(wedge)], posed(STRAIGHT), LINE)
    above, below = core.reach[0]
    assert above.min() > 2 * below.max()
    half = 0.03 * 88  # px: half the breadth of a limb of a body so large
    true = 11 - 7 * torch.linspace(20, 64, 5) / 127  # how high the wedge is there, px
    torch.testing.assert_close(above, 0.85 * true / half, atol=0.4, rtol=0)
    assert (above * half < true - 0.1).all()  # a little less than all is counted on
    assert (above.diff() <= 0).all()
    assert above[0] > core.reach[1, 0, -1] > 0
    turned = core.sure(posed(STRAIGHT[:, ::-1].copy()), (SIDE, SIDE)).least[0, 0]  # downwards: what lay above lies on its right
    assert turned[40, 64:].sum() > 2 * turned[40, :64].sum()


def test_what_lies_beyond_a_gap_is_not_the_limb():
    """As a strap of a bag that hangs beside it in every reference."""
    strapped = drawn(STRAIGHT)
    strapped[70:73] = 1.0
    core = BodyCore.learn([strapped], posed(STRAIGHT), LINE)
    assert core.reach[1].equal(learnt(STRAIGHT).reach[1])


def test_the_body_borders_on_what_lies_a_little_beyond_its_core_and_on_nothing_farther_off():
    sure = learnt(STRAIGHT, STRAIGHT + 3).sure(posed(STRAIGHT), (SIDE, SIDE))
    core, about = sure.least[0, 0, :, 40], sure.about[0, 0, :, 40]
    assert (about >= core).all()
    assert core.sum() + 1 < about.sum() < core.sum() + 4
    assert not sure.about[0, 0, :40].any()


def test_what_lies_between_places_is_as_thick_as_between_them():
    core = BodyCore(LINE, torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]] * 2, [[1.0] * 5] * 2]))
    width = core.sure(posed(STRAIGHT), (SIDE, SIDE)).least[0, 0, :, 22:62].sum(0)
    assert (width.diff() > -0.01).all()
    assert width[-1] > 3 * width[0]


def test_what_another_part_fills_is_nothing_that_a_limb_is_thick_by():
    """A limb hangs down beside a broad one that it is not bound to: raised it has nothing beside it."""
    core = BodyCore.learn([beside(HANGS)], posed(HANGS), TWO)
    raised = core.sure(posed(RAISED), (SIDE, SIDE)).least[0, 0]
    assert raised[100, 84:116].min() == 1
    assert not raised[80:92, 84:116].any()


def test_a_body_that_turns_round_keeps_the_outer_sides_of_its_limbs():
    core = BodyCore.learn([robed(FRONT)], posed(FRONT), BODY)
    for pose in (FRONT, BACK):
        least, true = core.sure(posed(pose), (SIDE, SIDE)).least[0, 0], robed(pose)
        assert (least > 0.5)[true == 0].sum() == 0
        assert (least > 0.5)[80:105].sum() > 0.5 * true[80:105].sum()


def test_seen_from_the_side_a_limb_is_as_thick_as_on_its_thinner_side():
    core = BodyCore.learn([robed(FRONT)], posed(FRONT), BODY)
    aside = FRONT.copy()
    aside[:, 0] = 64 + (aside[:, 0] - 64) * 0.1
    least = core.sure(posed(aside), (SIDE, SIDE)).least[0, 0]
    front = core.sure(posed(FRONT), (SIDE, SIDE)).least[0, 0]
    assert 0 < least[80:105].sum() < 0.6 * front[80:105].sum()
    both = BodyCore.learn([robed(aside)], posed(aside), BODY)
    torch.testing.assert_close(both.reach[:, 0], both.reach[:, 1])


@pytest.mark.parametrize("joint", [1, 2, 3, 4])
def test_half_a_trunk_tells_no_side(joint):
    """Nor does it cost the legs that are seen: they are as thick as on their thinner sides."""
    core = BodyCore.learn([robed(FRONT)], posed(FRONT), BODY)
    half, seen = FRONT.copy(), slice(64, None) if joint == 4 else slice(None, 64)  # one leg hangs on either hip
    half[joint] = np.nan
    least, front = (core.sure(posed(pose), (SIDE, SIDE)).least[0, 0, 80:105, seen].sum() for pose in (half, FRONT))
    assert 0 < least < 0.6 * front


def test_a_trunk_is_as_thick_from_whichever_side_it_is_seen():
    """What is no single limb has no sides."""
    picture = torch.zeros(SIDE, SIDE)
    picture[10:80, 20:108] = 1.0
    core = BodyCore.learn([picture], posed(FRONT), BODY)
    aside = FRONT.copy()
    aside[:, 0] = 64 + (aside[:, 0] - 64) * 0.1
    for pose in (FRONT, aside):
        assert core.sure(posed(pose), (SIDE, SIDE)).least[0, 0, 30:50, 64].min() == 1


def test_each_pose_of_a_batch_has_its_own_core():
    core = BodyCore.learn([robed(FRONT)], posed(FRONT), BODY)
    together = core.sure(posed(FRONT, BACK, FRONT + 5), (SIDE, SIDE))
    for i, pose in enumerate((FRONT, BACK, FRONT + 5)):
        alone = core.sure(posed(pose), (SIDE, SIDE))
        assert together.least[i].equal(alone.least[0])
        assert together.about[i].equal(alone.about[0])


def test_limbs_that_cross_say_nothing_of_each_other():
    """Of the thin one that is hidden a detector guesses where it is, here on the edge of the broad one."""
    guessed = HANGS.copy()
    guessed[2:, 0] = 58.0
    once, twice = (BodyCore.learn([beside(HANGS), *[beside(guessed)] * n], posed(HANGS, *[guessed] * n), TWO) for n in (0, 3))
    assert once.reach[1].equal(twice.reach[1])


def test_mattes_that_do_not_lie_over_their_poses_make_nothing_sure():
    assert not BodyCore.learn([torch.zeros(SIDE, SIDE)], posed(STRAIGHT), LINE).sure(posed(STRAIGHT), (SIDE, SIDE)).least.any()


def test_no_matte_falls_below_what_is_sure():
    outputs, warped = torch.zeros(1, output_channels(1), 16, 16), torch.zeros(1, 6, 16, 16)
    outputs[:, 3] = -8.0
    least = torch.zeros(1, 1, 16, 16)
    least[..., 4:12, 4:12] = 1.0
    made = carry(outputs, warped, CarryShape(1.0, 0.0, 1.0, 1.0), 2.0, Sure(least, least))
    without = carry(outputs, warped, CarryShape(1.0, 0.0, 1.0, 1.0), 2.0)
    assert made.mattes[..., 6:10, 6:10].min() > 0.9
    assert without.mattes.max() < 0.1
    assert made.mattes[..., :2, :].max() < 0.1
