import json
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.artifacts.crops import write_crops
from pipeline.artifacts.faces import FaceRow, create_faces
from pipeline.artifacts.foregrounds import create_foregrounds
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints, write_keypoints
from pipeline.artifacts.mattes import create_mattes
from pipeline.artifacts.residuals import create_residuals
from pipeline.artifacts.scores import write_curve, write_scores
from pipeline.artifacts.watched import write_watched
from pipeline.body.pose_maps import PoseMapParams
from pipeline.body.skeleton import load_skeleton
from pipeline.report.build import ReportInputs, build_report
from pipeline.report.params import ReportParams
from pipeline.timeline.split import SplitParams
from pipeline.video.clock import Clock
from pipeline.video.writing import write_video

T, H, W, S = 20, 96, 64, 64
CROP_HW = (S, 96)
CLOCK = Clock.regular("25", T)
HUMAN = load_skeleton(Path(__file__).parents[2] / "pipeline/skeletons/human.yaml")
POSE_MAP = PoseMapParams(style="limbs", width=0.015, score_threshold=0.1)
PARAMS = ReportParams(video_height_px=96, video_crf=30, video_max_frames=15, sheet_frames=4, worst_frames=2)
CROP = np.tile(np.array([[S / H, 0, 10.0], [0, S / H, 0.0]]), (T, 1, 1))
RETARGETED = {"retargeting": {"figures": {"height_px": 80.0}, "warnings": ["feet slide"]}}
WATCHED = ("truth", "reconstruction", "warped_pose", "nearest_pose")
MATTES = {"backend": "maskrcnn_v2", "bridged_frames": [3, 4], "guessed_frames": [], "flicker": {"found": 0.02, "smoothed": 0.01}}
CROPPED = {"mode": "follow", "margin": 1.25, "body_px": 40.3, "warnings": ["The person is only 40 px high."]}
PLATE = {"inpainting": {"camera_motion": {"moving": True, "max_shift_px": 7.5}}}


def keypoints() -> Keypoints:
    """A figure that leans from side to side; one wrist is interpolated in two frames, one ankle dropped in one."""
    rng = np.random.default_rng(1)
    base = rng.uniform((20, 10), (45, 85), (len(HUMAN.joints), 2))
    sway = 8 * np.sin(np.arange(T) / 3)
    points = (base[None] + np.stack([sway, 0 * sway], -1)[:, None]).astype(np.float32)[:, None]
    origin = np.full((T, 1, len(HUMAN.joints)), ORIGINS.index("measured"), np.uint8)
    origin[3:5, 0, HUMAN.index("right_wrist")] = ORIGINS.index("interpolated")
    origin[9, 0, HUMAN.index("left_ankle")] = ORIGINS.index("dropped")
    points[9, 0, HUMAN.index("left_ankle")] = np.nan
    return Keypoints(
        points,
        np.full(origin.shape, 0.9, np.float32),
        origin,
        HUMAN,
        CLOCK,
        (H, W),
        0,
        {"retargeting": {"figures": {"height_px": 80.0}, "warnings": ["feet slide"]}},
    )


