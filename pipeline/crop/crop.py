"""A target's frames, mattes and plate at the networks' working size (§4.1.2: "all the frames are resized")."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pipeline.artifacts.agree import require_same_clip, require_same_size
from pipeline.artifacts.crops import Crops, write_crops
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Keypoints, Track
from pipeline.artifacts.store import require_free_bytes
from pipeline.body.size import size_ratio
from pipeline.body.trunk import whole_body_px, with_hips
from pipeline.errors import InputError, warn
from pipeline.params import Section
from pipeline.picture.framing import STEP_PX, CropMode, Framing, matching_crop, training_crop
from pipeline.picture.geometry import sample_crop
from pipeline.progress import Progress
from pipeline.timeline.split import SplitParams, split_frames

LEAST_FRAMES = 3
LARGEST_PX = 1024
LEAST_BODY_PX = 64  # a person lower than this has a face of a few pixels


class CropParams(Section):
    """Section `crop` of params.yaml."""

    mode: CropMode
    margin: float = Field(ge=1.1, le=4.0)
    size_px: int = Field(ge=STEP_PX, le=LARGEST_PX, multiple_of=STEP_PX)


@dataclass(frozen=True)
class CropInputs:
    """What is read of a target."""

    frames: Frames
    mattes: Frames
    keypoints: Keypoints
    plate: Frames


@dataclass(frozen=True)
class Like:
    """The crops and the track of a target whose further clip is cropped: its person is shown as large, in crops of the same size."""

    crops: Crops
    track: Track
    split: SplitParams


def crop_person(inputs: CropInputs, params: CropParams | Like, out: Path) -> int:
    """Write crops of all frames, present or not; returns their number. params: how a target is cropped, or like which one.

    Raises InputError when the inputs disagree or fewer than three frames show the subject: a window has three (§3.2).
    """
    frames, mattes, keypoints, plate = inputs.frames, inputs.mattes, inputs.keypoints, inputs.plate
    require_same_clip(frames, mattes, keypoints)
    require_same_size(frames, plate)
    track = keypoints.track()
    present = track.present
    if present.sum() < LEAST_FRAMES:
        seen = f"found {int(present.sum())} of {len(frames)} in {keypoints.source}"
        raise InputError(f"A target needs at least {LEAST_FRAMES} frames that show the subject, {seen}: use a longer clip.")
    framing, facts = _framed(track, frames, params) if isinstance(params, CropParams) else _like(track, frames, params)
    height, width = framing.crop_hw
    require_free_bytes(out, len(frames) * height * width * 7)
    warnings = _warnings(framing, params, track.skeleton.face is not None) if isinstance(params, CropParams) else []
    for warning in warnings:
        warn(warning)
    blocks = _blocks(frames.over(plate[0]), mattes, plate[0], framing)
    extra = {"mode": framing.mode, **facts, "body_px": round(framing.body_px, 2), "warnings": warnings}
    write_crops(out, blocks, framing.rows, present, frames.clock, framing.crop_hw, frames.size_hw, extra)
    return len(frames)


def _framed(track: Track, frames: Frames, params: CropParams) -> tuple[Framing, dict[str, float]]:
    """How a target's own clip is seen, and by what."""
    points, timed = with_hips(track.points, track.skeleton), frames.clock.has_time
    sizes = params.mode, params.margin, params.size_px
    framing = training_crop(points, track.present, frames.size_hw, *sizes, timed, _whole_px(track))
    return framing, {"margin": params.margin}


def _like(track: Track, frames: Frames, like: Like) -> tuple[Framing, dict[str, float]]:
    """How a further clip of a target is seen, and by what; how large its person is there is measured in training frames of both."""
    if track.skeleton != like.track.skeleton:
        found = f"{like.track.skeleton.name} and {track.skeleton.told_from(like.track.skeleton)}"
        raise InputError(f"clips of a target must have one skeleton, found {found}: change it in clips of params.yaml")
    here, there = (clip.points[split_frames(clip.present, like.split).training] for clip in (track, like.track))
    ratio = size_ratio(here, there, track.skeleton)
    points, scale = with_hips(track.points, track.skeleton), float(like.crops.crop[0, 0, 0]) * ratio
    framing = matching_crop(points, track.present, frames.size_hw, like.crops.crop_hw, scale, frames.clock.has_time)
    return framing, {"size_ratio": ratio}


def _whole_px(track: Track) -> float:
    """How large the person would be with legs that most of its frames do not show; 0 where they do."""
    ankles = track.points[track.present][:, track.skeleton.indices("ankles"), 0]
    legless = ~np.asarray(np.isfinite(ankles).any(axis=1))
    sizes = whole_body_px(track.points[track.present], track.skeleton)[legless]
    known = sizes[np.isfinite(sizes)]
    return float(np.median(known)) if len(known) and legless.mean() > 0.5 else 0.0


def _warnings(framing: Framing, params: CropParams, has_face: bool) -> list[str]:
    """One line when the networks see too little of the subject, with the remedies that are left; mostly none."""
    if framing.body_px >= LEAST_BODY_PX:
        return []
    larger = f"raise crop.size_px to {_enough_px(framing, params)}" if params.size_px < LARGEST_PX else "film from nearer"
    other = ", or set crop.mode: follow" if framing.mode == "fixed" else ""
    whole, shown = ("person", "a face") if has_face else ("subject", "more than an outline")
    return [f"The {whole} is only {framing.body_px:.0f} px high at working size, {LEAST_BODY_PX} or more show {shown}: {larger}{other}."]


def _enough_px(framing: Framing, params: CropParams) -> int:
    """The least legal crop.size_px at which the person has LEAST_BODY_PX; the largest legal one where none is enough."""
    needed = params.size_px * LEAST_BODY_PX / framing.body_px
    return min(LARGEST_PX, STEP_PX * math.ceil(needed / STEP_PX))


def _blocks(
    frames: Frames, mattes: Frames, plate: np.ndarray, framing: Framing
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames, mattes and plates (n h w …) block by block; a fixed crop has one plate, in the first block."""
    crop_hw = framing.crop_hw
    with Progress(len(frames), "crop_person") as progress:
        for start, block in frames.blocks():
            rows = framing.rows[start : start + len(block)]
            opaque = mattes[start : start + len(block)]
            seen = rows if framing.mode == "follow" else rows[: 1 if start == 0 else 0]
            plates = [sample_crop(plate, row, crop_hw) for row in seen]
            yield (
                np.stack([sample_crop(image, row, crop_hw) for image, row in zip(block, rows, strict=True)]),
                np.stack([sample_crop(matte, row, crop_hw, border="zero") for matte, row in zip(opaque, rows, strict=True)]),
                np.stack(plates) if plates else np.zeros((0, *crop_hw, 3), np.uint8),
            )
            progress.advance(len(block))
