"""OpenPose's decoder: people from heat maps and part affinity fields, and hands from theirs."""

import json

import numpy as np
import pytest
from reference import openpose_decoder
from reference.openpose_scene import draw, standing
from reference.oracle_folder import oracle
from scipy.ndimage import gaussian_filter

from pipeline.pose.backends.openpose.decode import Sampler, assemble, choose_pairs, decode_maps, pair_scores
from pipeline.pose.backends.openpose.hands import find_summit, hand_box, hand_points
from pipeline.pose.backends.openpose.maps import FullMaps, SmallMaps, network_input
from pipeline.pose.backends.openpose.peaks import MAX_EXACT, find_peaks

SCENES = ("three", "three_noisy", "merge_and_prune", "lowconf_and_gap", "empty", "rules", "shared_ear")


def peaks_by_scipy(heat: np.ndarray, threshold: float = 0.1) -> np.ndarray:
    smooth = np.pad(gaussian_filter(heat.astype(np.float64), 3), 1)
    middle = smooth[1:-1, 1:-1]
    around = np.max([smooth[:-2, 1:-1], smooth[2:, 1:-1], smooth[1:-1, :-2], smooth[1:-1, 2:]], axis=0)
    ys, xs = np.nonzero((middle >= around) & (middle > threshold))
    return np.column_stack([xs, ys, heat[ys, xs]])


