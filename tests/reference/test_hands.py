"""Laws of the field about hands at the source's resolution: as fine as fingers, and nothing else is touched."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.body.fields import PartField, part_field
from pipeline.body.skeleton import load_skeleton
from pipeline.body.warping import cell_centres, detail_field
from pipeline.reference.carry import Part, source_of
from pipeline.reference.field import Exact, full_field
from pipeline.reference.hands import refine_hands
from pipeline.reference.resampling import everywhere

HUMAN = load_skeleton(Path(__file__).parents[2] / "pipeline" / "skeletons" / "human.yaml")
SIZE_HW, CELL = (300, 320), 9
HAND = np.s_[182:254, 207:305]  # where both poses' fingers are followed


def _pose(spread: float, curl: float) -> torch.Tensor:
    """A body (1 j 2) with a left hand that hangs down, its fingers spread, and curled by so many radians a joint, px."""
    pose = torch.full((1, len(HUMAN.joints), 2), torch.nan)
    body = {"neck": (120, 20), "left_shoulder": (150, 28), "right_shoulder": (90, 28), "left_hip": (140, 120), "right_hip": (100, 120)}
    for name, (x, y) in {**body, "left_elbow": (200, 90), "left_wrist": (250, 160)}.items():
        pose[0, HUMAN.index(name)] = torch.tensor([float(x), float(y)])
    for i, (finger, base) in enumerate({"thumb": "cmc", "index": "mcp", "middle": "mcp", "ring": "mcp", "pinky": "mcp"}.items()):
        angle, at = spread * (i - 2), np.array([236.0 + 7 * i, 196.0])
        pose[0, HUMAN.index(f"left_{finger}_{base}")] = torch.from_numpy(at).float()
        for joint in ("mcp", "ip", "tip") if finger == "thumb" else ("pip", "dip", "tip"):
            at = at + 13 * np.array([np.sin(angle), np.cos(angle)])
            angle += curl
            pose[0, HUMAN.index(f"left_{finger}_{joint}")] = torch.from_numpy(at).float()
    return pose


QUERY, REFERENCE = _pose(0.25, 0.0), _pose(0.1, 0.3)
PARTS = PartField(QUERY, REFERENCE, HUMAN)


def _off(found: np.ndarray) -> np.ndarray:
    """How far a field (h w .) lies from the one that is worked out at every pixel, px."""
    exact = detail_field(QUERY, REFERENCE, HUMAN, SIZE_HW, 1)[0][0].numpy()
    return np.hypot(*(found[..., :2] - exact).transpose(2, 0, 1))


def _coarse(exact: Exact | None = None) -> np.ndarray:
    centres = part_field(QUERY, REFERENCE, HUMAN, *cell_centres(SIZE_HW, CELL, QUERY.device))
    return full_field(centres, (0, 0), SIZE_HW, CELL, everywhere(SIZE_HW), exact)


def test_about_a_hand_pixels_follow_their_own_finger_and_not_the_nearest_cell_s():
    found = _coarse()
    before = found.copy()
    refine_hands(found, PARTS, CELL)
    assert (_off(before)[HAND] > 1).mean() > 0.05  # cells as wide as a finger
    assert (_off(found)[HAND] > 1).mean() < 0.5 * (_off(before)[HAND] > 1).mean()
    _, sound = detail_field(QUERY, REFERENCE, HUMAN, SIZE_HW, 1)
    assert np.abs(found[..., 2] - sound[0, 0].numpy())[HAND].mean() < 0.8 * np.abs(before[..., 2] - sound[0, 0].numpy())[HAND].mean()
    changed = (found != before).any(-1)
    assert not changed[:170].any()
    assert not changed[:, :190].any()


def test_what_is_carried_has_it():
    picture, flow = np.zeros((*SIZE_HW, 4), np.uint8), np.zeros((SIZE_HW[0] // 4, SIZE_HW[1] // 4, 2), np.int16)
    part = Part((0, 0), SIZE_HW, np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]]), CELL)
    source = source_of(picture, REFERENCE[0].numpy(), QUERY[0].numpy(), HUMAN, flow, part)
    found = _coarse(lambda points: PARTS.at_points(torch.from_numpy(points))[0].numpy())
    refine_hands(found, PARTS, CELL)
    assert np.abs(np.dstack([source.x, source.y]) - found[..., :2]).max() < 1e-3


@pytest.mark.parametrize("side", [0, 1])
def test_without_fingers_in_both_poses_nothing_is_worked_out_anew(side):
    query, reference = QUERY.clone(), REFERENCE.clone()
    (query, reference)[side][0, sorted(HUMAN.fingers())] = torch.nan
    found = np.zeros((*SIZE_HW, 3), np.float32)
    refine_hands(found, PartField(query, reference, HUMAN), CELL)
    assert not found.any()


@pytest.mark.parametrize("shift", [(0.0, 60.0), (90.0, 0.0), (-500.0, -500.0)])
def test_a_hand_partly_or_wholly_outside_the_picture_is_no_trouble(shift):
    found = _coarse()
    refine_hands(found, PartField(QUERY + torch.tensor(shift), REFERENCE, HUMAN), CELL)
    assert np.isfinite(found).all()
