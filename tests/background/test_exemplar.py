"""Filling holes with what the rest of the picture shows."""

import numpy as np
import pytest
from figure import static_background
from scipy.spatial.distance import cdist

from pipeline.background.backends.exemplar import load
from pipeline.background.backends.exemplar.level import Level, nearest_of
from pipeline.background.backends.exemplar.match import anywhere, nearby
from pipeline.background.backends.exemplar.patches import Descriptors
from pipeline.background.backends.exemplar.smooth import smooth, with_texture
from pipeline.background.backends.telea import load as load_telea


def hole(size_hw: tuple[int, int], *window: slice) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    mask[window] = True
    return mask


def error(filled: np.ndarray, true: np.ndarray, mask: np.ndarray) -> float:
    return float(np.abs(filled.astype(int) - true)[mask].mean())


def stripes(h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.where((x + y) // 6 % 2, 210, 40)


def checks(h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.where((x // 7 + y // 7) % 2, 200, 70)


@pytest.mark.parametrize("texture", [stripes, checks])
def test_a_periodic_texture_is_continued_where_telea_smears(texture):
    image = np.stack([texture(150, 180), 255 - texture(150, 180), np.full((150, 180), 90)], axis=-1).astype(np.uint8)
    mask = hole((150, 180), np.s_[50:100], np.s_[60:110])
    holed = np.where(mask[..., None], 0, image).astype(np.uint8)
    assert error(load()(holed, mask), image, mask) < 0.1 * error(load_telea()(holed, mask), image, mask)


def test_a_line_goes_straight_through():
    image = np.full((160, 200, 3), 190, np.uint8) + np.random.default_rng(0).integers(-8, 9, (160, 200, 1)).astype(np.uint8)
    image[90:] -= 110
    mask = hole((160, 200), np.s_[40:140], np.s_[80:130])
    filled = load()(np.where(mask[..., None], 0, image).astype(np.uint8), mask)
    edge = (filled[..., 0] > 130).sum(axis=0)  # rows of wall above the floor
    assert np.abs(edge[80:130] - 90).max() <= 3
    level_px = np.abs(filled.astype(int)[:, 80:130] - np.median(image, axis=1, keepdims=True))
    assert (level_px > 40).mean() < 0.03  # nothing between wall and floor


def test_one_colour_stays_one_colour():
    image = np.full((70, 90, 3), (12, 130, 250), np.uint8)
    mask = hole((70, 90), np.s_[20:60], np.s_[30:90])
    np.testing.assert_array_equal(load()(np.where(mask[..., None], 77, image).astype(np.uint8), mask), image)


def test_light_that_changes_slowly_goes_on_changing():
    y, x = np.mgrid[:120, :160]
    ramp = np.stack([60 + x, 200 - y, np.full(x.shape, 90)], axis=-1).clip(0, 255).astype(np.uint8)
    mask = hole((120, 160), np.s_[40:80], np.s_[50:110])
    assert error(load()(np.where(mask[..., None], 0, ramp).astype(np.uint8), mask), ramp, mask) < 4


def test_what_lies_in_the_hole_does_not_count_and_nothing_is_drawn():
    image, mask = static_background((120, 150), seed=4), hole((120, 150), np.s_[30:81], np.s_[100:])
    other = np.where(mask[..., None], 255 - image, image)
    before, mask_before = image.copy(), mask.copy()
    filled = load()(image, mask)
    for again in (load()(image, mask), load()(other, mask)):
        np.testing.assert_array_equal(again, filled)
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(mask, mask_before)


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (37, 61), (120, 1), (64, 40)])
def test_any_size_and_any_mask(size):
    rng = np.random.default_rng(sum(size))
    image = rng.integers(20, 200, (*size, 3), np.uint8)
    for mask in (rng.random(size) < 0.3, hole(size, np.s_[size[0] // 2 :]), ~hole(size, np.s_[:1], np.s_[:1])):
        filled = load()(image, mask)
        assert (filled.shape, filled.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(filled[~mask], image[~mask])
        known = image[~mask]
        assert (filled >= known.min(axis=0) - 20).all()
        assert (filled <= known.max(axis=0) + 20).all()


def test_a_level_averages_known_pixels_only():
    image = np.full((40, 61, 4), 100, np.float32)
    mask = hole((40, 61), np.s_[11:20], np.s_[20:30])
    image[mask] = 255
    small = Level(image, mask).halved()
    assert small.hole.shape == (20, 31)
    np.testing.assert_array_equal(small.hole, hole((20, 31), np.s_[5:10], np.s_[10:15]))  # rows 11-19 touch small rows 5-9
    np.testing.assert_allclose(small.image[~small.hole], 100, rtol=1e-6)
    assert not small.usable[2:13, 7:18].any()  # patches reach 3 px
    assert small.usable[13, 7]


def test_descriptors_of_an_image_are_those_of_its_patches():
    image, mask = static_background((60, 80), seed=2).astype(np.float32), hole((60, 80), np.s_[20:40], np.s_[30:50])
    level = Level(with_texture(image, mask), mask)
    known = Descriptors(level.image, level.sources)
    found, means = known.of(level.image, level.sources)
    np.testing.assert_allclose(found, known.all[level.sources], atol=0.05)
    np.testing.assert_allclose(means, known.means[level.sources], atol=0.01)
    by_hand = level.image[10:17, 20:27, :3].mean(axis=(0, 1))
    np.testing.assert_allclose(known.means[13 * 80 + 23, :3], by_hand, atol=0.01)


def test_the_nearest_is_found_anywhere_and_nearby_it_only_gets_nearer():
    rng = np.random.default_rng(1)
    known, wanted = rng.normal(size=(3000, 8)).astype(np.float32), rng.normal(size=(500, 8)).astype(np.float32)
    index, distances = anywhere(known, wanted)
    apart = cdist(wanted, known, "sqeuclidean")
    np.testing.assert_array_equal(index, apart.argmin(axis=1))
    np.testing.assert_allclose(distances, apart.min(axis=1), atol=1e-4)

    usable = ~hole((50, 60), np.s_[20:30], np.s_[20:40])
    centres = np.flatnonzero(~usable)
    start = rng.choice(np.flatnonzero(usable), len(centres))
    before = np.square(known[start] - known[centres]).sum(axis=1)
    matches, after = nearby(known, known[centres], start, centres, usable)
    assert (after <= before + 1e-5).all()
    assert after.mean() < 0.8 * before.mean()
    assert usable.ravel()[matches].all()
    np.testing.assert_allclose(after, np.square(known[matches] - known[centres]).sum(axis=1), rtol=1e-5)


def test_one_good_match_spreads_to_its_neighbours():
    """Where the hole's patches are those 15 px to the left, one of them that knows it tells all within 4 + 1 px each way."""
    known = np.random.default_rng(3).normal(0, 5, (40 * 60, 6)).astype(np.float32)
    usable = hole((40, 60), np.s_[:], np.s_[:30])
    centres = np.flatnonzero(hole((40, 60), np.s_[10:20], np.s_[35:45]))
    start = np.full(len(centres), 2)
    start[55] = centres[55] - 15
    matches, _ = nearby(known, known[centres - 15], start, centres, usable)
    again, _ = nearby(known, known[centres - 15], matches, centres, usable)
    assert (matches == centres - 15).sum() > 8
    assert (again == centres - 15).sum() > 0.6 * len(centres)


def test_smooth_filling_is_an_average_and_keeps_what_is_known():
    rng = np.random.default_rng(5)
    image, mask = rng.uniform(50, 100, (33, 47, 4)).astype(np.float32), rng.random((33, 47)) < 0.7
    filled = smooth(image, mask)
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert filled.min() >= image[~mask].min() - 1e-3
    assert filled.max() <= image[~mask].max() + 1e-3
    np.testing.assert_array_equal(smooth(image, np.ones_like(mask)), image)


def test_the_nearest_place_is_the_nearest():
    places = np.array([3, 250, 517])
    y, x = np.divmod(np.arange(600), 30)
    there = np.stack(np.divmod(places, 30), axis=1)
    apart = cdist(np.stack([y, x], axis=1), there)
    found = nearest_of(places, (20, 30))
    np.testing.assert_allclose(apart[np.arange(600), np.searchsorted(places, found)], apart.min(axis=1), atol=0.6)
