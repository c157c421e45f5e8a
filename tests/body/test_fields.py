"""The field in few passes is the field as its formulas are written."""

import numpy as np
import pytest
import torch
from body import plain_field
from line import LINE

from pipeline.body import fields, pair
from pipeline.body.skeleton import load_skeleton

HUMAN = load_skeleton("pipeline/skeletons/human.yaml")
X, Y = torch.arange(0.0, 90, 2), torch.arange(0.0, 120, 2)


def _people(count: int, seed: int) -> torch.Tensor:
    """Poses (n j 2) of joints thrown about where limbs let them, some of them missing."""
    draw = np.random.default_rng(seed)
    poses = np.zeros((count, len(HUMAN.joints), 2))
    fingers = HUMAN.fingers()
    poses[:, HUMAN.index(HUMAN.root)] = 45, 50
    for parent, child in HUMAN.limb_indices():
        poses[:, child] = poses[:, parent] + draw.normal(0, 2.0 if child in fingers else 14.0, (count, 2))
    poses[draw.random(poses.shape[:2]) < 0.15] = np.nan
    return torch.from_numpy(poses.astype(np.float32))


@pytest.mark.parametrize("at_once", [100, 10**6])
def test_people_thrown_about_with_hands_and_missing_joints_are_followed_alike(at_once, monkeypatch):
    monkeypatch.setattr(fields, "AT_ONCE", at_once)
    query, reference = _people(3, 1), _people(3, 2)
    expected = plain_field.part_field(query, reference, HUMAN, X, Y)
    found = fields.part_field(query, reference, HUMAN, X, Y)
    off = (found.field - expected.field).norm(dim=-1)
    assert (off < 0.01).float().mean() > 0.98  # but where two parts are equally near: rounding chose
    for name in ("own", "linear"):
        assert ((getattr(found, name) - getattr(expected, name)).abs() < 1e-3).float().mean() > 0.98, name
    torch.testing.assert_close(found.size, expected.size)
    assert found.field.shape == expected.field.shape
    assert found.linear.shape == expected.linear.shape


@pytest.mark.parametrize("name", ["human", "mouse", "fish"])
def test_what_queries_hide_is_told_joint_by_joint(name):
    skeleton = load_skeleton(f"pipeline/skeletons/{name}.yaml")
    draw = np.random.default_rng(4)
    there = draw.random((400, len(skeleton.joints))) < draw.random((400, 1))
    branches = skeleton.branches()
    for pose in there:  # as a detector loses limbs: with all that hangs on them
        pose[branches[int(draw.integers(1, len(branches)))]] = False
    found, expected = (tell(torch.from_numpy(there), skeleton) for tell in (pair._hidden, plain_field.hidden_joints))
    assert torch.equal(found, expected)
    hidden = set(np.flatnonzero(found.any(0)).tolist())
    assert bool(hidden) == (name == "human")  # no limb of the mouse has a twin, nor has one of the fish
    if name == "human":
        assert {HUMAN.index(f"left_{joint}") for joint in ("elbow", "wrist", "knee", "ankle", "toe")} <= hidden


@pytest.mark.parametrize("hands", [True, False])
def test_what_serves_any_pose_is_what_takes_out_what_is_not_seen(hands, monkeypatch):
    """While a graph is traced nothing may depend on which joints are there."""
    query, reference = _people(3, 1), _people(3, 2)
    if not hands:
        query[:, sorted(HUMAN.fingers())] = torch.nan
    expected = fields.part_field(query, reference, HUMAN, X, Y)
    monkeypatch.setattr("torch.compiler.is_exporting", lambda: True)
    found = fields.part_field(query, reference, HUMAN, X, Y)
    for name in ("field", "own", "linear"):
        made, usual = getattr(found, name), getattr(expected, name)
        assert usual.std() > 0
        assert ((made - usual).abs() < 1e-2).float().mean() > 0.999, name  # but where two parts are equally near
    torch.testing.assert_close(found.size, expected.size)


def test_what_no_common_part_shows_is_shifted_or_stays():
    lone = torch.full((2, 3, 2), torch.nan)
    lone[0, 1] = torch.tensor([20.0, 30.0])
    for name in ("field", "own", "linear"):
        expected, found = (getattr(room.part_field(lone, lone + 3, LINE, X, Y), name) for room in (plain_field, fields))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_limb_without_length_is_a_point():
    pose = torch.tensor([[[20.0, 20.0], [20.0, 20.0], [60.0, 60.0]]])
    expected, found = (room.part_field(pose, pose + 2, LINE, X, Y).field for room in (plain_field, fields))
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)


def test_beyond_a_bent_joint_the_first_of_both_limbs_is_followed_everywhere():
    """There both are equally near; which one is followed is no matter of rounding, or it would differ from pixel to pixel."""
    here = torch.tensor([[[20.0, 60.0], [60.3, 60.1], [20.7, 90.2]]])
    there = torch.tensor([[[20.0, 60.0], [60.3, 60.1], [90.7, 20.2]]])
    x, y = torch.arange(70.0, 88), torch.arange(64.0, 72)
    field = fields.part_field(here, there, LINE, x, y).field[0]
    still = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # the first limb does not move, the second turns
    assert (field - still).norm(dim=-1).max() < 0.5
