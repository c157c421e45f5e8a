"""A drawn body with a trunk and two legs, its references, an untrained generator of it: what an export reads, in a folder as data/ is."""

from pathlib import Path

import cv2
import numpy as np
import torch
from drawn_stick import CROP_HW, FULL_HW, ROW, small

from pipeline.appearance.generate import GenerateInputs, load_generator
from pipeline.appearance.renderers.base import GenerateParams
from pipeline.artifacts.crops import open_crops, write_crops
from pipeline.artifacts.frames import create_frames
from pipeline.artifacts.further import write_clips
from pipeline.artifacts.keypoints import Track, motion_of, read_keypoints, write_keypoints
from pipeline.artifacts.models import save_model
from pipeline.artifacts.references import (
    NONE,
    ChosenReferences,
    create_references,
    open_all_references,
    read_chosen,
    write_chosen,
)
from pipeline.body.skeleton import Limb, Skeleton
from pipeline.networks.generator import Exchange, Generator, GeneratorShape
from pipeline.picture.geometry import apply_affine, invert_affine, sample_crop
from pipeline.video.clock import Clock

T, K, COUNT = 8, 3, 2
WHITE = (255, 255, 255)
JOINTS = ("neck", "left_hip", "right_hip", "left_knee", "right_knee")
BODY = Skeleton(
    "body",
    JOINTS,
    "neck",
    tuple(Limb(*ends, WHITE, 1.0, True) for ends in (("neck", "left_hip"), ("neck", "right_hip"), JOINTS[1::2], JOINTS[2::2])),
    (("left_hip", "right_hip"),),
    {},
    (),
    (),
)
CARRYING = {"band_px": 0.8, "flow_px": 2.0, "gate_start": 1.0, "detail_start": 2.0}
GENERATE = GenerateParams(
    overlap_stride=3, fade_s=0.1, matte_contrast=2.0, favour_nearest=1.0, batch_windows=1, threads=1, precision="float32", compile=False
)


def walk(absent: tuple[int, ...] = (5,)) -> Track:
    """The body, seen in crop px, strides and turns its trunk; a knee is missing in frame 1."""
    angle = np.linspace(0, 2, T)
    neck = np.stack([22 + 3 * np.sin(angle), np.full(T, 6.0)], -1)
    hips = [np.stack([23 + side * 4 * np.cos(angle), np.full(T, 17.0)], -1) for side in (1, -1)]
    knees = [hip + 9 * np.stack([side * np.sin(2 * angle), np.cos(angle)], -1) for hip, side in zip(hips, (1, -1), strict=True)]
    points = apply_affine(invert_affine(ROW), np.stack([neck, *hips, *knees], 1)).astype(np.float32)
    points[1, 3], points[list(absent)] = np.nan, np.nan
    score = np.isfinite(points[..., 0]).astype(np.float32)
    return Track(points, score, np.ones((T, 5), np.uint8), BODY, Clock.regular("25", T), FULL_HW, {})


def drawn(track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Full frames (t h w 3), M ⊙ F alone, and mattes (t h w)."""
    frames, mattes = np.zeros((T, *FULL_HW, 3), np.uint8), np.zeros((T, *FULL_HW), np.uint8)
    for t, pose in enumerate(track.points):
        for i, (start, stop) in enumerate(BODY.limb_indices()):
            if np.isfinite(pose[[start, stop]]).all():
                ends = [tuple(int(v) for v in pose[joint].round()) for joint in (start, stop)]
                cv2.line(frames[t], *ends, (60 * i + 40, 200 - 30 * i, 90 + 20 * t), 9)
                cv2.line(mattes[t], *ends, 255, 9)
    return frames, mattes


def save_generator(data: Path, seed: int = 0, references: int = COUNT, grey: bool = False) -> None:
    """An untrained generator whose frames look at each other and at their references."""
    torch.manual_seed(seed)
    shape = {
        "pose_channels": 4, "frames": K, "base_width": 8, "levels": 3, "blocks": 1, "dense_skips": True, "references": references,
    }  # fmt: skip
    network = Generator(GeneratorShape(**shape))
    torch.nn.init.normal_(network.head.weight, std=0.1)
    for part in network.modules():
        if isinstance(part, Exchange):
            torch.nn.init.normal_(part.mix.weight, std=0.1)
    inputs = {"skeleton": BODY.to_json(), "crop_hw": list(CROP_HW), "grey": grey}
    described = {"network": "appearance generator", "params": small().model_dump(), "generator": shape, "inputs": inputs}
    described |= {"carrying": CARRYING} if references else {}
    save_model(data / "models/ann-appearance.safetensors", data / "models/ann-appearance.json", network.state_dict(), described)


def store(folder: Path) -> None:
    """Write what a project has of the target ann into a folder as data/ is; the motion's frame 2 has no reference."""
    track = walk()
    frames, mattes = drawn(track)
    seen = [np.stack([sample_crop(image, ROW, CROP_HW) for image in images]) for images in (frames, mattes)]
    plate = np.full((1, *CROP_HW, 3), (20, 90, 40), np.uint8)
    write_crops(folder / "crops/ann.zarr", [(*seen, plate)], np.tile(ROW, (T, 1, 1)), track.present, track.clock, CROP_HW, FULL_HW)
    kept = np.array([0, 3, 6])
    with create_references(folder / "references/ann.zarr", FULL_HW, kept, np.zeros((3, 2)), track.points[kept], FULL_HW) as writer:
        for t in kept:
            writer.append(frames[t], mattes[t])
    rank = np.stack([np.arange(T) % 3, (np.arange(T) + 1) % 3], 1)
    rank[2] = NONE
    chosen = ChosenReferences(rank, rank, np.where(rank == NONE, np.nan, 0.1), {}, np.zeros((T, 0), bool))
    write_chosen(folder / "references/ann-to-ann.parquet", chosen)
    write_keypoints(folder / "motions/ann-to-ann.parquet", motion_of(track), kind="motions")
    with create_frames(folder / "plates/ann.zarr", Clock(None, None, None), FULL_HW, kind="plates") as writer:
        writer.append(np.full((1, *FULL_HW, 3), (20, 90, 40), np.uint8))
    for kind in ("models", "references"):
        write_clips(folder / kind / "ann", [])
    save_generator(folder)


def read_inputs(data: Path) -> GenerateInputs:
    """All of it opened, as an export has it."""
    return GenerateInputs(
        model=load_generator(data / "models/ann-appearance.safetensors", data / "models/ann-appearance.json"),
        motion=read_keypoints(data / "motions/ann-to-ann.parquet", kind="motions").track(),
        crops=open_crops(data / "crops/ann.zarr"),
        references=open_all_references(data / "references/ann.zarr", data / "references/ann"),
        chosen=read_chosen(data / "references/ann-to-ann.parquet"),
    )
