"""A turning stick of known truth: crops, track and the smallest params that train on it.

The crop is neither square nor the identity: it shows a box of the frame at half its size.
"""

from pathlib import Path

import cv2
import numpy as np

from pipeline.appearance.params import AppearanceParams
from pipeline.artifacts.crops import Crops, open_crops, write_crops
from pipeline.artifacts.keypoints import Track
from pipeline.body.skeleton import Skeleton
from pipeline.picture.geometry import apply_affine, box_to_crop, invert_affine
from pipeline.video.clock import NO_TIME, Clock

CROP_HW, FULL_HW = (32, 48), (90, 120)
ROW = box_to_crop(np.array([14.0, 9.0, 110.0, 73.0]), CROP_HW)

STICK = {
    "name": "stick", "joints": ["base", "tip"], "root": "base",
    "limbs": [{"parent": "base", "child": "tip", "colour": [255, 0, 0], "width": 1.0, "drawn": True}],
    "mirror": [], "roles": {}, "regions": [], "face_vectors": [],
}  # fmt: skip


def make_track(skeleton: Skeleton, t: int, absent: tuple[int, ...] = (), has_time: bool = True) -> Track:
    """A stick that makes half a turn in t frames."""
    return track_at(skeleton, np.linspace(0, np.pi, t), absent, has_time)


def track_at(skeleton: Skeleton, angles: np.ndarray, absent: tuple[int, ...] = (), has_time: bool = True) -> Track:
    """A stick that stands at angles (t), rad, about the crop's centre, in full pixels."""
    t = len(angles)
    base = np.full((t, 2), (24.0, 16.0))
    tip = base + 10 * np.stack([np.cos(angles), np.sin(angles)], -1)
    points = apply_affine(invert_affine(ROW), np.stack([base, tip], 1)).astype(np.float32)
    score = np.ones((t, 2), np.float32)
    points[list(absent)], score[list(absent)] = np.nan, 0
    clock = Clock.regular("25", t) if has_time else NO_TIME
    return Track(points, score, np.ones((t, 2), np.uint8), skeleton, clock, FULL_HW, {})


def draw(track: Track) -> tuple[np.ndarray, np.ndarray]:
    """The crop's frames (t h w 3) and mattes (t h w): an orange stick on green."""
    frames = np.full((len(track.points), *CROP_HW, 3), (20, 90, 40), np.uint8)
    mattes = np.zeros((len(track.points), *CROP_HW), np.uint8)
    for t in np.flatnonzero(track.present):
        start, stop = (tuple(round(float(v)) for v in p) for p in apply_affine(ROW, track.points[t]))
        frames[t] = cv2.line(frames[t].copy(), start, stop, (230, 140, 20), 5)
        mattes[t] = cv2.line(mattes[t].copy(), start, stop, 255, 5)
    return frames, mattes


def make_crops(path: Path, track: Track, frames: np.ndarray | None = None) -> Crops:
    drawn, mattes = draw(track)
    frames = drawn if frames is None else frames
    crop = np.tile(ROW, (len(frames), 1, 1))
    plate = np.full((1, *CROP_HW, 3), (20, 90, 40), np.uint8)
    write_crops(path, [(frames, mattes, plate)], crop, track.present, track.clock, CROP_HW, FULL_HW)
    return open_crops(path)


SMALL = {
    "system": "fakevideo", "features": "st_vgg16", "k": 3, "max_stride": 2, "epochs": 1, "epoch_windows": 1000, "least_steps": 1,
    "most_steps": 1000, "steps": 4, "batch_windows": 2, "accumulate": 1, "seed": 7,
    "threads": 1, "precision": "float32", "compile": False, "checkpoint_s": 1e9,
    "pose_map": {"style": "limbs", "width": 0.05, "score_threshold": 0.1},
    "network": {"base_width": 8, "levels": 3, "blocks": 1, "dense_skips": True},
    "discriminators": {"sees": [1, 2], "width": 8, "layers": 2, "dilations": [1, 2], "spectral_norm": True},
    "losses": {"perceptual": 1.0, "gw": 1.0, "pixel": 10.0, "matte": 1.0, "quality": 0.1, "temporal": 0.1},
    "adversarial": "log",
    "perceptual": {"layers": [1.0, 1.0, 0.0, 0.0, 0.0], "shrink": 1},
    "gw": {"solver": "own", "start": "matched", "lambda_gw": 0.01, "projections": 3, "sinkhorn": 5, "layer": 2, "grid": 2},
    "memory": {
        "enabled": True, "write": "every", "capacity": 4, "threshold": None, "quantile": 0.5, "random_share": 0.5,
        "interval_epochs": 1, "replay": 2,
    },
    "dropout": {"share": 0.1},
    "augment": {"share": 0.5, "scale": 0.25, "rotation_deg": 11.0, "shift": 0.2, "mirror": 0.0, "mirror_sides": "exchanged"},
    "optimiser": {"generator_rate": 0.002, "discriminator_rate": 0.0002, "betas": [0.5, 0.999], "decay_share": 0.5},
    "ema": 0.9,
    "edn": {
        "width": 8, "downsamplings": 2, "blocks": 1, "discriminators": {"scales": 2, "width": 8, "layers": 2},
        "losses": {"adversarial": 1.0, "feature_matching": 10.0, "perceptual": 10.0},
        "perceptual": {"layers": [0.5, 0.5, 0.0, 0.0, 0.0], "shrink": 1},
    },
    "as_published": {
        "width": 8, "downsamplings": 2, "blocks": 1, "discriminators": {"scales": 2, "width": 8, "layers": 2},
        "temporal": {"width": 8, "blocks": 2},
        "losses": {"adversarial": 1.0, "feature_matching": 10.0, "perceptual": 10.0, "transport": 0.01, "temporal": 0.25},
        "perceptual": {"layers": [0.5, 0.5, 0.0, 0.0, 0.0], "shrink": 1},
        "transport": {"epsilon": 1.0, "rounds": 10, "layer": 2, "grid": 1},
        "repeat": {"interval": 2, "below": None},
    },
}  # fmt: skip


EDN = {"system": "edn", "k": 2, "max_stride": 1, "augment": {"share": 0.0}}  # changes of SMALL that make the baseline
AS_PUBLISHED = {"system": "as_published", "k": 2, "max_stride": 1, "augment": {"share": 0.0, "mirror": 0.5}}


def small(**changes) -> AppearanceParams:
    """SMALL with whole keys replaced, or sections merged."""
    merged = {**SMALL}
    for name, value in changes.items():
        merged[name] = {**merged[name], **value} if isinstance(value, dict) else value
    return AppearanceParams.model_validate(merged)
