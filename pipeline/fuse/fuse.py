"""Generated foreground, residuals and plate → the video, its JSON, and the fused crops that evaluation reads (§3.4)."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from pipeline.artifacts.agree import require_one_motion, require_same_clip, require_same_length
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames, create_frames
from pipeline.artifacts.replacing import VIDEO_COMMENT
from pipeline.artifacts.residuals import Residuals
from pipeline.artifacts.sounds import read_sound
from pipeline.artifacts.store import publish, require_free_bytes
from pipeline.body.regions import fade
from pipeline.errors import InputError
from pipeline.fuse.sidecar import TITLE, describe, draw_mark
from pipeline.params import Section
from pipeline.picture.compositing import compose_full
from pipeline.picture.geometry import sample_crop
from pipeline.progress import Progress
from pipeline.video.clock import Clock
from pipeline.video.writing import write_video

BLOCK_FRAMES, BLOCK_BYTES = 16, 8 * 2**20  # that are read at once, at most: more than a few MB would be new memory each time
# Room asked for before writing: bits per pixel of an mp4 at a fine crf, bytes per value of the crops.
VIDEO_BYTES_PER_PIXEL, CROP_SHARE = 0.2, 0.7


class FuseParams(Section):
    """Section `fuse` of params.yaml."""

    stage: Literal["generated", "warped", "enhanced", "refined"]
    crf: int = Field(ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]
    mark: str = Field(min_length=1, max_length=80, pattern=r"^[ -~]+$")
    fps_without_time: float = Field(gt=0, le=240)

    @field_validator("mark", mode="before")
    @classmethod
    def _printable(cls, mark: Any) -> Any:
        if isinstance(mark, str) and not (mark.isascii() and mark.isprintable()):
            raise ValueError("must be printable ASCII, or none")
        return mark

    @property
    def polishes(self) -> bool:
        """Whether the stage has residuals."""
        return self.stage in ("enhanced", "refined")


@dataclass(frozen=True)
class FuseInputs:
    """What fusion reads: residuals of the stage that params name, None where that one has none.

    foreground is what is composed, of any size; generated tells the crop rows and the working size that the fused crops
    have. driver_frames are the driver's, for the sound set aside in them; descriptions the JSON beside each model, if any.
    """

    foreground: Foregrounds
    generated: Foregrounds
    residuals: Residuals | None
    plate: Frames
    driver_frames: Frames
    descriptions: tuple[Path, ...]


@dataclass(frozen=True)
class FuseOutputs:
    """Paths that fusion writes: mp4, its JSON, and the fused crops (Zarr)."""

    video: Path
    sidecar: Path
    fused: Path


def fuse_pair(inputs: FuseInputs, params: FuseParams, outputs: FuseOutputs) -> int:
    """Compose every frame (Eq. 9), write the three outputs, whole or none, and return the number of frames.

    Frames in which the subject is absent show the plate. The video has the driver's timestamps and sound, at
    `fps_without_time` and mute where the driver is a folder of images. InputError when the inputs do not fit together.
    """
    generated, plate = inputs.generated, inputs.plate
    foreground = generated if params.stage == "generated" else inputs.foreground
    residuals = inputs.residuals if params.polishes else None
    if params.polishes and residuals is None:
        raise InputError(f"fuse.stage is {params.stage}, which needs --residuals PATH; give it, or set fuse.stage to warped.")
    _require_fit(foreground, generated, residuals, plate)
    (height, width), (h, w), t = plate.size_hw, generated.crop_hw, len(foreground)
    require_free_bytes(outputs.video, int(t * (height * width * VIDEO_BYTES_PER_PIXEL + h * w * 3 * CROP_SHARE)))
    clock = foreground.clock
    if not clock.has_time:
        clock = Clock.regular(str(Fraction(params.fps_without_time).limit_denominator(1001)), t)
    # Written before the frames are made: a model's missing JSON is to be known at once.
    facts = {
        "params": {"fuse": params.model_dump()},
        "frames": t,
        "fps": clock.fps,
        "size_hw": list(plate.size_hw),
        "made_by": _makers(foreground, residuals),
    }
    sidecar = describe(inputs.descriptions, _read(inputs, residuals), facts)
    with contextlib.ExitStack() as stack:
        described = stack.enter_context(publish(outputs.sidecar, "sidecar"))
        described.write_text(sidecar, encoding="utf-8")
        extra = {"stage": params.stage, "full_size_hw": list(plate.size_hw)}
        crops = stack.enter_context(create_frames(outputs.fused, foreground.clock, generated.crop_hw, extra, kind="fused"))
        temporary = stack.enter_context(publish(outputs.video, "video"))
        sound = read_sound(inputs.driver_frames.source.path) if foreground.clock.has_time else None
        tags = {"title": TITLE, "comment": VIDEO_COMMENT}
        video = stack.enter_context(write_video(temporary, plate.size_hw, clock, params.crf, params.preset, tags, sound))
        progress = stack.enter_context(Progress(t, f"fuse {outputs.video.stem}"))
        for full, row in zip(composed(foreground, residuals, plate), generated.crop, strict=True):
            crops.append(sample_crop(full, row, generated.crop_hw)[None])
            if params.mark != "none":
                draw_mark(full, params.mark)
            video.append(full[None])
            progress.advance()
    return t


def composed(foreground: Foregrounds, residuals: Residuals | None, plate: Frames) -> Iterator[np.ndarray]:
    """Yield every frame composed, (h w 3) uint8; memory does not grow."""
    fixed = plate[0] if len(plate) == 1 else None
    at_once = max(1, min(BLOCK_FRAMES, BLOCK_BYTES // (3 * foreground.crop_hw[0] * foreground.crop_hw[1])))
    for start in range(0, len(foreground), at_once):
        rows = slice(start, min(start + at_once, len(foreground)))
        rgb, mattes = foreground.rgb[rows], foreground.matte[rows]
        patches = {} if residuals is None else {name: residuals.patches[name][rows] for name in residuals.regions}
        for i, t in enumerate(range(rows.start, rows.stop)):
            back = plate[t] if fixed is None else fixed
            if not foreground.present[t]:
                yield back.copy()
                continue
            polish = {} if residuals is None else {n: (p[i], residuals.boxes[n][t]) for n, p in patches.items()}
            yield compose_full(rgb[i], mattes[i], foreground.crop[t], polish, fade, back)


def _require_fit(foreground: Foregrounds, generated: Foregrounds, residuals: Residuals | None, plate: Frames) -> None:
    t, polish = len(foreground), [] if residuals is None else [residuals]
    require_same_clip(generated, foreground)
    require_same_length(foreground, *polish)
    require_one_motion({str(made.source): made.attributes for made in (generated, foreground, *polish)})
    if plate.size_hw != foreground.size_hw:
        raise InputError(
            f"{plate.source} is {plate.size_hw[1]}x{plate.size_hw[0]} px, {foreground.source} belongs to frames of "
            f"{foreground.size_hw[1]}x{foreground.size_hw[0]}. Run: dvc repro inpaint_background generate_foreground"
        )
    if len(plate) not in (1, t):
        raise InputError(f"{plate.source} must have 1 frame or the {t} of {foreground.source}, found {len(plate)}.")
    pts = foreground.clock.pts
    if pts is not None and len(pts) != t:
        raise InputError(f"{foreground.source} has {t} frames and {len(pts)} timestamps. Run: dvc repro generate_foreground")


def _read(inputs: FuseInputs, residuals: Residuals | None) -> dict[str, Path]:
    named = {"foreground": inputs.foreground, "generated": inputs.generated, "plate": inputs.plate, "driver_frames": inputs.driver_frames}
    paths = {name: Path(artifact.source.path) for name, artifact in named.items()}
    return paths if residuals is None else {**paths, "residuals": Path(residuals.source.path)}


def _makers(foreground: Foregrounds, residuals: Residuals | None) -> dict[str, object]:
    """What foregrounds and residuals say of the models that made them, beside the facts of every artifact of their kind."""
    known = {"fps", "time_base", "pts", "kind", "version", "crop_hw", "size_hw", "regions", "region_px", "length", "skipped"}
    made = {"foreground": foreground.attributes, "residuals": {} if residuals is None else residuals.attributes}
    return {name: {k: v for k, v in attributes.items() if k not in known} for name, attributes in made.items()}
