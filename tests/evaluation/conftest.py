"""A drawn figure on a textured background, as the artifacts of a self pair whose every number is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure import Figure, Motion, static_background

from pipeline.artifacts.crops import open_crops, write_crops
from pipeline.artifacts.foregrounds import create_foregrounds, open_foregrounds
from pipeline.artifacts.frames import create_frames, open_frames
from pipeline.artifacts.keypoints import ORIGINS, Keypoints, Track, write_keypoints
from pipeline.artifacts.residuals import create_residuals
from pipeline.body.regions import RegionParams, drop_unusable, region_boxes
from pipeline.body.skeleton import load_skeleton
from pipeline.evaluation.settings import EvaluationParams, FaceScoreParams
from pipeline.evaluation.temporal import MaskParams
from pipeline.picture.framing import training_crop
from pipeline.picture.geometry import sample_crop
from pipeline.video.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
HW, SIZE_PX, T = (112, 192), 96, 20  # a crop of 64 x 96
METRICS = ["psnr", "psnr_person", "ssim", "tcm", "e_warp", "flicker", "motion_consistency", "pose"]


@dataclass
class Scene:
    """Paths of the artifacts in a folder, and the arrays that they hold."""

    folder: Path
    frames: np.ndarray
    mattes: np.ndarray
    plate: np.ndarray
    crop: np.ndarray
    crop_hw: tuple[int, int]
    track: Track

    @property
    def keypoints(self) -> Keypoints:
        track = self.track
        arrays = (a[:, None] for a in (track.points, track.score, track.origin))
        return Keypoints(*arrays, track.skeleton, track.clock, track.size_hw, 0, dict(track.attributes))

    def seen(self, image: np.ndarray, t: int, border: str = "replicate") -> np.ndarray:
        return sample_crop(image, self.crop[t], self.crop_hw, border)

    def write_fused(self, images: np.ndarray, name: str = "fused") -> None:
        clock = self.track.clock
        pts = None if clock.pts is None else clock.pts[: len(images)]
        write_frames(self.folder / f"{name}.zarr", images, "fused", Clock(clock.fps, clock.time_base, pts), {"stage": "generated"})

    def write_residuals(self, name: str, value: int | np.ndarray, regions: tuple[str, ...], params: RegionParams, border: int) -> None:
        boxes = region_boxes(self.track.points, self.track.skeleton, params, border)
        boxes, skipped = drop_unusable({r: boxes[r] for r in regions}, HW, params.min_side_px)
        path, p = self.folder / f"{name}.zarr", params.region_px
        with create_residuals(path, boxes, skipped, p, self.track.clock, HW, T) as writer:
            for region in regions:
                writer.append(region, np.full((T, p, p, 3), value, np.int16))

    def open_fused(self):
        return open_frames(self.folder / "fused.zarr", "fused")

    def open_crops(self):
        return open_crops(self.folder / "crops.zarr")

    def open_generated(self):
        return open_foregrounds(self.folder / "generated.zarr")


def write_frames(path: Path, images: np.ndarray, kind: str, clock: Clock, extra: dict[str, Any] | None = None) -> None:
    with create_frames(path, clock, images.shape[1:3], extra, kind) as writer:
        writer.append(images)


def figure_track() -> tuple[Track, Figure]:
    skeleton, figure = load_skeleton(ROOT / "pipeline/skeletons/human.yaml"), Figure(height_px=80)
    drawn = figure.points(T, (70.0, 102.0), Motion(period=10.0, travel=0.5))
    points = np.full((T, len(skeleton.joints), 2), np.nan, np.float32)
    points[:, [skeleton.index(joint) for joint in figure.joints]] = drawn
    finite = np.isfinite(points[..., 0])
    origin = np.where(finite, ORIGINS.index("measured"), 0).astype(np.uint8)
    return Track(points, finite.astype(np.float32), origin, skeleton, Clock.regular("25", T), HW, {}), figure


@pytest.fixture(scope="session")
def drawn():
    """The track, and frames, mattes and plate of its figure."""
    track, figure = figure_track()
    plate = static_background(HW)
    joints = [track.skeleton.index(joint) for joint in figure.joints]
    return track, *figure.render(track.points[:, joints].astype(np.float64), plate), plate


@pytest.fixture
def scene(tmp_path, drawn) -> Scene:
    """The perfect result: the fused crops are the true ones, the generated foreground is the true frame and matte."""
    track, frames, mattes, plate = drawn
    framing = training_crop(track.points, track.present, HW, "fixed", 1.25, SIZE_PX)
    crop, crop_hw = framing.rows, framing.crop_hw
    made = Scene(tmp_path, frames, mattes, plate, crop, crop_hw, track)
    seen = np.stack([made.seen(frames[t], t) for t in range(T)])
    seen_mattes = np.stack([made.seen(mattes[t], t, "zero") for t in range(T)])
    write_frames(tmp_path / "frames.zarr", frames, "frames", track.clock)
    write_frames(tmp_path / "mattes.zarr", mattes, "mattes", track.clock)
    write_frames(tmp_path / "plate.zarr", plate[None], "plates", track.clock)
    write_crops(
        tmp_path / "crops.zarr", [(seen, seen_mattes, made.seen(plate, 0)[None])], crop, track.present, track.clock, crop_hw, HW
    )
    path = tmp_path / "generated.zarr"
    with create_foregrounds(path, crop_hw, track.clock, crop, track.present, HW, {"k": 3}) as writer:
        writer.append(seen, seen_mattes)
    made.write_fused(seen)
    write_keypoints(tmp_path / "keypoints.parquet", made.keypoints)
    return made


@pytest.fixture
def params() -> EvaluationParams:
    mask = MaskParams(consistency=0.01, consistency_px2=0.5, boundary=0.01, boundary_px2=0.002)
    watched = {"watch_px": 96, "watch_frames": 40, "faces": FaceScoreParams(min_eyes_px=8.0, max_turn_deg=60.0)}
    return EvaluationParams(metrics=METRICS, flow="dis", mask=mask, static_below=1e-6, dilate_px=4, driver_margin=1.25, **watched)


@pytest.fixture
def region_params() -> RegionParams:
    return RegionParams(region_px=32, face_side=2.5, hand_side=0.8, foot_side=0.8, smooth_frames=5, min_side_px=2)
