"""Layers enlarged strip by strip are what OpenCV makes of them whole, and no strip leaves out what a matte lets show."""

import cv2
import numpy as np
import pytest
import torch
from line import LINE

from pipeline.body.fields import part_field
from pipeline.body.warping import cell_centres, detail_field
from pipeline.reference.field import full_field
from pipeline.reference.resampling import ROWS, Enlarged, strips

TO_LAYER, SIZE = np.array([[0.21, 0.0, 1.37], [0.0, 0.21, -0.9]]), (170, 130)


@pytest.mark.parametrize("cubic", [False, True])
def test_parts_of_an_enlarged_layer_are_those_of_the_whole(cubic):
    layers = [np.random.default_rng(seed).integers(0, 256, (33, 25), np.uint8) for seed in (1, 2)]
    enlarged = Enlarged(layers, TO_LAYER, SIZE, cubic)
    flags = (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    for rows, columns in ((slice(0, 170), slice(0, 130)), (slice(64, 96), slice(20, 77)), (slice(169, 170), slice(0, 1))):
        for layer, found in zip(layers, enlarged.part(rows, columns), strict=True):
            whole = cv2.warpAffine(layer.astype(np.float32), TO_LAYER, SIZE[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
            assert np.abs(found - whole[rows, columns]).max() < 0.02
    assert enlarged.part(slice(0, 9), slice(0, 9))[0].dtype == np.float32


@pytest.mark.parametrize("shown", [(0, 0), (32, 24), (15, 11), (16, 0)])
def test_strips_hold_all_that_is_shown_and_little_else(shown):
    matte = np.zeros((33, 25), np.uint8)
    matte[shown] = 255
    whole = Enlarged([matte], TO_LAYER, SIZE, True).part(slice(0, SIZE[0]), slice(0, SIZE[1]))[0]
    held = np.zeros(SIZE, bool)
    for rows, columns in strips(matte, TO_LAYER, SIZE):
        assert rows.stop - rows.start <= ROWS
        held[rows, columns] = True
    assert whole.any()
    assert not whole[~held].any()
    assert held.mean() < 0.25
    assert not list(strips(np.zeros_like(matte), TO_LAYER, SIZE))


@pytest.mark.parametrize(("cell", "size_hw"), [(7, (150, 131)), (4, (64, 33)), (1, (20, 31))])
def test_a_field_at_full_px_is_the_field_of_training_with_its_leaps_and_folds(cell, size_hw):
    """A line bent back on itself: between its limbs the field leaps, and beside them it folds."""
    query, reference = (torch.tensor([pose]) for pose in ([[16.0, 30], [60, 30], [16, 46]], [[10.0, 40], [50, 40], [90, 40]]))
    expected, sound = (layer[0].numpy() for layer in detail_field(query, reference, LINE, size_hw, cell))
    found = full_field(part_field(query, reference, LINE, *cell_centres(size_hw, cell, query.device)), size_hw, cell)
    assert found.shape == (*size_hw, 3)
    off = np.abs(found[..., :2] - expected).max(-1)
    assert (off < 0.01).mean() > 0.999
    assert (np.abs(found[..., 2] - sound[0]) < 0.01).mean() > 0.995
    if cell > 1:
        assert np.hypot(*np.diff(expected, axis=0).transpose(2, 0, 1)).max() > 5  # it does leap
        assert (sound < 0.5).any()
