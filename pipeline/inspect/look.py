"""Schema, attributes, statistics and pictures of any artifact."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.findings import Findings, shortened, statistics
from pipeline.artifacts.store import readable
from pipeline.errors import InputError, require_plain
from pipeline.picture.sheets import spread

SAMPLED_FRAMES = 64
PICTURES = 8
REMEDY = "It may be damaged or of another format."


def inspect(path: Path) -> Findings:
    """Look into an artifact; InputError when it is missing, damaged or of no known format."""
    if not path.exists():
        raise InputError(f"{path} does not exist: name an artifact under data/.")
    require_plain(path)
    with readable(path, "artifact", REMEDY):
        return _look(path)


def _look(path: Path) -> Findings:
    if path.is_dir():
        if (path / "zarr.json").is_file() or path.suffix == ".zarr":
            return _zarr(path)
        if (path / "asset.json").is_file():
            return _json(path / "asset.json")
        raise InputError(f"{path} is a folder that is neither Zarr (zarr.json) nor an asset (asset.json).")
    readers: dict[str, Callable[[Path], Findings]] = {
        ".parquet": _parquet,
        ".safetensors": _model,
        ".json": _json,
        ".tsv": _curve,
        **dict.fromkeys((".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"), _video),
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} has no known suffix; known: .zarr (folder), {', '.join(sorted(readers))}.")
    return readers[path.suffix.lower()](path)


def _headline(path: Path, attributes: dict[str, Any]) -> str:
    kind, version = attributes.pop("kind", None), attributes.pop("version", None)
    return f"{path}: {kind}, version {version}" if kind else f"{path}: not an artifact of this project"


def _zarr(path: Path) -> Findings:
    from pipeline.artifacts.peek import peek_zarr

    attributes, arrays = peek_zarr(path)
    found = Findings(_headline(path, attributes), attributes)
    _clock(found)
    found.lines.append("arrays")
    for name, array in arrays.items():
        rows = spread(len(array), SAMPLED_FRAMES)
        sample = [array[i] for i in rows]
        found.lines.append(f"  {name} ({' '.join(map(str, array.shape))}) {array.dtype}")
        over = "" if len(rows) == len(array) else f" (over {len(rows)} of {len(array)} rows)"
        found.lines.append(f"    {statistics(np.stack(sample)) if sample else 'empty'}{over}")
        for i in _pictured(rows) if _is_picture(array.shape[1:]) else []:
            found.show(f"{name} {rows[i]}", _visible(sample[i]))
    return found


def _clock(found: Findings) -> None:
    """One line on the timestamps, if there are any."""
    pts, base = found.attributes.get("pts"), found.attributes.get("time_base")
    if not pts or not base:
        return
    steps = np.diff(pts)
    steady = "constant rate" if len(set(steps.tolist())) <= 1 else f"steps of {steps.min()} to {steps.max()} × {base} s"
    found.lines.append(f"clock: {len(pts)} frames, {found.attributes.get('fps')} fps, {steady}")


def _pictured(rows: list[int]) -> list[int]:
    return spread(len(rows), PICTURES)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return (len(shape) == 3 and shape[-1] == 3 and min(shape[:2]) > 3) or (len(shape) == 2 and min(shape) > 3)


def _visible(values: np.ndarray) -> np.ndarray:
    """uint8 as is; signed residuals about grey; floats stretched to their range."""
    if values.dtype == np.uint8:
        return values
    if np.issubdtype(values.dtype, np.signedinteger):
        return np.clip(values.astype(np.int32) // 2 + 128, 0, 255).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float64))
    low, high = values.min(), values.max()
    return ((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def _parquet(path: Path) -> Findings:
    from pipeline.artifacts.peek import peek_parquet

    table = peek_parquet(path)
    attributes = dict(table.attributes)
    kind = attributes.get("kind")
    found = Findings(_headline(path, attributes), attributes)
    _clock(found)
    found.lines.append(f"columns ({table.rows} rows)")
    for name, values in table.columns.items():
        found.lines.append(f"  {name} {table.types[name]}")
        if isinstance(values, np.ndarray):
            found.lines.append(f"    {statistics(values)}")
        elif values and isinstance(values[0], (str, type(None))):
            counts = Counter(values).most_common()
            found.lines.append(f"    {shortened([f'{value} {n}' for value, n in counts])[:300]}")
    if kind in ("keypoints", "motions"):
        _poses(found, path, kind)
    return found


def _poses(found: Findings, path: Path, kind: str) -> None:
    """Per joint of the selected person: share of frames, score, origins; pictures on black."""
    from pipeline.artifacts.keypoints import ORIGINS, read_keypoints
    from pipeline.body.pose_maps import PoseMapParams, pose_picture
    from pipeline.picture.geometry import apply_affine, box_of_points, box_to_crop

    keypoints = read_keypoints(path, kind)
    track = keypoints.track()
    found.lines.append(
        f"people: {keypoints.points.shape[1]}, selected {keypoints.selected}, in {int(track.present.sum())} of "
        f"{len(track.present)} frames; skeleton {track.skeleton.name}"
    )
    found.lines.append("joints (share of frames, mean score where present, origins)")
    there = np.isfinite(track.points[..., 0])
    for j, joint in enumerate(track.joints):
        score = track.score[there[:, j], j].mean() if there[:, j].any() else 0.0
        origins = Counter(ORIGINS[code] for code in track.origin[:, j])
        counts = ", ".join(f"{name} {n}" for name, n in origins.most_common())
        found.lines.append(f"  {joint:<20} {there[:, j].mean():6.1%}  {score:.3f}  {counts}")
    if not track.present.any():
        return
    crop = box_to_crop(box_of_points(track.points, 1.25), (160, 160))
    params = PoseMapParams(style="limbs", width=0.01, score_threshold=0.0)
    for t in spread(len(track.present), 2 * PICTURES):
        points = apply_affine(crop, track.points[t])
        found.show(f"frame {t}", pose_picture(points, track.score[t], track.skeleton, (160, 160), params))


def _model(path: Path) -> Findings:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="np") as file:
            names = list(file.keys())
            state = {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, TypeError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}.") from error
    beside = path.with_suffix(".json")
    with readable(beside, "description of a model", REMEDY):
        attributes = dict(json.loads(beside.read_text(encoding="utf-8"))) if beside.is_file() else {}
    found = Findings(_headline(path, attributes), attributes)
    found.lines.append(f"tensors: {len(state)}, {sum(v.size for v in state.values())} numbers")
    for name, values in sorted(state.items()):
        found.lines.append(f"  {name} ({' '.join(map(str, values.shape))}) {values.dtype}: {statistics(values)}")
    return found


def _json(path: Path) -> Findings:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}.") from error
    found = Findings(f"{path}: {tree.get('kind', 'scores') if isinstance(tree, dict) else 'JSON'}")
    found.lines += [f"  {key}: {shortened(value)}" for key, value in _flat(tree, "")]
    return found


def _flat(tree: Any, prefix: str) -> list[tuple[str, Any]]:
    if not isinstance(tree, dict):
        return [(prefix or "value", tree)]
    return [pair for k, v in tree.items() for pair in _flat(v, f"{prefix}.{k}" if prefix else str(k))]


def _curve(path: Path) -> Findings:
    from pipeline.artifacts.scores import read_curve

    columns = read_curve(path)
    found = Findings(f"{path}: curve, {len(next(iter(columns.values()), []))} rows")
    for name, values in columns.items():
        ends = f"first {values[0]:.6g}, last {values[-1]:.6g}, " if values else ""
        found.lines.append(f"  {name}: {ends}{statistics(np.array(values))}")
    return found


def _video(path: Path) -> Findings:
    from av.error import FFmpegError

    from pipeline.video.opening import open_media

    found = Findings(f"{path}: video")
    try:
        with open_media(path) as container:
            found.attributes = dict(container.metadata)
            for stream in container.streams:
                found.lines.append(f"  stream {stream.index}: {stream.type} {stream.codec_context.name}")
            if not container.streams.video:
                return found
            stamps, kept = _decode(container, container.streams.video[0].frames or 1000)
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable video: {error}.") from error
    h, w = kept[0][1].shape[:2] if kept else (0, 0)
    span = stamps[-1] - stamps[0] if len(stamps) > 1 else 0.0
    rate = f", {(len(stamps) - 1) / span:.6g} frames/s" if span > 0 else ""
    found.lines.append(f"  frames: {len(stamps)} of {w} × {h}, {span:.3f} s from first to last{rate}")
    for i, picture in kept:
        found.show(f"frame {i}", picture)
    return found


def _decode(container: Any, expected: int) -> tuple[list[float], list[tuple[int, np.ndarray]]]:
    """Timestamps (s) of all frames, and about twice PICTURES of the frames themselves."""
    wanted = set(spread(expected, 2 * PICTURES))
    stamps: list[float] = []
    kept: list[tuple[int, np.ndarray]] = []
    for i, frame in enumerate(container.decode(video=0)):
        stamps.append(float(frame.time or 0.0))
        if i in wanted:
            kept.append((i, frame.to_ndarray(format="rgb24")))
    return stamps, kept
