"""Layers enlarged strip by strip are what OpenCV makes of them whole, and no strip leaves out what a matte lets show."""

import cv2
import numpy as np
import pytest
import torch
from line import LINE

from pipeline.body.fields import PartField, part_field
from pipeline.body.warping import CELL, cell_centres, detail_field
from pipeline.reference.field import full_field
from pipeline.reference.resampling import ROWS, Averaged, Enlarged, everywhere, moved_by, strips, widened

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


@pytest.mark.parametrize("small_hw", [(21, 17), (85, 65), (170, 130), (1, 1)])
def test_layers_averaged_strip_by_strip_are_averaged_whole(small_hw):
    layers = np.random.default_rng(3).random((2, *SIZE), np.float32)
    averaged = Averaged(2, SIZE, small_hw)
    for strip in everywhere(SIZE):
        averaged.add(strip, [layer[strip] for layer in layers])
    for layer, found in zip(layers, averaged.small(), strict=True):
        assert np.allclose(found, cv2.resize(layer, small_hw[::-1], interpolation=cv2.INTER_AREA), atol=1e-3)


def test_what_is_near_is_held_and_nothing_far():
    few = [(slice(80, 90), slice(30, 40)), (slice(90, 100), slice(60, 61))]
    near = np.zeros(SIZE, bool)
    for rows, columns in few:
        near[rows.start - 9 : rows.stop + 9, columns.start - 5 : columns.stop + 5] = True
    held = np.zeros(SIZE, int)
    for strip in widened(few, (9, 5), SIZE):
        held[strip] += 1
    assert (held[near] == 1).all()
    assert held.max() == 1
    assert not held[: 80 - 9 - ROWS].any()
    assert not held[100 + 9 + ROWS :].any()
    assert not held[:, : 30 - 5].any()
    assert not held[:, 61 + 5 :].any()
    assert not widened([], (9, 5), SIZE)


def test_strips_are_counted_from_a_corner_and_cut_to_its_picture():
    few = [(slice(0, 32), slice(3, 20)), (slice(32, 64), slice(0, 130)), (slice(64, 96), slice(0, 9))]
    assert moved_by(few, (10, 20), (30, 40)) == [(slice(0, 12), slice(0, 10)), (slice(12, 30), slice(0, 40))]


@pytest.mark.parametrize(("cell", "size_hw"), [(7, (150, 131)), (4, (64, 33)), (1, (20, 31))])
def test_a_field_at_full_px_is_the_field_of_training_with_its_leaps_and_folds(cell, size_hw):
    """A line bent back on itself: between its limbs the field leaps, and beside them it folds."""
    query, reference = (torch.tensor([pose]) for pose in ([[16.0, 30], [60, 30], [16, 46]], [[10.0, 40], [50, 40], [90, 40]]))
    expected, sound = (layer[0].numpy() for layer in detail_field(query, reference, LINE, size_hw, cell))
    centres = part_field(query, reference, LINE, *cell_centres(size_hw, cell, query.device))
    found = full_field(centres, (0, 0), size_hw, cell, everywhere(size_hw))
    assert found.shape == (*size_hw, 3)
    off = np.abs(found[..., :2] - expected).max(-1)
    assert (off < 0.01).mean() > 0.999
    assert (np.abs(found[..., 2] - sound[0]) < 0.01).mean() > 0.995
    if cell > 1:
        assert np.hypot(*np.diff(expected, axis=0).transpose(2, 0, 1)).max() > 5  # it does leap
        assert (sound < 0.5).any()


@pytest.mark.parametrize(("cell", "size_hw"), [(8, (150, 131)), (7, (150, 131)), (4, (64, 70))])
def test_where_a_field_at_full_px_leaps_a_pixel_lies_on_its_own_side_of_the_border(cell, size_hw):
    query, reference = (torch.tensor([pose]) for pose in ([[16.0, 30], [60, 34], [16, 49]], [[10.0, 40], [50, 40], [90, 40]]))
    expected = part_field(query, reference, LINE, torch.arange(size_hw[1]), torch.arange(size_hw[0])).field[0].numpy()
    centres = part_field(query, reference, LINE, *cell_centres(size_hw, cell, query.device))
    asked = []

    def exact(points: np.ndarray) -> np.ndarray:
        asked.append(points)
        return PartField(query, reference, LINE).at_points(torch.from_numpy(points))[0].numpy()

    whole = centres, (0, 0), size_hw, cell, everywhere(size_hw)
    steps, found = full_field(*whole), full_field(*whole, exact)
    wrong = [(np.abs(field[..., :2] - expected).max(-1) > 5).mean() for field in (steps, found)]
    assert wrong[0] > 0.001
    assert wrong[1] < (CELL / cell + 0.15) * wrong[0]
    changed = np.abs(found - steps).max(-1) > 0.5
    assert len(asked) == 1
    assert len(asked[0]) < 0.3 * changed.size
    near = {tuple(at) for at in np.floor(asked[0] / cell).astype(int).tolist()}
    assert {(x // cell, y // cell) for y, x in np.argwhere(changed).tolist()} <= near
    asked.clear()
    few = full_field(*whole[:4], [(slice(0, size_hw[0] // 2), slice(0, size_hw[1]))], exact)
    assert (few[: size_hw[0] // 2 - cell, :, :2] == found[: size_hw[0] // 2 - cell, :, :2]).all()
    assert (few[size_hw[0] // 2 + cell :, :, :2] == steps[size_hw[0] // 2 + cell :, :, :2]).all()


def test_a_field_is_asked_about_points_as_about_a_grid():
    query, reference = (torch.tensor([pose]) for pose in ([[16.0, 30], [60, 34], [16, 49]], [[10.0, 40], [50, 40], [90, 40]]))
    x, y = torch.arange(5.0, 60), torch.arange(20.0, 50)
    grid = part_field(query, reference, LINE, x, y)
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    layers = PartField(query, reference, LINE).at_points(points)[0].unflatten(1, (len(y), len(x)))
    assert torch.equal(layers[:2].movedim(0, -1), grid.field[0])
    assert torch.equal(layers[2], grid.own[0])
    assert torch.equal(layers[3:].movedim(0, -1).unflatten(-1, (2, 2)), grid.linear[0])
