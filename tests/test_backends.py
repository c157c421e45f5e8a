"""One contract for all interchangeable backends, room by room: what they take and what they give, whichever is chosen.

Every package under pipeline/*/backends and pipeline/pose/refiners has its case here; one that is added without a case fails.
Networks have their real architectures and weights filled by the oracles' rule (see filled.py), or are fetched; all run on the CPU.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import filled
import numpy as np
import pytest
from figure import Figure, Motion, human, static_background, truth

from pipeline.artifacts.keypoints import write_keypoints
from pipeline.assets.catalogue import read_asset
from pipeline.assets.fetch import fetch_asset
from pipeline.errors import InputError
from pipeline.matting.difference import fit_background
from pipeline.matting.instances import matte_of
from pipeline.pose.people import People, people_of_table, person_boxes
from pipeline.video_reading import read_video

ROOT = Path(__file__).resolve().parent.parent
HUMAN = human()
PIPELINE = ROOT / "pipeline"
FOLDERS = sorted(path.relative_to(ROOT).as_posix() for kind in ("backends", "refiners") for path in PIPELINE.glob(f"*/{kind}"))
SLOW = {"openpose", "dcpose", "maskrcnn", "maskrcnn_v2", "detectron2", "raft"} | {"pose/backends/blazepose", "matting/backends/blazepose"}
SIZE_HW = (160, 240)
FEET = ((50, 150), (180, 150))


def backends(folder: str) -> list[str]:
    """Return the names of the packages in a folder of interchangeable ones."""
    return sorted(path.parent.name for path in (ROOT / folder).glob("*/__init__.py"))


def adapter(folder: str, name: str) -> Any:
    """Return a backend's module."""
    return importlib.import_module(f"{folder}/{name}".replace("/", "."))


def cases(room: str) -> list[Any]:
    """Return (name, options of load) of a folder's backends, once for every precision that one offers."""
    folder, found = f"pipeline/{room}", []
    for name in backends(folder):
        marks = [pytest.mark.slow] if {name, f"{room}/{name}"} & SLOW else []
        offers = "precision" in inspect.signature(adapter(folder, name).load).parameters
        for options in ({"precision": "float32"}, {"precision": "bfloat16"}) if offers else ({},):
            found.append(pytest.param((name, options), id="-".join([name, *options.values()]), marks=marks))
    return found


def fetched(name: str, folder: Path) -> Path:
    """Return the folder with an asset's files, as a user's first command fetches them; skips where no index can be reached."""
    try:
        fetch_asset(read_asset(name), folder, ROOT / "data" / "incoming", ROOT / ".scratch" / "downloads")
    except InputError as error:
        pytest.skip(f"{name} cannot be fetched here: {error}")
    return folder


