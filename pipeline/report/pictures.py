"""Contact sheets (JPEG) of every intermediate."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.artifacts.crops import Crops
from pipeline.artifacts.faces import FaceIndex
from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.keypoints import Track
from pipeline.artifacts.residuals import Residuals
from pipeline.body.pose_maps import PoseMapParams, pose_picture
from pipeline.body.regions import cut_from_crop, fade
from pipeline.picture.geometry import apply_affine, box_of_points, box_to_crop, sample_crop
from pipeline.picture.sheets import contact_sheet, encode, spread

CELL_PX = 230
CELL_HW = (CELL_PX, CELL_PX)
MARGIN = 1.3
SHEET_PX = 1250
QUALITY = 80
GREY = 128
PLATE_PX = 560


def chosen(present: np.ndarray, n: int) -> list[int]:
    """n frames evenly spread over those with the subject; over all when it is never there."""
    frames = np.flatnonzero(present) if present.any() else np.arange(len(present))
    return [int(frames[i]) for i in spread(len(frames), n)]


def poses_on_frames(frames: Frames, track: Track, at: Sequence[int], params: PoseMapParams) -> bytes:
    """Frames, cut to where the selected person is over the clip, with the keypoints over them."""
    view = view_of(track)
    pictures = []
    for t in at:
        points = apply_affine(view, track.points[t])
        under = sample_crop(frames[t], view, CELL_HW, border="zero")
        pictures.append(pose_picture(points, track.score[t], track.skeleton, CELL_HW, params, over=under))
    return _sheet(pictures, [f"frame {t}" for t in at])


def mattes_on_frames(frames: Frames, mattes: Frames, track: Track, at: Sequence[int]) -> bytes:
    """Frames, cut as poses_on_frames does, in which everything outside the matte is turned to grey."""
    view = view_of(track)
    seen = [(sample_crop(frames[t], view, CELL_HW, "zero"), sample_crop(mattes[t], view, CELL_HW, "zero")) for t in at]
    return _sheet([_over_grey(image, matte) for image, matte in seen], [f"frame {t}" for t in at])


def view_of(track: Track) -> np.ndarray:
    """Map (2 3) from full pixels to a cell that shows all the places of the track; the whole frame when it has none."""
    box = box_of_points(track.points, MARGIN)
    if not np.isfinite(box).all():
        side = float(max(track.size_hw))
        box = np.array([0.0, 0.0, side, side])
    return box_to_crop(box, CELL_HW)


def plate(plates: Frames) -> bytes:
    """The (first) background plate."""
    image = plates[0]
    scale = min(1.0, PLATE_PX / image.shape[0])
    return encode(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), ".jpg", QUALITY)


def crops_and_mattes(crops: Crops, at: Sequence[int]) -> bytes:
    """The networks' view: frames in the upper rows, their mattes in the lower, the plate last."""
    pictures = [crops.frames[t] for t in at] + [crops.mattes[t] for t in at] + [crops.plate_at(at[0] if at else 0)]
    return _sheet(pictures, [f"frame {t}" for t in at] + [f"matte {t}" for t in at] + ["plate"], len(at))


def faces(index: FaceIndex, n: int) -> bytes:
    """Faces of the index, evenly spread in time."""
    rows = spread(len(index), n)
    return _sheet([index.crops[i] for i in rows], [f"frame {index.frame[i]}, sharp {index.sharpness[i]:.0f}" for i in rows])


def pose_maps(motion: Track, crop: np.ndarray, crop_hw: tuple[int, int], at: Sequence[int], params: PoseMapParams) -> bytes:
    """What the generator reads, in the skeleton's colours; crop (t 2 3) maps full to crop px."""
    pictures = [pose_picture(apply_affine(crop[t], motion.points[t]), motion.score[t], motion.skeleton, crop_hw, params) for t in at]
    return _sheet(pictures, [f"frame {t}" for t in at])


