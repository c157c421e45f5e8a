"""What each interchangeable backend needs to be tried: a case each, by which test_backends.py holds all to one contract.

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
from tiny_onnx import write_recurrent

from pipeline.artifacts.keypoints import write_keypoints
from pipeline.assets.catalogue import read_asset
from pipeline.assets.fetch import fetch_asset
from pipeline.errors import InputError
from pipeline.matting.difference import fit_background
from pipeline.matting.instances import matte_of
from pipeline.pose.people import People, people_of_table, person_boxes
from pipeline.video.reading import read_video

ROOT = Path(__file__).resolve().parent.parent
HUMAN = human()
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


def dcpose_case(folder: Path, **options: str) -> Callable[[Sequence[str]], Any]:
    weights = filled.write_dcpose(folder)
    return lambda joints: adapter("pipeline/pose/refiners", "dcpose").load(weights, "cpu", joints=joints, **options)


REFINERS = {"dcpose": dcpose_case, "none": None}


@dataclasses.dataclass(frozen=True)
class MatteCase:
    """A matting backend, one that finds nobody (or the same), frames (t h w 3), and the boxes (t 2 4) of two people in them.

    shows: whether a mask of somebody has a pixel, which no network owes us.
    """

    segment: Callable[[np.ndarray, np.ndarray], np.ndarray]
    segment_empty: Callable[[np.ndarray, np.ndarray], np.ndarray]
    frames: np.ndarray
    boxes: np.ndarray
    empty: np.ndarray
    shows: bool = True


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
    """The real network, which takes drawn figures for people and refuses a box that shows nobody."""
    frames, points, background = two_figures(2)
    segment = adapter("pipeline/matting/backends", "blazepose").load(fetched("blazepose", folder / "weights"), 1, [], [])
    return MatteCase(segment, segment, frames, person_boxes(points), np.full_like(background, 128))


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
    frame = blotches(0, 24, 128)[None]  # flat: the networks enlarge the shorter side to 800 px, the longer one to 1333 at most
    (find,) = segments[0].args
    people = find(frame[0])
    seen = [inside(matte_of(people, box, frame.shape[1:3]), box) > 0 for box in people.boxes_xyxy]  # some masks are empty
    boxes = people.boxes_xyxy[seen] if any(seen) else people.boxes_xyxy
    assert len(boxes), f"{name} must take everything for a person, it found nobody"
    first = boxes[(boxes[:, 2:] - boxes[:, :2]).min(axis=1).argmax()]
    second = boxes[np.abs(boxes - first).sum(axis=1).argmax()]
    return MatteCase(*segments, frame, np.stack([first, second])[None], frame[0], shows=any(seen))


def rvm_case(folder: Path) -> MatteCase:
    """A network that takes what is bright for people, and one that takes nothing; each frame seen alone, as after an absence."""
    frames, points, background = two_figures(2)
    load, segments = adapter("pipeline/matting/backends", "rvm").load, []
    for bias in (-1.0, -100.0):
        place = folder / str(bias)
        place.mkdir()
        write_recurrent(place / "rvm_mobilenetv3_fp32.onnx", [1.0, 2.0, 0.5], bias)
        segments.append(partial(each_alone, load(place, 1, 130.0)))
    return MatteCase(*segments, frames, person_boxes(points), background)


def each_alone(remembering: Callable[..., np.ndarray], frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the mattes of a backend that remembers, which forgets before each frame."""
    mattes = np.zeros(frames.shape[:3], np.uint8)
    for t in range(len(frames)):
        here, nobody = slice(t, t + 1), np.full((1, 4), np.nan)
        remembering(frames[here], nobody, np.zeros((1, 1, 2)))
        mattes[here] = remembering(frames[here], boxes[here], np.zeros((1, 1, 2)))
    return mattes


MATTING = {
    "rvm": rvm_case,
    "background_difference": difference_case,
    "blazepose": blazepose_matte_case,
    **{name: partial(instances_case, name=name) for name in ("maskrcnn", "maskrcnn_v2", "detectron2")},
}


def inside(matte: np.ndarray, box: np.ndarray) -> int:
    x0, y0, x1, y1 = np.rint(box).astype(int).clip(0)
    return int(matte[y0:y1, x0:x1].sum())


@dataclasses.dataclass(frozen=True)
class FillCase:
    """A fill, and whether it treats the three colours as one another's equals."""

    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]
    alike: bool


FILLS = {
    "exemplar": lambda folder: FillCase(adapter("pipeline/background/backends", "exemplar").load(), True),
    "telea": lambda folder: FillCase(adapter("pipeline/background/backends", "telea").load(), True),
    "deepfill": lambda folder: FillCase(
        adapter("pipeline/background/backends", "deepfill").load(filled.write_deepfill(folder, "pt"), "cpu"), False
    ),
}


def raft_case(folder: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return adapter("pipeline/evaluation/backends", "raft").load(filled.write_raft(folder).parent)


FLOWS = {"dis": lambda folder: adapter("pipeline/evaluation/backends", "dis").load(folder), "raft": raft_case}