def drawn(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (t h w 3) with a disc that moves, and its mattes."""
    frames = np.full((T, h, w, 3), (90, 120, 150), np.uint8)
    mattes = np.zeros((T, h, w), np.uint8)
    for t in range(T):
        centre = (w // 2 + round(8 * np.sin(t / 3)), h // 2)
        cv2.circle(mattes[t], centre, w // 4, 255, -1, cv2.LINE_AA)
        cv2.circle(frames[t], centre, w // 4, (200, 60, 40), -1, cv2.LINE_AA)
    return frames, mattes


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A whole run's artifacts: clips ann and bob, target ann, pairs ann-to-ann and bob-to-ann."""
    data, kp = tmp_path / "data", keypoints()
    frames, mattes = drawn(H, W)
    small, small_mattes = drawn(*CROP_HW)
    present = np.ones(T, bool)
    for clip in ("ann", "bob"):
        with create_frames(data / f"frames/{clip}.zarr", CLOCK, (H, W)) as out:
            out.append(frames)
        (data / "keypoints").mkdir(exist_ok=True)
        write_keypoints(data / f"keypoints/{clip}.parquet", kp)
    with create_mattes(data / "mattes/ann.zarr", CLOCK, (H, W), MATTES) as out:
        out.append(mattes)
    with create_frames(data / "plates/ann.zarr", CLOCK, (H, W), PLATE, "plates") as out:
        out.append(frames[:1])
    write_crops(data / "crops/ann.zarr", [(small, small_mattes, small[:1])], CROP, present, CLOCK, CROP_HW, (H, W), CROPPED)
    row = FaceRow(2, np.array([0.0, 0, 32, 32]), np.array([0.0, 0, 32, 32]), np.ones((6, 2)), np.ones((1, 2)), 40.0)
    with create_faces(data / "faces/ann.parquet", data / "faces/ann.zarr", 32, HUMAN.face_vectors, ["nose"]) as out:
        out.append(row, small[0, :32, :32], small_mattes[0, :32, :32])
    for pair in ("ann-to-ann", "bob-to-ann"):
        write_pair(data, pair, kp, frames, small, small_mattes)
    write_scores(data / "metrics/ann.json", SCORES)
    curve = [{"step": i, "perceptual": 1 / (1 + i), "matte": 0.5} for i in range(300)]
    for training in ("appearance", "refiner"):
        write_curve(data / f"metrics/curves/ann-{training}.tsv", curve)
    scored = [{"frame": t, "reconstruction_psnr": 20.0 + t, "plate_psnr": 15.0 + t} for t in range(16, T)]
    for row, st_lpips in zip(scored, (0.1, math.nan, 0.3, 0.23), strict=True):
        row["watch.reconstruction_st_lpips"] = st_lpips
    write_curve(data / "metrics/frames/ann.tsv", scored)
    shown = {name: np.full((3, 90, 40, 3), 60 + 40 * i, np.uint8) for i, name in enumerate(WATCHED)}
    write_watched(data / "metrics/watched/ann.zarr", [16, 18, 19], shown)
    write_scores(data / "metrics/time/fuse@bob-to-ann.json", {"seconds": 12.5, "peak_memory_mb": 900, "frames": T})
    (data / "weights/toy").mkdir(parents=True)
    licence = {"name": "toy", "what": "a <net>", "source": "x", "licence": "MIT", "allows": "All.", "files": {"a": {}}}
    (data / "weights/toy/asset.json").write_text(json.dumps(licence))
    return data


WATCH = {"frames": 3, "frames_sampled": "3 of 4 held-out frames", "view_hw": [90, 40]}
SCORES = {
    "reconstruction": {"psnr": 26.5, "st_lpips": 0.12, "ssim": 0.9, "watch": {"st_lpips": 0.21, "sharpness": 0.7}},
    "nearest_pose": {"psnr": 20.2, "st_lpips": 0.2, "watch": {"st_lpips": 0.19, "sharpness": 1.02}},
    "nearest_pose_moved": {"watch": {"st_lpips": 0.18}},
    "stages": {"generated": {"watch": {"st_lpips": 0.25}}, "refined": {"watch": {"st_lpips": 0.21}}},
    "plate": {"psnr": 17.4},
    "regions": {"face": {"warped": {"psnr": 20.0}, "refined": {"psnr": 21.5}}},
    "settings": {"flow": "dis", "frames": 4, "watch": WATCH, "not_computed": {"tcm": "add tcm to evaluation.metrics"}},
}


def write_pair(data: Path, pair: str, kp: Keypoints, frames: np.ndarray, small: np.ndarray, mattes: np.ndarray) -> None:
    present, boxes = np.ones(T, bool), np.tile([20.0, 10, 44, 34], (T, 1))
    boxes[0] = np.nan
    write_keypoints(data / f"motions/{pair}.parquet", kp, "motions")
    (data / f"motions/{pair}.png").write_bytes(cv2.imencode(".png", frames[0])[1].tobytes())
    with create_foregrounds(data / f"foregrounds/{pair}-generated.zarr", CROP_HW, CLOCK, CROP, present, (H, W)) as out:
        out.append(small, mattes)
    for stage in ("enhanced", "refined"):
        path, skipped = data / f"foregrounds/{pair}-{stage}.zarr", {"face": ["1 of 20 frames: its joints are missing"]}
        with create_residuals(path, {"face": boxes}, skipped, 32, CLOCK, (H, W), T) as out:
            out.append("face", np.full((T, 32, 32, 3), 20, np.int16))
    with create_frames(data / f"fused/{pair}.zarr", CLOCK, CROP_HW, kind="fused") as out:
        out.append(small)
    (data / "videos").mkdir(exist_ok=True)
    with write_video(data / f"videos/{pair}.mp4", (H, W), CLOCK, 30, "veryfast", {}) as out:
        out.append(frames)
    (data / f"videos/{pair}.json").write_text(json.dumps({"generated": True, "note": "</pre><script>"}))
    write_scores(data / f"metrics/{pair}.json", {"imitation": {"pose_error_px": 3.5}, "settings": {"not_computed": {}}})


@pytest.fixture
def build() -> Callable[[Path], str]:
    def built(data: Path) -> str:
        pairs = {"ann-to-ann": ("ann", "ann"), "bob-to-ann": ("bob", "ann")}
        targets = {"ann": ("ann", SplitParams(hold_out_fraction=0.2))}
        return build_report(ReportInputs(data, pairs, targets, "report: {}\n", {}), PARAMS, POSE_MAP)

    return built
