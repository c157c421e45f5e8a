"""One contract for all interchangeable backends, room by room: what they take and what they give, whichever is chosen.

Every package under pipeline/*/backends and pipeline/pose/refiners has its case in backend_cases.py; one that is added without a case fails.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from backend_cases import (
    FILLS,
    FLOWS,
    HUMAN,
    MATTING,
    POSE,
    REFINERS,
    ROOT,
    FillCase,
    MatteCase,
    PoseCase,
    adapter,
    backends,
    blotches,
    cases,
    inside,
    two_figures,
)
from figure import static_background

from pipeline.pose.people import People, person_boxes

PIPELINE = ROOT / "pipeline"
FOLDERS = sorted(path.relative_to(ROOT).as_posix() for kind in ("backends", "refiners") for path in PIPELINE.glob(f"*/{kind}"))


def test_every_backend_has_a_case() -> None:
    rooms = {"pose/backends": POSE, "pose/refiners": REFINERS, "matting/backends": MATTING, "background/backends": FILLS}
    rooms["evaluation/backends"] = FLOWS
    assert sorted(f"pipeline/{room}" for room in rooms) == FOLDERS
    for room, known in rooms.items():
        assert backends(f"pipeline/{room}") == sorted(known), room


@pytest.fixture(scope="module", params=cases("pose/backends"))
def pose(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PoseCase:
    name, options = request.param
    return POSE[name](tmp_path_factory.mktemp(name), **options)


def tables(seen: list[People]) -> list[np.ndarray]:
    """Return x, y and score (p j 3) of each frame."""
    return [np.concatenate([people.points, people.score[..., None]], axis=2) for people in seen]


def assert_same(some: list[np.ndarray], others: list[np.ndarray]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_people_come_in_the_houses_terms(pose: PoseCase) -> None:
    before = pose.frames.copy()
    seen = pose.load(HUMAN.joints)(pose.frames)
    np.testing.assert_array_equal(pose.frames, before)
    assert len(seen) == len(pose.frames)
    assert max(np.isfinite(people.points).any(axis=(1, 2)).sum() for people in seen) >= pose.people
    for people in seen:
        assert people.points.shape == (*people.score.shape, 2)
        assert people.points.shape[1] == len(HUMAN.joints)
        assert people.points.dtype == people.score.dtype == np.float64
        unseen = np.isnan(people.points)
        np.testing.assert_array_equal(unseen.any(axis=2), unseen.all(axis=2))
        assert (people.score[unseen[..., 0]] == 0).all()
        assert ((people.score >= 0) & (people.score <= 1)).all()


def test_a_block_is_seen_as_its_frames_one_by_one_and_colours_count(pose: PoseCase) -> None:
    seen = tables(pose.load(HUMAN.joints)(pose.frames))
    one_by_one = pose.load(HUMAN.joints)
    assert_same([one for frame in pose.frames for one in tables(one_by_one(frame[None]))], seen)
    swapped = tables(pose.load(HUMAN.joints)(np.ascontiguousarray(pose.frames[..., ::-1])))
    same = all(a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in zip(seen, swapped, strict=True))
    assert same != pose.looks


def test_joints_come_by_name(pose: PoseCase) -> None:
    backwards = tuple(reversed(HUMAN.joints))
    seen, turned = (tables(pose.load(joints)(pose.frames)) for joints in (HUMAN.joints, (*backwards, "tail")))
    assert_same([table[:, -2::-1] for table in turned], seen)
    assert all(np.isnan(table[:, -1, :2]).all() for table in turned)


def test_nobody_is_seen_where_nobody_is(pose: PoseCase) -> None:
    (people,) = pose.load_empty(HUMAN.joints)(pose.empty)
    assert people.points.shape[1:] == (len(HUMAN.joints), 2)
    assert np.isnan(people.points).all()
    assert pose.load_empty(HUMAN.joints)(pose.empty[:0]) == []


@pytest.fixture(scope="module", params=[case for case in cases("pose/refiners") if REFINERS[case.values[0][0]]])
def refiner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str]], Any]:
    name, options = request.param
    return REFINERS[name](tmp_path_factory.mktemp(name), **options)


def test_the_refiner_none_is_no_function() -> None:
    assert adapter("pipeline/pose/refiners", "none").load() is None


def test_refined_joints_come_in_the_houses_terms(refiner: Callable[[Sequence[str]], Any]) -> None:
    frames, points, _ = two_figures(3)
    boxes, before = person_boxes(points), frames.copy()
    boxes[1, 1] = boxes[2, 0] = np.nan
    refine = refiner(HUMAN.joints)
    found = refine(frames, boxes)
    np.testing.assert_array_equal(frames, before)
    for table, wanted in zip(found, boxes, strict=True):
        assert (table.shape, table.dtype) == ((2, len(HUMAN.joints), 3), np.float64)
        unseen = np.isnan(table[..., :2])
        np.testing.assert_array_equal(unseen.any(axis=2), unseen.all(axis=2))
        assert (table[..., 2][unseen[..., 0]] == 0).all()
        assert np.isfinite(table[np.isfinite(wanted).all(axis=1), :, 0]).any(axis=1).all()
        assert unseen[np.isnan(wanted).any(axis=1)].all()
    assert refine(frames[:1], [np.zeros((0, 4))])[0].shape == (0, len(HUMAN.joints), 3)
    # A frame is refined from itself and its neighbours: these alone give the same, whoever else was asked for.
    alone = np.full_like(boxes[:2], np.nan)
    alone[0] = boxes[0]
    assert_close_but_for_ties(refine(frames[:2], alone)[0], found[0])
    swapped = refine(np.ascontiguousarray(frames[:2, ..., ::-1]), alone)[0]
    assert not np.array_equal(swapped, found[0], equal_nan=True)
    turned = refiner((*reversed(HUMAN.joints), "tail"))(frames[:2], alone)[0]
    assert_close_but_for_ties(turned[:, -2::-1], found[0])
    assert np.isnan(turned[:, -1, :2]).all()


def assert_close_but_for_ties(some: np.ndarray, other: np.ndarray) -> None:
    """Sums in another order may exchange peaks of equal height in maps that mean nothing: scores agree, and most places."""
    np.testing.assert_allclose(some[..., 2], other[..., 2], rtol=0.02, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(some), np.isnan(other))
    apart = np.abs(some[..., :2] - other[..., :2]).max(axis=2)
    assert np.mean(apart[np.isfinite(apart)] < 1) > 0.8


@pytest.fixture(scope="module", params=cases("matting/backends"))
def matte(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MatteCase:
    name, options = request.param
    if name == "detectron2":
        pytest.importorskip("detectron2", reason="the package detectron2 is not installed")
    return MATTING[name](tmp_path_factory.mktemp(name), **options)


def test_mattes_come_in_the_houses_terms(matte: MatteCase) -> None:
    frames, (first, second) = matte.frames, np.moveaxis(matte.boxes, 1, 0)
    absent, before = np.full((1, 4), np.nan), frames.copy()
    mattes = matte.segment(np.concatenate([frames, frames[:1]]), np.concatenate([first, absent]))
    np.testing.assert_array_equal(frames, before)
    assert (mattes.shape, mattes.dtype) == ((len(frames) + 1, *frames.shape[1:3]), np.uint8)
    assert not mattes[-1].any()
    assert matte.segment(frames[:0], first[:0]).shape == (0, *frames.shape[1:3])
    np.testing.assert_array_equal(matte.segment(frames[-1:], first[-1:]), mattes[len(frames) - 1 : -1])
    nobody = matte.segment_empty(matte.empty[None], first[:1])[0]
    assert not nobody.any()
    if not matte.shows:  # an empty mask is a legal answer, in which nobody can be told from another
        return
    assert mattes[:-1].any(axis=(1, 2)).all()
    rival = matte.segment(frames[:1], second[:1])[0]
    assert inside(mattes[0], first[0]) > inside(mattes[0], second[0])
    assert inside(rival, second[0]) > inside(rival, first[0])
    swapped = matte.segment(np.ascontiguousarray(frames[:1, ..., ::-1]), first[:1])[0]
    assert (swapped != mattes[0]).any()


@pytest.fixture(scope="module", params=cases("background/backends"))
def filling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FillCase:
    name, options = request.param
    return FILLS[name](tmp_path_factory.mktemp(name), **options)


def test_holes_are_filled_in_the_houses_terms(filling: FillCase) -> None:
    image, mask = static_background((90, 130), seed=4), np.zeros((90, 130), bool)
    mask[20:51, 30:60] = mask[60:80, 90:130] = True  # two people, one of them cut off by the border
    image[mask] = (255, 0, 255)
    before, mask_before = image.copy(), mask.copy()
    filled_in = filling.fill(image, mask)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(mask, mask_before)
    assert (filled_in.shape, filled_in.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(filled_in[~mask], image[~mask])
    assert (filled_in[mask] != image[mask]).any(axis=1).mean() > 0.95
    np.testing.assert_array_equal(filling.fill(image, mask), filled_in)
    swapped = filling.fill(np.ascontiguousarray(image[..., ::-1]), mask)[..., ::-1]
    near = np.abs(swapped.astype(int) - filled_in)[mask] <= 1  # sums in another order may round otherwise
    assert (near.mean() > 0.99) == filling.alike
    for whole in (False, True):
        np.testing.assert_array_equal(filling.fill(image, np.full_like(mask, whole)), image)


@pytest.fixture(scope="module", params=cases("evaluation/backends"))
def flow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    name, options = request.param
    return FLOWS[name](tmp_path_factory.mktemp(name), **options)


@pytest.mark.parametrize("size_hw", [(90, 130), (20, 12)])
def test_flow_comes_in_the_houses_terms(flow: Callable[[np.ndarray, np.ndarray], np.ndarray], size_hw: tuple[int, int]) -> None:
    first = blotches(1, *size_hw)
    second = np.roll(first, 2, axis=1)
    before = first.copy(), second.copy()
    found = flow(first, second)
    np.testing.assert_array_equal((first, second), before)
    assert (found.shape, found.dtype) == ((*size_hw, 2), np.float32)
    assert np.isfinite(found).all()
    swapped = flow(np.ascontiguousarray(first[..., ::-1]), np.ascontiguousarray(second[..., ::-1]))
    assert not np.array_equal(swapped, found)
    np.testing.assert_array_equal(flow(first, second), found)  # nothing is kept from pair to pair