def two_figures(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frames (t h w 3) of two figures side by side, their joints (t 2 j 2) and the bare background."""
    figures, background = (Figure(height_px=130), Figure(height_px=120, colours={"shirt": (30, 150, 70)})), static_background(SIZE_HW)
    points = np.stack([one.points(frames, foot, Motion()) for one, foot in zip(figures, FEET, strict=True)], axis=1)
    first = figures[0].render(points[:, 0], background)[0]
    both = [figures[1].render(points[t : t + 1, 1], image)[0][0] for t, image in enumerate(first)]
    return np.stack(both), points, background


def test_every_backend_has_a_case() -> None:
    rooms = {"pose/backends": POSE, "pose/refiners": REFINERS, "matting/backends": MATTING, "background/backends": FILLS}
    rooms["evaluation/backends"] = FLOWS
    assert sorted(f"pipeline/{room}" for room in rooms) == FOLDERS
    for room, known in rooms.items():
        assert backends(f"pipeline/{room}") == sorted(known), room


# --- pose -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class PoseCase:
    """A pose backend: load(joints) gives it as at a clip's first frame; it looks at pixels, or not; how many people it sees.

    frames (t h w 3) show two people at once somewhere, empty (1 h w 3) nobody, as load_empty's backend sees it.
    """

    load: Callable[[Sequence[str]], Callable[[np.ndarray], list[People]]]
    load_empty: Callable[[Sequence[str]], Callable[[np.ndarray], list[People]]]
    frames: np.ndarray
    empty: np.ndarray
    looks: bool = True
    people: int = 2


def blotches(seed: int, height: int, width: int) -> np.ndarray:
    """Return coarse coloured blotches (h w 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def blazepose_case(folder: Path) -> PoseCase:
    """The real networks on the demo's two people."""
    load = adapter("pipeline/pose/backends", "blazepose").load
    weights = fetched("blazepose", folder / "weights")
    video = fetched("demo_multi_cam04", folder / "demo") / "cam04.mp4"
    frames = next(iter(read_video(video, max_height_px=540))).frames[:3]
    make = lambda joints: load(weights, 1, tuple(joints), 6, 1, 0.5)  # noqa: E731
    return PoseCase(make, make, frames, np.full((1, 120, 160, 3), 128, np.uint8))


def openpose_case(folder: Path, **options: str) -> PoseCase:
    """Filled networks see people in blotches; networks of zeros see nobody."""
    load = adapter("pipeline/pose/backends", "openpose").load
    (folder / "zeros").mkdir()
    weights, zeros = filled.write_openpose(folder), filled.write_openpose(folder / "zeros", sees=False)

    def make(paths: dict[str, Path], joints: Sequence[str]) -> Callable[[np.ndarray], list[People]]:
        see = load(paths, "cpu", scales=(0.2,), hand_scales=(0.1,), joints=joints, **options)
        return lambda block: [people_of_table(table) for table in see(block)]

    frames = np.stack([blotches(seed, 150, 121) for seed in (0, 2)])
    return PoseCase(partial(make, weights), partial(make, zeros), frames, np.zeros((1, 60, 80, 3), np.uint8))


def imported_case(folder: Path) -> PoseCase:
    """A table of two people, and one without a single joint."""
    load = adapter("pipeline/pose/backends", "imported").load
    frames, points, _ = two_figures(3)
    first, second = (truth(points[:, p], Figure().joints, HUMAN, SIZE_HW) for p in (0, 1))
    table = dataclasses.replace(
        first, **{name: np.concatenate([getattr(one, name) for one in (first, second)], axis=1) for name in ("points", "score", "origin")}
    )
    table.points[1, 0], table.score[1, 0], table.origin[1, 0] = np.nan, 0, 0
    nobody = truth(np.full((1, len(Figure().joints), 2), np.nan), Figure().joints, HUMAN, SIZE_HW)
    write_keypoints(folder / "two.parquet", table)
    write_keypoints(folder / "nobody.parquet", dataclasses.replace(nobody, selected=None))
    makes = [
        lambda joints, n=n, t=t: load(folder / f"{n}.parquet", tuple(joints), {}, None, t, None, "ann.mkv")
        for n, t in (("two", 3), ("nobody", 1))
    ]
    return PoseCase(*makes, frames, frames[:1], looks=False)


def none_case(folder: Path) -> PoseCase:
    """Nobody is seen, whoever is there."""
    load = adapter("pipeline/pose/backends", "none").load
    frames = two_figures(2)[0]
    make = lambda joints: load(tuple(joints))  # noqa: E731
    return PoseCase(make, make, frames, frames[:1], looks=False, people=0)


POSE = {"blazepose": blazepose_case, "openpose": openpose_case, "imported": imported_case, "none": none_case}


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


# --- refiners ---------------------------------------------------------------------------------------------------------


def dcpose_case(folder: Path, **options: str) -> Callable[[Sequence[str]], Any]:
    weights = filled.write_dcpose(folder)
    return lambda joints: adapter("pipeline/pose/refiners", "dcpose").load(weights, "cpu", joints=joints, **options)


REFINERS = {"dcpose": dcpose_case, "none": None}


@pytest.fixture(scope="module", params=[case for case in cases("pose/refiners") if REFINERS[case.values[0][0]]])
def refiner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str]], Any]:
    name, options = request.param
    return REFINERS[name](tmp_path_factory.mktemp(name), **options)


def test_the_refiner_none_is_no_function() -> None:
    assert adapter("pipeline/pose/refiners", "none").load() is None


def test_refined_joints_come_in_the_houses_terms(refiner: Callable[[Sequence[str]], Any]) -> None:
    frames, points, _ = two_figures(3)
    boxes, before = person_boxes(points), frames.copy()
    boxes[1, 1] = np.nan
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


# --- mattes -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class MatteCase:
    """A matting backend, one that finds nobody (or the same), frames (t h w 3), and the boxes (t 2 4) of two people in them.

    doubts: whether it notices that a box holds nobody.
    """

    segment: Callable[[np.ndarray, np.ndarray], np.ndarray]
    segment_empty: Callable[[np.ndarray, np.ndarray], np.ndarray]
    frames: np.ndarray
    boxes: np.ndarray
    empty: np.ndarray
    doubts: bool = True


