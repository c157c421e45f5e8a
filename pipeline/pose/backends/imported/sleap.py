"""SLEAP's labels: the project file (.slp) and the analysis file (.h5), as sleap-io 0.9 documents and writes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.pose.backends.imported.hdf5 import opened, text, texts
from pipeline.pose.backends.imported.labels import Labels, require_room
from pipeline.pose.backends.imported.sleap_videos import find_video, rows_of

NEWEST = 3.0  # from this format on, tables are laid out otherwise
PIXEL_CENTRES = 1.1  # from this format on, whole numbers are pixel centres; before, corners
USER = 0  # instance_type of what a person labelled; 1 is a network's
ANALYSIS_AXES = ["track", "xy", "node", "frame"]
PYTHON_AXES = ["frame", "node", "xy", "track"]  # of the first versions, with transpose = False


def read_analysis(path: Path, file: Any) -> Labels:
    """Read an open analysis file: tracks are animals with an identity; frames after the last labelled one are left out."""
    tracks = file["tracks"]
    if "dims" in tracks.attrs:
        axes = json.loads(text(tracks.attrs["dims"]))
    else:
        axes = ANALYSIS_AXES if file.attrs.get("transpose", True) else PYTHON_AXES
    names = texts(file["node_names"])
    if sorted(axes) != sorted(ANALYSIS_AXES) or tracks.ndim != 4 or tracks.shape[axes.index("node")] != len(names):
        raise InputError(f"{path} must have tracks of {len(names)} nodes, found axes {axes}, shape {tracks.shape}; export it again")
    points = np.transpose(tracks[:].astype(np.float64), [axes.index(a) for a in ("frame", "track", "node", "xy")])
    score = np.isfinite(points[..., 0]).astype(np.float64)
    if "point_scores" in file and len(file["point_scores"]):
        flat = [axis for axis in axes if axis != "xy"]
        measured = np.transpose(file["point_scores"][:], [flat.index(a) for a in ("frame", "track", "node")])
        score = np.where(measured > 0, measured, score)  # points set by hand have no score
    return Labels(names, points, score, range(len(points)), followed=True)


def read_slp(path: Path, source: str) -> Labels:
    """Read the labels of one video of a project file or package, the one named like `source` when there are several.

    What a person labelled takes the place of the prediction that it corrects. Without tracks animals have no identity.
    """
    with opened(path) as file:
        about = json.loads(text(file["metadata"].attrs["json"]))
        version = float(file["metadata"].attrs.get("format_id", 1.0))
        if version >= NEWEST:
            raise InputError(f"{path} has SLEAP format {version:g}, legal below {NEWEST:g}; export it as analysis .h5")
        names = _node_names(path, about)
        frames = file["frames"][:]
        number, pictures = find_video(path, file, source)
        frames = frames[frames["video"] == number]
        shift = 0.5 if version < PIXEL_CENTRES else 0.0
        instances, user, predicted = (file[name][:] for name in ("instances", "points", "pred_points"))
        tracks = len(file["tracks_json"]) if "tracks_json" in file else 0
    chosen = [_shown(instances, int(f["instance_id_start"]), int(f["instance_id_end"])) for f in frames]
    followed = tracks > 0 and all(int(one["track"]) >= 0 for group in chosen for one in group)
    places = tracks if followed else max(map(len, chosen), default=0)
    require_room(path, (len(frames), places, len(names)))
    points, score = np.full((len(frames), places, len(names), 2), np.nan), np.zeros((len(frames), places, len(names)))
    for t, group in enumerate(chosen):
        for i, one in enumerate(group):
            p = int(one["track"]) if followed else i
            by_hand = int(one["instance_type"]) == USER
            rows = (user if by_hand else predicted)[int(one["point_id_start"]) : int(one["point_id_end"])]
            if len(rows) != len(names):
                raise InputError(f"{path} must have {len(names)} points an animal, found {len(rows)} in frame {t}; save the project again")
            seen = rows["visible"].astype(bool) & np.isfinite(rows["x"])
            points[t, p] = np.where(seen[:, None], np.stack([rows["x"], rows["y"]], axis=1) - shift, np.nan)
            score[t, p] = np.where(seen, 1.0 if by_hand else rows["score"], 0.0)
    return Labels(names, points, score, rows_of(path, [int(f["frame_idx"]) for f in frames], pictures), followed)


def _node_names(path: Path, about: dict[str, Any]) -> list[str]:
    if len(about["skeletons"]) != 1:
        raise InputError(f"{path} must have one skeleton, found {len(about['skeletons'])}; export the animal's labels alone")
    skeleton = about["skeletons"][0]
    nodes = skeleton.get("nx_graph", skeleton)["nodes"]
    return [about["nodes"][int(node["id"])]["name"] for node in nodes]


def _shown(instances: np.ndarray, start: int, stop: int) -> list[np.void]:
    """The instances of a frame without the predictions that somebody corrected, by reference or as the same track."""
    here = {int(one["instance_id"]): one for one in instances[start:stop]}
    by_hand = [one for one in here.values() if int(one["instance_type"]) == USER]
    corrected = {int(one["from_predicted"]) for one in by_hand}
    retracked = {int(one["track"]) for one in by_hand} - {-1}
    return by_hand + [
        one
        for number, one in here.items()
        if int(one["instance_type"]) != USER and number not in corrected and int(one["track"]) not in retracked
    ]
