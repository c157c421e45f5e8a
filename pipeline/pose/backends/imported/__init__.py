"""Keypoints that somebody else made: tables, label projects and arrays of the tools that labs use, or the house's own table."""

import sys
from pathlib import Path

import numpy as np

from pipeline.artifacts.keypoints import read_keypoints
from pipeline.artifacts.replacing import kind_of
from pipeline.artifacts.store import readable
from pipeline.errors import InputError, require_plain, warn
from pipeline.names import absence
from pipeline.pose.backends.imported.labels import Clip, Labels, match_frames, match_joints
from pipeline.pose.people import Backend, People

MOST_SCORE = 2.0  # networks' scores end a little above 1; above this, they are of another scale
SUFFIXES = (".parquet", ".csv", ".h5", ".hdf5", ".slp", ".json", ".npy")
LEGAL = (
    ".parquet (of this project), .csv or .h5 or project folder (DeepLabCut), .slp or .h5 (SLEAP), .json (COCO), "
    "a folder of .json (OpenPose), .npy (NumPy)"
)


def load(
    labels: Path | None,
    joints: tuple[str, ...],
    joint_map: dict[str, str | None],
    joint_names: list[str] | None,
    frames: int,
    images: list[str] | None,
    source: str,
    first: int | None = None,
) -> Backend:
    """Return the backend that hands out labels frame by frame.

    joint_map renames the labels' joints to the skeleton's; null leaves one out. joint_names names the joints of an array.
    frames is the clip's length; images names its pictures when it is a folder of them; source is its file name, by which
    a project of several clips is searched; first is the video's frame that a clip with a span begins with. Frames that the
    labels leave out show nobody. Raises InputError when the file is missing or damaged, when it does not fit the clip, when
    a joint is not the skeleton's, or a named one is lacking.
    """
    if labels is None:
        raise InputError(f"pose backend imported needs {LEGAL}, found none; name one in clips.<clip>.labels")
    if not labels.exists():
        raise InputError(f"pose backend imported needs {LEGAL}, found that {labels} {absence(labels)}; name one in clips.<clip>.labels")
    require_plain(labels)
    clip = Clip(frames, images, source, first)
    with readable(labels, "file of labels", "Export it again"):  # each format says what it can; no file may do more harm than this
        found = _read(labels, clip, joint_names)
        _say_scale(labels, found)
        points, score, labelled = match_frames(labels, found, clip)
        points, score = match_joints(labels, found.names, points, score, joints, joint_map)
    followed = found.followed
    del found  # all else that it holds lies in points and score
    _say_unlabelled(labels, labelled, frames)
    identity = np.arange(points.shape[1])
    frame = 0

    def hand_out(block: np.ndarray) -> list[People]:
        nonlocal frame
        if frame == 0:
            _require_inside(labels, points, block.shape[1:3])
        first, frame = frame, frame + len(block)
        if followed:
            return [People(points[t], score[t], identity) for t in range(first, frame)]
        seen = np.asarray(np.isfinite(points[..., 0]).any(axis=2))
        return [People(points[t, seen[t]], score[t, seen[t]]) for t in range(first, frame)]

    return hand_out


def _read(path: Path, clip: Clip, joint_names: list[str] | None) -> Labels:
    suffix = path.suffix.lower()
    if joint_names is not None and suffix != ".npy":
        raise InputError(f"{path} names its joints itself; joint_names is for .npy arrays: take it out, or rename in joint_map")
    if path.is_dir():
        return _read_folder(path, clip)
    match suffix:
        case ".parquet":
            return _read_house(path, clip)
        case ".csv":
            from pipeline.pose.backends.imported.deeplabcut import read_csv

            return read_csv(path)
        case ".h5" | ".hdf5":
            from pipeline.pose.backends.imported.hdf5 import opened

            with opened(path) as file:
                if "tracks" in file and "node_names" in file:
                    from pipeline.pose.backends.imported.sleap import read_analysis

                    return read_analysis(path, file)
                from pipeline.pose.backends.imported.deeplabcut_h5 import read_h5

                return read_h5(path, file)
        case ".slp":
            from pipeline.pose.backends.imported.sleap import read_slp

            return read_slp(path, clip.source)
        case ".json":
            from pipeline.pose.backends.imported.coco import read_coco

            return read_coco(path, clip.images is not None)
        case ".npy":
            from pipeline.pose.backends.imported.array import read_array

            return read_array(path, joint_names, clip)
        case other:
            raise InputError(
                f"pose backend imported reads {LEGAL}, found {path} ({other or 'no suffix'}); export the labels as one of these"
            )


def _read_folder(path: Path, clip: Clip) -> Labels:
    from pipeline.pose.backends.imported.openpose_json import json_files, read_openpose

    if json_files(path):
        return read_openpose(path, clip.images is not None)
    from pipeline.pose.backends.imported.deeplabcut import find_csv, read_csv

    return read_csv(find_csv(path, clip.source))


def _read_house(path: Path, clip: Clip) -> Labels:
    if kind_of(path) is None:
        raise InputError(f"{path} must be keypoints that this project wrote, found another or a damaged table; export labels as {LEGAL}")
    table = read_keypoints(path)
    clip.require_every_frame(path, len(table.points))
    points, score = table.points.astype(np.float64), table.score.astype(np.float64)
    return Labels(list(table.joints), points, score, range(len(points)), followed=True)


def _require_inside(path: Path, points: np.ndarray, size_hw: tuple[int, ...]) -> None:
    """InputError when most labelled joints (t p j 2) lie outside frames of size_hw: labels of another size or rotation."""
    labelled = points[np.isfinite(points).all(axis=-1)]
    outside = int(((labelled < -0.5) | (labelled > np.array(size_hw[::-1]) - 0.5)).any(axis=-1).sum())
    if 2 * outside > len(labelled):
        found = f"{size_hw[1]} x {size_hw[0]} px, found {outside} of {len(labelled)} labelled joints outside"
        raise InputError(
            f"{path} must give pixels of the clip's frames, {found}: scale or turn the labels, or set frames.max_height_px to null"
        )


def _say_scale(path: Path, labels: Labels) -> None:
    highest = float(np.nanmax(labels.score, initial=0.0, where=np.isfinite(labels.score)))
    if highest > MOST_SCORE:
        warn(f"{path} has scores up to {highest:g}; all above 1 count as 1, though they may mean less: write them from 0 to 1")


def _say_unlabelled(path: Path, labelled: int, frames: int) -> None:
    if labelled < frames:
        print(f"{path} labels {labelled} of {frames} frames; the others count as frames without the subject", file=sys.stderr)