def foregrounds(generated: Foregrounds, at: Sequence[int]) -> bytes:
    """What the generator made: on grey by its matte, straight colour, and matte."""
    rgb, matte = [generated.rgb[t] for t in at], [generated.matte[t] for t in at]
    pictures = [_over_grey(a, b) for a, b in zip(rgb, matte, strict=True)] + rgb + matte
    return _sheet(pictures, [f"{what} {t}" for what in ("frame", "colour", "matte") for t in at], len(at))


def patches(generated: Foregrounds, stages: dict[str, Residuals], region: str, at: Sequence[int]) -> bytes | None:
    """One region as generated and after each stage, upsampled to the source; None when it was skipped throughout `at`."""
    boxes = next(stage.boxes[region] for stage in reversed(stages.values()) if region in stage.regions)
    usable = [t for t in at if np.isfinite(boxes[t]).all()]
    if not usable:
        return None
    px = next(stage.patch_px(region) for stage in stages.values() if region in stage.regions)
    rows = {"generated": [_patch(generated, None, region, boxes[t], t, px) for t in usable]}
    for name, stage in stages.items():
        if region in stage.regions:
            rows[name] = [_patch(generated, stage, region, boxes[t], t, stage.patch_px(region)) for t in usable]
    return _sheet([p for row in rows.values() for p in row], [f"{name} {t}" for name in rows for t in usable], len(usable))


def fused_crops(fused: Frames, at: Sequence[int]) -> bytes:
    """The finished frames at the networks' size."""
    return _sheet([fused[t] for t in at], [f"frame {t}" for t in at])


def worst(crops: Crops, fused: Frames, rows: Sequence[tuple[int, float]], unit: str) -> bytes:
    """True frame, result and twice their difference, for the frames (with their score) that came out worst."""
    true, result = [crops.frames[t] for t, _ in rows], [fused[t] for t, _ in rows]
    gap = [np.clip(2 * np.abs(a.astype(np.int16) - b), 0, 255).astype(np.uint8) for a, b in zip(true, result, strict=True)]
    labels = [f"{t}: {score:.1f} {unit}" for t, score in rows]
    return _sheet(true + result + gap, labels + [f"result {t}" for t, _ in rows] + [f"difference {t}" for t, _ in rows], len(rows))


def _patch(generated: Foregrounds, stage: Residuals | None, region: str, box: np.ndarray, t: int, px: int) -> np.ndarray:
    rgb = cut_from_crop(generated.rgb[t], generated.crop[t], box, px).astype(np.float32)
    matte = cut_from_crop(generated.matte[t], generated.crop[t], box, px, border="zero")
    if stage is not None and np.isfinite(stage.boxes[region][t]).all():
        residual = stage.residual(region, t)
        added = residual * fade(residual)[..., None]
        rgb = rgb + added[..., :3]
        if added.shape[2] == 4:
            matte = np.clip(np.rint(matte + added[..., 3]), 0, 255).astype(np.uint8)
    return _over_grey(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), matte)


def _over_grey(rgb: np.ndarray, matte: np.ndarray) -> np.ndarray:
    m = matte[..., None].astype(np.float32) / 255
    return np.rint(m * rgb + (1 - m) * GREY).astype(np.uint8)


def _sheet(pictures: Sequence[np.ndarray], labels: Sequence[str], columns: int | None = None) -> bytes:
    """As many columns as fit the page, or those that keep rows of one thing apart."""
    widest = max((_shown_width(p) for p in pictures), default=CELL_PX)
    fit = max(1, SHEET_PX // (widest + 4))
    cell = CELL_PX if columns is None or columns <= fit else max(48, CELL_PX * fit // columns)
    even = math.ceil(len(pictures) / max(1, math.ceil(len(pictures) / fit)))  # rows of equal length
    return encode(contact_sheet(pictures, labels, columns or even, cell), ".jpg", QUALITY)


def _shown_width(picture: np.ndarray) -> int:
    """Width in a cell of CELL_PX: contact_sheet enlarges small pictures by whole factors only."""
    longest = max(picture.shape[:2])
    scale = CELL_PX // longest if longest <= CELL_PX else CELL_PX / longest
    return round(picture.shape[1] * scale)
