from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.temporal import (
    MaskParams,
    consistency,
    flicker,
    flow_and_mask,
    load_flow,
    visible_pixels,
    warp_back,
    warping_error,
    window_borders,
)

MASK = MaskParams(consistency=0.01, consistency_px2=0.5, boundary=0.01, boundary_px2=0.002)
NOWHERE = Path("no/such/folder")


def texture(size=96, seed=0):
    noise = np.random.default_rng(seed).random((size + 40, size + 40, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (smooth * 255).astype(np.uint8)


def sliding(t=6, dx=2, dy=1, size=96, seed=0):
    big = texture(size, seed)
    return np.stack([big[20 + dy * i : 20 + dy * i + size, 20 + dx * i : 20 + dx * i + size] for i in range(t)])


def constant_flow(x, y, size=16):
    return np.broadcast_to(np.array([x, y], np.float32), (size, size, 2)).copy()


def errors(video, motions):
    return [warping_error(a, b, *m) for (a, b), m in zip(pairwise(video), motions, strict=True)]


def test_tcm_of_a_translated_texture_is_one():
    video = sliding()
    motions = [flow_and_mask(a, b, load_flow("dis", NOWHERE), MASK) for a, b in pairwise(video)]
    e = errors(video, motions)
    assert consistency(e, e, 0.0) == (1.0, 0)
    assert all(mask.mean() > 0.5 for _, mask in motions)


def test_dis_finds_a_translation():
    # content moves left by 2 and up by 1 between the frames, so the first frame's p is at p + (-2, -1) in the second
    video = sliding(t=2)
    flow = load_flow("dis", NOWHERE)(video[0], video[1])
    assert flow.shape == (96, 96, 2)
    assert np.median(flow.reshape(-1, 2), axis=0) == pytest.approx([-2, -1], abs=0.1)


def test_dis_takes_images_smaller_than_its_patches():
    flow = load_flow("dis", NOWHERE)(np.zeros((20, 24, 3), np.uint8), np.zeros((20, 24, 3), np.uint8))
    assert flow.shape == (20, 24, 2)
    assert np.abs(flow).max() < 1e-3


def test_flicker_lowers_tcm():
    video = sliding()
    motions = [flow_and_mask(a, b, load_flow("dis", NOWHERE), MASK) for a, b in pairwise(video)]
    shaken = video.copy()
    shaken[::2] = np.clip(shaken[::2].astype(int) + 40, 0, 255).astype(np.uint8)
    value, _ = consistency(errors(shaken, motions), errors(video, motions), 0.0)
    assert value < 0.1


def test_consistency_by_hand():
    # exp(-|2 - 1|), exp(-|0.5 - 1|), exp(0); the fourth reference is still, the fifth pair saw nothing
    value, left_out = consistency([2, 1, 3, 1, np.nan], [1, 2, 3, 1e-9, 1], 1e-6)
    assert value == pytest.approx((np.exp(-1) + np.exp(-0.5) + 1) / 3)
    assert left_out == 2


def test_consistency_without_any_pair_is_nan():
    value, left_out = consistency([1.0], [0.0], 1e-6)
    assert np.isnan(value)
    assert left_out == 1


def test_warping_error_of_a_constant_offset():
    # no motion, each value differs by 51 / 255 = 0.2, squared 0.04
    first = np.full((16, 16, 3), 100, np.uint8)
    everywhere = np.ones((16, 16), bool)
    assert warping_error(first, first + 51, constant_flow(0, 0), everywhere) == pytest.approx(0.04, abs=1e-6)
    assert np.isnan(warping_error(first, first, constant_flow(0, 0), ~everywhere))


def test_warping_follows_the_flow():
    first = texture(24)[:24, :24].astype(np.float32)
    second = np.roll(first, 3, axis=1)
    moved = warp_back(second, constant_flow(3, 0, 24))
    assert np.abs(moved - first)[:, :-3].max() < 1e-3


def test_what_leaves_the_image_is_hidden():
    visible = visible_pixels(constant_flow(3, 0), constant_flow(-3, 0), MASK)
    assert visible[:, :13].all()
    assert not visible[:, 13:].any()


def test_flows_that_disagree_hide_a_pixel():
    # |f + b|² = 4 > 0.01 (4 + 16) + 0.5
    assert not visible_pixels(constant_flow(2, 0), constant_flow(-4, 0), MASK).any()


def test_a_jump_in_the_flow_hides_its_rim():
    forward = constant_flow(0, 0)
    forward[:, 8:] = (1, 0)
    visible = visible_pixels(forward, -forward, MaskParams(consistency=1, consistency_px2=9, boundary=0.01, boundary_px2=0.002))
    assert not visible[:, 7].any()
    assert visible[:, :7].all()


def test_flicker_is_the_quotient_of_borders_and_insides():
    assert flicker([1, 1, 3, 1, 1, 3], [0, 0, 1, 0, 0, 1]) == pytest.approx(3.0)
    assert flicker([1, np.nan, 2], [False, False, True]) == pytest.approx(2.0)
    assert np.isnan(flicker([1, 1], [False, False]))
    assert np.isnan(flicker([0, 1], [False, True]))


def test_borders_restart_with_every_run():
    present = np.array([0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1], bool)
    # runs 1-4 and 6-12: windows begin at 1, 4 and at 6, 9, 12; the first of a run is no border
    assert np.flatnonzero(window_borders(present, 3)).tolist() == [4, 9, 12]


def test_raft_without_its_file_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"evaluation.flow is raft, which needs .*raft_large.*set flow: dis"):
        load_flow("raft", tmp_path)


def test_raft_with_a_foreign_file_says_so(tmp_path):
    (tmp_path / "raft").mkdir()
    (tmp_path / "raft" / "raft_large_C_T_SKHT_V2-ff5fadd5.pth").write_text("no weights")
    with pytest.raises(InputError, match="must hold raft_large's weights"):
        load_flow("raft", tmp_path)