def difference_case(folder: Path) -> MatteCase:
    """Two drawn figures on a known background; whose joints are meant is told by the box."""
    frames, points, background = two_figures(2)
    still = np.repeat(background[None], 5, axis=0)
    known = fit_background(still, np.zeros(still.shape[:3], bool))
    by_joints = adapter("pipeline/matting/backends", "background_difference").load(known, 5.0, 12.0, HUMAN.limb_indices())
    boxes, on_human = person_boxes(points), [truth(points[:, p], Figure().joints, HUMAN, SIZE_HW).points[:, 0] for p in (0, 1)]

    def segment(images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        joints = np.full((len(images), len(HUMAN.joints), 2), np.nan)
        for t, box in enumerate(wanted):
            for p, frame in zip(*np.nonzero((boxes == box).all(axis=2).T), strict=True):
                joints[t] = on_human[p][frame]
        return by_joints(images, wanted, joints)

    return MatteCase(segment, segment, frames, boxes, background)


def blazepose_matte_case(folder: Path) -> MatteCase:
    """The real network, which paints somebody into every box: it is asked only where joints were seen."""
    frames, points, background = two_figures(2)
    segment = adapter("pipeline/matting/backends", "blazepose").load(fetched("blazepose", folder / "weights"), 1, [], [])
    return MatteCase(segment, segment, frames, person_boxes(points), np.full_like(background, 128), doubts=False)


def instances_case(folder: Path, name: str) -> MatteCase:
    """Filled networks that take everything, or nothing, for a person: two of the instances found stand for two people."""
    package, segments = adapter("pipeline/matting/backends", name), []
    for person in (filled.SURE, filled.NEVER):
        place = folder / str(person)
        place.mkdir()
        if name == "detectron2":
            options = {"config": filled.DETECTRON2_CONFIG, "cache": place}
            segments.append(package.load(filled.write_detectron2(place, person), "cpu", **options))
        else:
            filled.write_maskrcnn(place, name, person)
            segments.append(package.load(place, "cpu"))
    frame = blotches(0, 64, 64)[None]
    (find,) = segments[0].args
    people = find(frame[0])
    seen = [_inside(matte_of(people, box, frame.shape[1:3]), box) > 0 for box in people.boxes_xyxy]  # some masks are empty
    boxes = people.boxes_xyxy[seen]
    first = boxes[(boxes[:, 2:] - boxes[:, :2]).min(axis=1).argmax()]
    second = boxes[np.abs(boxes - first).sum(axis=1).argmax()]
    return MatteCase(*segments, frame, np.stack([first, second])[None], frame[0])


MATTING = {
    "background_difference": difference_case,
    "blazepose": blazepose_matte_case,
    **{name: partial(instances_case, name=name) for name in ("maskrcnn", "maskrcnn_v2", "detectron2")},
}


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
    assert mattes[:-1].any(axis=(1, 2)).all()
    assert not mattes[-1].any()
    assert matte.segment(frames[:0], first[:0]).shape == (0, *frames.shape[1:3])
    np.testing.assert_array_equal(matte.segment(frames[-1:], first[-1:]), mattes[len(frames) - 1 : -1])
    rival = matte.segment(frames[:1], second[:1])[0]
    assert _inside(mattes[0], first[0]) > _inside(mattes[0], second[0])
    assert _inside(rival, second[0]) > _inside(rival, first[0])
    swapped = matte.segment(np.ascontiguousarray(frames[:1, ..., ::-1]), first[:1])[0]
    assert (swapped != mattes[0]).any()
    nobody = matte.segment_empty(matte.empty[None], first[:1])[0]
    assert nobody.any() != matte.doubts


def _inside(matte: np.ndarray, box: np.ndarray) -> int:
    x0, y0, x1, y1 = np.rint(box).astype(int).clip(0)
    return int(matte[y0:y1, x0:x1].sum())


# --- fills ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class FillCase:
    """A fill, and whether it treats the three colours as one another's equals."""

    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]
    alike: bool


FILLS = {
    "telea": lambda folder: FillCase(adapter("pipeline/background/backends", "telea").load(), True),
    "deepfill": lambda folder: FillCase(
        adapter("pipeline/background/backends", "deepfill").load(filled.write_deepfill(folder, "pt"), "cpu"), False
    ),
}


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
    assert np.array_equal(swapped, filled_in) == filling.alike
    for whole in (False, True):
        np.testing.assert_array_equal(filling.fill(image, np.full_like(mask, whole)), image)


# --- optical flow -----------------------------------------------------------------------------------------------------


def raft_case(folder: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return adapter("pipeline/evaluation/backends", "raft").load(filled.write_raft(folder).parent)


FLOWS = {"dis": lambda folder: adapter("pipeline/evaluation/backends", "dis").load(folder), "raft": raft_case}


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
