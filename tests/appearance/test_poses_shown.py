"""What is done to poses before they are drawn: missing joints held, windows mirrored."""

import numpy as np
import pytest
import torch

from pipeline.appearance.held import hold_missing
from pipeline.appearance.mirror import mirror_partners, mirror_windows
from pipeline.body.pose_maps import PoseMapParams, draw_pose_maps
from pipeline.body.skeleton import load_skeleton

NAN = float("nan")


def test_a_missing_joint_is_where_it_was():
    points = np.array([[[1.0, 2], [9, 9]], [[NAN, NAN], [8, 8]], [[NAN, NAN], [7, 7]], [[5, 6], [6, 6]]], np.float32)
    scores = np.array([[0.9, 1], [0, 0.05], [0, 1], [0.8, 1]], np.float32)
    given = points.copy(), scores.copy()
    held, told = hold_missing(points, scores, np.arange(4), 0.1)
    assert held[:, 0].tolist() == [[1, 2], [1, 2], [1, 2], [5, 6]]  # as long as it is missing
    assert held[:, 1].tolist() == [[9, 9], [9, 9], [7, 7], [6, 6]]  # too unsure to be drawn = missing
    assert np.array_equal(told, np.array([[0.9, 1], [0.9, 1], [0.9, 1], [0.8, 1]], np.float32))
    assert np.array_equal(points, given[0], equal_nan=True)
    assert np.array_equal(scores, given[1])


def test_nothing_is_held_across_a_gap_or_before_it_was_seen():
    points = np.array([[[NAN, NAN]], [[3.0, 3]], [[NAN, NAN]]], np.float32)
    scores = np.array([[0.0], [1], [0]], np.float32)
    held, told = hold_missing(points, scores, np.array([4, 5, 7]), 0.1)
    assert np.array_equal(held, points, equal_nan=True)
    assert np.array_equal(told, scores)


def test_partners_are_exchanged_or_kept_and_the_middle_stays():
    skeleton = load_skeleton("pipeline/skeletons/human.yaml")
    partners = mirror_partners(skeleton, exchanged=True)
    assert partners[partners].tolist() == list(range(len(partners)))
    assert skeleton.joints[partners[skeleton.index("left_wrist")]] == "right_wrist"
    assert partners[skeleton.index("nose")] == skeleton.index("nose")
    assert mirror_partners(skeleton, exchanged=False).tolist() == list(range(len(partners)))


def windows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 2, 4, 24, 32, generator=generator)
    points = 4 + 16 * torch.rand(2, 2, 3, 2, generator=generator)
    points[1, 0, 1] = NAN
    return images, points, torch.rand(2, 2, 3, generator=generator), np.array([0, 2, 1])


def test_only_the_chosen_windows_are_mirrored_and_twice_is_nothing():
    images, points, scores, partners = windows()
    chosen = np.array([False, True])
    once = mirror_windows(images, points, scores, chosen, partners)
    for before, after in zip((images, points, scores), once, strict=True):
        assert torch.equal(before[0], after[0])
    assert torch.equal(once[0][1], images[1].flip(-1))
    assert torch.equal(once[1][1, 1, 1], torch.stack([31 - points[1, 1, 2, 0], points[1, 1, 2, 1]]))
    assert torch.isnan(once[1][1, 0, 2]).all()
    assert torch.equal(once[2][1, :, 1], scores[1, :, 2])
    twice = mirror_windows(*once, chosen, partners)
    for before, after in zip((images, points, scores), twice, strict=True):
        torch.testing.assert_close(after, before, equal_nan=True, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sides", [True, False])
def test_a_mirrored_pose_is_drawn_as_the_mirror_image(sides):
    """A pose map of the mirrored window = the mirrored pose map, a left limb in the channel of its right partner or its own."""
    skeleton = load_skeleton("pipeline/skeletons/human.yaml")
    generator = torch.Generator().manual_seed(1)
    points = 4 + 24 * torch.rand(1, 1, len(skeleton.joints), 2, generator=generator)
    scores = torch.ones(1, 1, len(skeleton.joints))
    params = PoseMapParams(style="limbs", width=0.03, score_threshold=0.1)
    drawn = draw_pose_maps(points[0], scores[0], skeleton, (32, 32), params)[0]
    _, mirrored, exchanged = mirror_windows(
        torch.zeros(1, 1, 1, 32, 32), points, scores, np.array([True]), mirror_partners(skeleton, sides)
    )
    again = draw_pose_maps(mirrored[0], exchanged[0], skeleton, (32, 32), params)[0]
    limbs = [limb for limb in skeleton.limbs if limb.drawn]
    names = [(limb.parent, limb.child) for limb in limbs]
    other = {a: b for pair in skeleton.mirror for a, b in (pair, pair[::-1])} if sides else {}
    for i, (parent, child) in enumerate(names):
        partner = names.index((other.get(parent, parent), other.get(child, child)))
        torch.testing.assert_close(again[i], drawn[partner].flip(-1), atol=1e-3, rtol=0)
