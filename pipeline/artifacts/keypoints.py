"""Keypoints and motions: a long Parquet table of frame, person, joint, x, y, score, origin."""

import json
import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts.source import IN_MEMORY, Source
from pipeline.artifacts.store import read_size, readable
from pipeline.artifacts.tables import read_table, write_table
from pipeline.body.skeleton import Skeleton
from pipeline.errors import InputError
from pipeline.picture.camera import Camera
from pipeline.video.clock import Clock

ORIGINS = ("missing", "measured", "refined", "interpolated", "smoothed", "imported", "retargeted", "dropped")
ROWS_PER_GROUP = 1 << 18
MADE_BY = {"keypoints": "estimate_poses", "motions": "retarget_motion"}
REMEDY = {kind: f"Run: dvc repro {stage}" for kind, stage in MADE_BY.items()}


@dataclass(frozen=True)
class Track:
    """One person over time: points (t j 2) float32 full pixels, score (t j), origin (t j) index into ORIGINS.

    x and y are NaN where a joint is missing or dropped, and its score is 0. present (t): any joint is there. camera: as of Keypoints.
    """

    points: np.ndarray
    score: np.ndarray
    origin: np.ndarray
    skeleton: Skeleton
    clock: Clock
    size_hw: tuple[int, int]
    attributes: dict[str, Any]
    source: Source = IN_MEMORY["keypoints"]
    camera: Camera | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def joints(self) -> tuple[str, ...]:
        return self.skeleton.joints

    @property
    def present(self) -> np.ndarray:
        return np.asarray(np.isfinite(self.points[..., 0]).any(axis=1))


@dataclass(frozen=True)
class Keypoints:
    """All people of a clip: points (t p j 2) float32, score (t p j) float32, origin (t p j) uint8, NaN = missing.

    `selected` is the person (index into p) that the clip is about, None when nobody was seen. camera: how the frames lie in the
    still view whose pixels these are, and size_hw the size of; None where the frames' own pixels are.
    """

    points: np.ndarray
    score: np.ndarray
    origin: np.ndarray
    skeleton: Skeleton
    clock: Clock
    size_hw: tuple[int, int]
    selected: int | None
    attributes: dict[str, Any] = field(default_factory=dict)
    source: Source = IN_MEMORY["keypoints"]
    camera: Camera | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def joints(self) -> tuple[str, ...]:
        return self.skeleton.joints

    def track(self) -> Track:
        """The selected person; without one, a track that is absent throughout."""
        t, _, j = self.score.shape
        if self.selected is None:
            points, score = np.full((t, j, 2), np.nan, np.float32), np.zeros((t, j), np.float32)
            origin = np.zeros((t, j), np.uint8)
        else:
            points, score, origin = (a[:, self.selected] for a in (self.points, self.score, self.origin))
        return Track(points, score, origin, self.skeleton, self.clock, self.size_hw, self.attributes, self.source, self.camera)


def motion_of(track: Track, clock: Clock | None = None, **attributes: Any) -> Keypoints:
    """Wrap one person's track as the table that write_keypoints stores with kind `motions`."""
    return Keypoints(
        points=track.points[:, None],
        score=track.score[:, None],
        origin=track.origin[:, None],
        skeleton=track.skeleton,
        clock=clock or track.clock,
        size_hw=track.size_hw,
        selected=0,
        attributes={**track.attributes, **attributes},
    )


def write_keypoints(path: str | os.PathLike[str], keypoints: Keypoints, kind: str = "keypoints") -> None:
    """Publish a table of kind `keypoints` or `motions`; one row per frame, person and joint, missing ones too."""
    kp = _cleaned(keypoints)
    t, p, j = kp.score.shape
    frame, person, joint = (np.ascontiguousarray(a).reshape(-1) for a in np.indices((t, p, j)))
    table = pa.table(
        {
            "frame": pa.array(frame, pa.int32()),
            "person": pa.array(person, pa.int16()),
            "joint": pa.DictionaryArray.from_arrays(pa.array(joint, pa.int16()), pa.array(kp.joints)),
            "x": pa.array(kp.points[..., 0].reshape(-1), pa.float32()),
            "y": pa.array(kp.points[..., 1].reshape(-1), pa.float32()),
            "score": pa.array(kp.score.reshape(-1), pa.float32()),
            "origin": pa.DictionaryArray.from_arrays(pa.array(kp.origin.reshape(-1).astype(np.int8)), pa.array(ORIGINS)),
        }
    )
    attributes = {
        **kp.attributes,
        **kp.clock.to_attributes(),
        "shape": [t, p, j],
        "size_hw": list(kp.size_hw),
        "selected": kp.selected,
        "skeleton": json.loads(kp.skeleton.to_json()),
        **({} if kp.camera is None else {"camera": kp.camera.to_attributes()}),
    }
    write_table(
        path,
        kind,
        table,
        attributes,
        use_dictionary=["frame", "person", "joint", "origin"],
        use_byte_stream_split=["x", "y", "score"],
        row_group_size=ROWS_PER_GROUP,
    )