def oracle_scene(name: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    with np.load(oracle("openpose_decoder_golden.npz")) as golden:
        wanted = {key: golden[f"{name}/{key}"] for key in ("candidate", "subset", "connections")}
        if name != "three_noisy":
            return golden[f"{name}/heat"], golden[f"{name}/paf"], wanted
        heat, paf = golden["three/heat"], golden["three/paf"]
    rng = np.random.Generator(np.random.PCG64(77))
    heat = (heat + 0.02 * rng.standard_normal(heat.shape)).astype(np.float32)
    return heat, (paf + 0.05 * rng.standard_normal(paf.shape)).astype(np.float32), wanted


# --- against the oracles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES)
def test_oracle_scenes_are_decoded_exactly(scene: str) -> None:
    heat, paf, wanted = oracle_scene(scene)
    found = decode_maps(heat, paf)
    np.testing.assert_array_equal(found.candidates, wanted["candidate"].reshape(-1, 4))
    np.testing.assert_array_equal(found.people, wanted["subset"])
    np.testing.assert_array_equal(found.limbs, wanted["connections"])


@pytest.mark.parametrize("scene", SCENES)
def test_the_yardstick_decodes_oracle_scenes_exactly(scene: str) -> None:
    heat, paf, wanted = oracle_scene(scene)
    candidates, people = openpose_decoder.decode(heat.astype(np.float64), paf.astype(np.float64))
    np.testing.assert_array_equal(candidates, wanted["candidate"].reshape(-1, 4))
    np.testing.assert_array_equal(people, wanted["subset"])


def test_oracle_hand_is_decoded_exactly_and_what_it_has_at_zero_is_unseen() -> None:
    with np.load(oracle("openpose_hand_decoder_golden.npz")) as golden:
        image, peaks = golden["image"], golden["peaks"]
        small = [SmallMaps(golden[f"low_heat_{i}"][0], network_input(image, scale)[1]) for i, scale in enumerate((0.5, 1, 1.5, 2))]
        assert "0.05" in json.loads(str(golden["meta"]))["note"]
    found = hand_points(FullMaps(small, image.shape[:2]))
    np.testing.assert_array_equal(np.nan_to_num(found[:, :2]), peaks)
    np.testing.assert_array_equal(np.isnan(found[:, 0]), (peaks == 0).all(axis=1))


# --- peaks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size_hw", [(60, 80), (5, 90), (13, 13), (1, 40), (3, 2)])
def test_peaks_equal_scipys_bit_by_bit(dtype: type, size_hw: tuple[int, int]) -> None:
    heat = gaussian_filter(np.random.default_rng(3).random(size_hw), 1).astype(dtype)
    np.testing.assert_array_equal(find_peaks(heat), peaks_by_scipy(heat))


def test_equal_neighbours_are_both_peaks_and_borders_count_as_lower() -> None:
    heat = np.zeros((50, 60))
    heat[20, 30] = heat[20, 31] = 50.0
    heat[0, 5] = 50.0
    assert [tuple(peak[:2]) for peak in find_peaks(heat)] == [(5, 0), (30, 20), (31, 20)]


def test_on_a_plateau_every_pixel_is_a_peak() -> None:
    heat = np.full((60, 60), 0.5)
    assert heat.size > MAX_EXACT
    np.testing.assert_array_equal(find_peaks(heat), peaks_by_scipy(heat))


def test_a_peak_must_pass_the_threshold_after_smoothing_but_scores_as_before() -> None:
    heat = np.zeros((40, 40))
    heat[20, 20] = 1.0  # smoothed: 1 / (2 pi 9) = 0.0177
    assert not len(find_peaks(heat))
    np.testing.assert_array_equal(find_peaks(heat, 0.0176), [[20, 20, 1.0]])
    assert not len(find_peaks(heat, 0.0178))


def test_looking_for_peaks_leaves_the_map_unchanged() -> None:
    heat = np.random.default_rng(0).random((30, 30)).astype(np.float32)
    before = heat.copy()
    find_peaks(heat)
    np.testing.assert_array_equal(heat, before)


# --- limbs ------------------------------------------------------------------------------------------------------------


def sampler(field: np.ndarray) -> Sampler:
    return lambda channel, ys, xs: field[ys, xs, channel].astype(np.float64)


def test_a_pair_scores_the_mean_of_the_field_along_its_line() -> None:
    field = np.zeros((100, 100, 2))
    field[..., 0] = 0.6
    field[..., 1] = 0.8
    ends = np.array([[40.0, 50.0], [50.0, 0.0], [40.0, 10.0]])
    scores = pair_scores(np.array([[10.0, 10.0]]), ends, (0, 1), sampler(field), 100)
    assert scores[0, 0] == pytest.approx(1.0)  # (30, 40) / 50 is the field's direction; 50 px is half the height
    assert scores[0, 1] == pytest.approx((40 * 0.6 - 10 * 0.8) / np.hypot(40, 10))
    assert scores[0, 2] == pytest.approx(0.6)


def test_long_lines_pay_and_one_sample_of_ten_may_miss() -> None:
    field = np.zeros((20, 100, 2))
    field[..., 0] = 1.0
    start, end = np.array([[0.0, 5.0]]), np.array([[90.0, 5.0]])
    assert pair_scores(start, end, (0, 1), sampler(field), 100)[0, 0] == pytest.approx(1 + 0.5 * 100 / 90 - 1)
    field[:, 30] = 0.0
    assert pair_scores(start, end, (0, 1), sampler(field), 100)[0, 0] == pytest.approx(0.9 + 0.5 * 100 / 90 - 1)
    field[:, 60] = 0.05
    assert pair_scores(start, end, (0, 1), sampler(field), 100)[0, 0] == -np.inf


def test_two_parts_at_one_place_make_no_limb() -> None:
    field = np.ones((20, 20, 2))
    assert pair_scores(np.array([[5.0, 5.0]]), np.array([[5.0, 5.0]]), (0, 1), sampler(field), 20)[0, 0] == -np.inf


def test_the_best_pairs_come_first_and_each_end_is_used_once() -> None:
    scores = np.array([[0.9, 0.8, -np.inf], [0.95, 0.1, 0.3]])
    np.testing.assert_array_equal(choose_pairs(scores), [[1, 0, 0.95], [0, 1, 0.8]])
    assert choose_pairs(np.full((2, 2), -np.inf)).shape == (0, 3)
    np.testing.assert_array_equal(choose_pairs(np.full((2, 2), 0.5)), [[0, 0, 0.5], [1, 1, 0.5]])


# --- people -----------------------------------------------------------------------------------------------------------


def test_few_parts_or_weak_ones_are_nobody() -> None:
    limbs = np.array([[0, 0, 1, 0.5, 0, 0], [2, 1, 2, 0.5, 0, 0], [3, 2, 3, 0.5, 0, 0]])
    (person,) = assemble(limbs, np.full(4, 0.5))
    assert person[[1, 2, 3, 4]].tolist() == [0, 1, 2, 3]
    assert (person[18], person[19]) == (0.5 * 7, 4)
    assert not len(assemble(limbs[:2], np.full(4, 0.5)))
    assert not len(assemble(limbs, np.full(4, 0.02)))


def test_two_people_are_found_where_they_stand() -> None:
    people = np.stack([standing(60, 10, 200), standing(150, 20, 190)])
    points = decode_maps(*draw(people, (230, 210), spread=4.0)).points()
    order = np.argsort(points[:, 1, 0])
    assert np.abs(points[order][..., :2] - people).max() < 1.0
    assert (points[..., 2] > 0.9).all()


def test_a_missing_joint_is_nan() -> None:
    people = standing(60, 10, 200)[None].copy()
    people[0, 4] = np.nan
    points = decode_maps(*draw(people, (230, 120), spread=4.0)).points()
    assert np.isnan(points[0, 4]).all()
    assert np.isfinite(np.delete(points[0], 4, axis=0)).all()


def test_nobody_is_found_in_empty_maps() -> None:
    found = decode_maps(np.zeros((40, 50, 19)), np.zeros((40, 50, 38)))
    assert (found.candidates.shape, found.people.shape, found.points().shape) == ((0, 4), (0, 20), (0, 18, 3))


@pytest.mark.parametrize("seed", range(3))
def test_crowded_noisy_maps_decode_as_by_the_yardstick(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = np.stack([standing(25 + 22 * n, 5 + 4 * (n % 2), 100) for n in range(5)])
    heat, paf = draw(people, (112, 140), spread=3.0)
    heat, paf = heat + 0.1 * rng.standard_normal(heat.shape), paf + 0.4 * rng.standard_normal(paf.shape)
    candidates, people = openpose_decoder.decode(heat, paf)
    found = decode_maps(heat, paf)
    assert len(people)
    np.testing.assert_array_equal(found.candidates, candidates)
    np.testing.assert_array_equal(found.people, people)


# --- hands ------------------------------------------------------------------------------------------------------------


def arm(shoulder: tuple[float, float], elbow: tuple[float, float], wrist: tuple[float, float]) -> np.ndarray:
    points = np.full((18, 3), np.nan)
    points[[5, 6, 7], :2] = shoulder, elbow, wrist
    return points


def test_the_hands_box_lies_beyond_the_wrist() -> None:
    # forearm 100, upper arm 100: side 150, centre (200, 200) + 0.33 * (100, 0) = (233, 200)
    assert hand_box(arm((100, 100), (100, 200), (200, 200)), "left", (480, 640)) == (158, 125, 150)
    # upper arm 200: side 1.5 * 180 = 270
    assert hand_box(arm((100, 0), (100, 200), (200, 200)), "left", (480, 640)) == (98, 65, 270)


def test_the_box_is_moved_in_at_the_left_and_shrunk_at_the_right() -> None:
    assert hand_box(arm((300, 10), (200, 10), (100, 10)), "left", (480, 640)) == (0, 0, 150)
    assert hand_box(arm((440, 200), (500, 200), (600, 200)), "left", (480, 640)) == (558, 125, 82)
    assert hand_box(arm((440, 200), (520, 200), (600, 200)), "left", (480, 640)) == (566, 140, 73)


def test_no_box_for_a_part_of_an_arm_or_a_tiny_one() -> None:
    points = arm((100, 100), (100, 200), (200, 200))
    assert hand_box(points, "right", (480, 640)) is None
    points[5] = np.nan
    assert hand_box(points, "left", (480, 640)) is None
    assert hand_box(arm((10, 10), (20, 10), (30, 10)), "left", (480, 640)) is None


def test_the_heaviest_spot_wins_over_the_highest() -> None:
    heat = np.zeros((60, 60))
    heat[10:13, 10:13] = 1.0
    heat[40:50, 40:50] = 0.5
    heat[45, 47] = 0.6
    heat[11, 11] = 2.0
    np.testing.assert_array_equal(find_summit(heat), [47, 45, 0.6])
    assert np.isnan(find_summit(np.zeros((20, 20)))).all()
