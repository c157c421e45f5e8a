"""Parts left undrawn: whole branches, never what is joined to the root, alike in all frames of a window."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_stick import STICK, make_crops, make_track, small

from pipeline.appearance.dataset import TrainingClip
from pipeline.appearance.dropout import DropoutParams, draw_undrawn
from pipeline.body.skeleton import Skeleton, load_skeleton

SKELETONS = Path(__file__).resolve().parents[2] / "pipeline/skeletons"
ALWAYS = DropoutParams(share=1.0)


def undrawn(name: str, count: int = 4000, share: float = 1.0) -> tuple[np.ndarray, Skeleton]:
    skeleton = load_skeleton(SKELETONS / f"{name}.yaml")
    return draw_undrawn(np.random.default_rng(3), count, skeleton, DropoutParams(share=share)), skeleton


@pytest.mark.parametrize("name", ["human", "fish", "mouse"])
def test_what_is_dropped_is_all_that_hangs_on_one_joint(name):
    drawn, skeleton = undrawn(name)
    rooted = {
        skeleton.index(skeleton.root),
        *(child for parent, child in skeleton.limb_indices() if parent == skeleton.index(skeleton.root)),
    }
    assert not drawn[:, sorted(rooted)].any()
    for parent, child in skeleton.limb_indices():
        assert drawn[drawn[:, parent], child].all()  # beyond an undrawn joint nothing is drawn
    for row in np.unique(drawn, axis=0):
        held_by = {parent for parent, child in skeleton.limb_indices() if row[child] and not row[parent]}
        assert len(held_by) == row.any()


def test_people_lose_hands_feet_forearms_and_faces():
    drawn, skeleton = undrawn("human")
    found = {frozenset(np.array(skeleton.joints)[row].tolist()) for row in np.unique(drawn, axis=0)}
    hand = {
        joint for joint in skeleton.joints if joint.startswith(("right_thumb", "right_index", "right_middle", "right_ring", "right_pinky"))
    }
    foot = {"left_heel", "left_toe"}
    face = {joint for joint in skeleton.joints if joint.split("_")[-1] in ("eye", "ear", "mouth")}
    assert {frozenset(part) for part in (hand, {"right_wrist", *hand}, foot, {"left_ankle", *foot}, face)} <= found
    shares = {part: np.mean(drawn[:, skeleton.index(part)]) for part in ("right_index_mcp", "left_ankle", "left_ear")}
    assert all(0.05 < share < 0.2 for share in shares.values())  # a fifth of all walks lead there, and some drop less


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_share_is_a_chance_per_window(share):
    drawn, _ = undrawn("human", share=share)

    assert drawn.any(1).mean() == pytest.approx(share, abs=0.02)  # from the neck every way has a joint before its end


def test_a_skeleton_of_single_limbs_loses_nothing(stick):
    assert not draw_undrawn(np.random.default_rng(0), 50, stick, ALWAYS).any()


def test_a_window_loses_a_part_in_all_its_frames_and_keeps_its_pixels(tmp_path, stick):
    """A chain of three: the outer limb is undrawn, the inner one and the pictures are as ever."""
    limbs = [{"parent": a, "child": b, "colour": [255, 0, 0], "width": 1.0, "drawn": True} for a, b in pairwise(("base", "middle", "tip"))]
    skeleton = Skeleton.from_json(json.dumps({**STICK, "joints": ["base", "middle", "tip"], "limbs": limbs}))
    straight = make_track(stick, 8)
    points = np.insert(straight.points, 1, straight.points.mean(1), axis=1)
    track = replace(straight, points=points, score=np.ones((8, 3), np.float32), origin=np.ones((8, 3), np.uint8), skeleton=skeleton)
    crops = make_crops(tmp_path / "crops.zarr", straight)

    def batch(share: float):
        clip = TrainingClip(crops, track, np.arange(8), small(dropout={"share": share}))
        clip.expand(crops, tmp_path / f"pixels{share}")
        return clip.batch(np.array([0, 3]), 0, 1, torch.device("cpu"), 5)

    whole, less = batch(0.0), batch(1.0)
    assert torch.equal(whole.foregrounds, less.foregrounds)
    assert torch.equal(whole.mattes, less.mattes)
    assert torch.equal(whole.poses[:, :, 0], less.poses[:, :, 0])
    assert (whole.poses[:, :, 1].amax((-1, -2)) > 0.9).all()
    assert (less.poses[:, :, 1] == 0).all()