def read_keypoints(path: str | os.PathLike[str], kind: str = "keypoints") -> Keypoints:
    """Read a table of kind `keypoints` or `motions`; InputError when missing, of another kind or damaged."""
    table, attributes = read_table(path, kind, f"{kind} table", REMEDY[kind])
    with readable(path, f"{kind} table", REMEDY[kind]):
        found = replace(_from_table(table, attributes, path, REMEDY[kind]), source=Source.of(path, kind, MADE_BY[kind]))
    del table
    pa.default_memory_pool().release_unused()  # of a long clip it keeps a hundred MB for the next table
    return found


def _from_table(table: pa.Table, attributes: dict[str, Any], path: str | os.PathLike[str], remedy: str) -> Keypoints:
    try:
        skeleton = Skeleton.from_json(json.dumps(attributes.pop("skeleton")))
    except InputError as error:  # which knows no file
        raise ValueError(str(error).rstrip(".")) from error
    t, p, j = attributes.pop("shape")
    if table.num_rows != t * p * j:
        raise InputError(f"{path} has {table.num_rows} rows, its attributes say {t} × {p} × {j}. {remedy}")
    _require_order(table, (t, p, j), skeleton)
    column = {name: table.column(name).combine_chunks() for name in ("x", "y", "score", "origin")}
    xy = np.stack([column["x"].to_numpy(zero_copy_only=False), column["y"].to_numpy(zero_copy_only=False)], axis=-1)
    if np.isinf(xy).any() or (np.isnan(xy[:, 0]) != np.isnan(xy[:, 1])).any():
        raise ValueError("a joint must have two finite coordinates or none, found others")
    origin = column["origin"]
    lookup = np.array([ORIGINS.index(name) for name in origin.dictionary.to_pylist()], np.uint8)
    codes = lookup[np.asarray(origin.indices)]
    clock = Clock.from_attributes(attributes)
    clock.require_frames(t)
    size_hw = read_size(attributes, "size_hw")
    selected = attributes.pop("selected")
    if not (selected is None or (type(selected) is int and 0 <= selected < p)) or j != len(skeleton.joints):
        found = f"{selected} and {len(skeleton.joints)}"
        raise ValueError(f"selected must be one of {p} people and {j} joints those of the skeleton, found {found}")
    camera = Camera.from_attributes(attributes.pop("camera")) if "camera" in attributes else None
    if camera is not None and (len(camera) != t or camera.size_hw != size_hw):
        raise ValueError(f"the camera must have {t} frames and a view of {size_hw}, found {len(camera)} and {camera.size_hw}")
    for key in ("fps", "time_base", "pts", "kind", "version", "size_hw"):
        attributes.pop(key)
    return Keypoints(
        points=xy.astype(np.float32).reshape(t, p, j, 2),
        score=column["score"].to_numpy(zero_copy_only=False).astype(np.float32).reshape(t, p, j),
        origin=codes.reshape(t, p, j),
        skeleton=skeleton,
        clock=clock,
        size_hw=size_hw,
        selected=selected,
        attributes=attributes,
        camera=camera,
    )


def _require_order(table: pa.Table, shape: tuple[int, int, int], skeleton: Skeleton) -> None:
    """ValueError unless the rows go through frames, people and joints as they are written: another program may have sorted them."""
    for axis, name in enumerate(("frame", "person", "joint")):
        column, count = table.column(name).combine_chunks(), shape[axis]
        if name == "joint":
            place = {joint: i for i, joint in enumerate(skeleton.joints)}
            found = np.array([place.get(joint, -1) for joint in column.dictionary.to_pylist()])[np.asarray(column.indices)]
        else:
            found = column.to_numpy(zero_copy_only=False)
        wanted = np.broadcast_to(np.arange(count).reshape([count if i == axis else 1 for i in range(3)]), shape).reshape(-1)
        if not np.array_equal(found, wanted):
            raise ValueError(f"its rows must be sorted by frame, person and joint, all of each there, found another {name} in between")


def _cleaned(kp: Keypoints) -> Keypoints:
    """A joint without both coordinates has neither, and no score."""
    gone = np.asarray(~np.isfinite(kp.points).all(axis=-1))
    points = np.where(gone[..., None], np.float32(np.nan), kp.points).astype(np.float32)
    keep = np.isin(kp.origin, (ORIGINS.index("missing"), ORIGINS.index("dropped")))
    origin = np.where(gone & ~keep, ORIGINS.index("missing"), kp.origin).astype(np.uint8)
    return replace(kp, points=points, score=np.where(gone, 0, kp.score).astype(np.float32), origin=origin)
