"""What a local generator sees: the generated patch with the enhancement laid over it, and its truth."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.foregrounds import Foregrounds
from pipeline.artifacts.frames import Frames
from pipeline.artifacts.residuals import Residuals
from pipeline.body.regions import cut_from_crop, cut_region, feather
from pipeline.errors import InputError

BLOCK = 16
SAME_BOX_PX = 0.01


@dataclass(frozen=True)
class Pairs:
    """Training patches of one region, wider than region_px by `spare` px on each side for the jitter; all uint8.

    generated (n q q 3) with the enhancement, generated_matte (n q q), true (n q q 3), true_matte (n q q).
    """

    generated: np.ndarray
    generated_matte: np.ndarray
    true: np.ndarray
    true_matte: np.ndarray
    spare: int

    def __len__(self) -> int:
        return len(self.generated)


def polished(patch: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """A patch (p p 3) uint8 with a residual (p p 3) laid over it as fusion does: faded at the border, clipped to 0..255."""
    faded = residual * feather(len(patch))[..., None]
    return np.clip(np.rint(patch + faded), 0, 255).astype(np.uint8)


def generated_patch(
    generated: Foregrounds, rgb: np.ndarray, matte: np.ndarray, t: int, box: np.ndarray, size_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Patch (p p 3) and matte (p p) of frame t's foreground rgb (s s 3) and matte (s s) through a box."""
    patch = cut_from_crop(rgb, generated.crop[t], box, size_px)
    return patch, cut_from_crop(matte, generated.crop[t], box, size_px, "zero")


def check_boxes(enhanced: Residuals, boxes: dict[str, np.ndarray], region_px: int) -> None:
    """InputError unless the enhancement was made with these boxes and this patch size; a region that was placed has its own."""
    for name, own in enhanced.boxes.items():
        if name in enhanced.placed:
            continue
        here = boxes.get(name)
        if here is None or here.shape != own.shape or enhanced.region_px != region_px:
            raise InputError(f"The enhancement of {name} was made for other regions or another length. Run: dvc repro enhance_faces")
        gap = np.abs(own - here)
        if gap[np.isfinite(gap)].max(initial=0) > SAME_BOX_PX:
            raise InputError(f"The enhancement of {name} was cut from other boxes. Run: dvc repro enhance_faces")


def training_pairs(
    chosen: np.ndarray,
    boxes: dict[str, np.ndarray],
    generated: Foregrounds,
    enhanced: Residuals,
    frames: Frames,
    mattes: Frames,
    region_px: int,
    spare: int,
) -> dict[str, Pairs]:
    """Patches of the chosen frames (n) per region; a region without a box in any of them has none. Reads in blocks."""
    rows: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in boxes}
    wanted = np.zeros(len(frames), bool)
    wanted[chosen] = True
    # Blocks without a chosen frame are not read.
    for start in range(0, len(frames), BLOCK):
        inside = np.flatnonzero(wanted[start : start + BLOCK])
        if not len(inside):
            continue
        block = [a[start : start + BLOCK] for a in (generated.rgb, generated.matte, frames, mattes)]
        for i in inside:
            t = start + int(i)
            for name, box in boxes.items():
                if np.isfinite(box[t]).all():
                    base, base_matte = _wide(generated, block, int(i), t, name, box[t], enhanced, region_px, spare)
                    wide_box, size = widened(box[t], region_px, spare), region_px + 2 * spare
                    true, true_matte = cut_region(block[2][i], wide_box, size), cut_region(block[3][i], wide_box, size, "zero")
                    rows[name].append((base, base_matte, true, true_matte))
    return {name: _stacked(found, spare) for name, found in rows.items() if found}


def _stacked(rows: list[tuple[np.ndarray, ...]], spare: int) -> Pairs:
    base, base_matte, true, true_matte = (np.stack(column) for column in zip(*rows, strict=True))
    return Pairs(base, base_matte, true, true_matte, spare)


def widened(box: np.ndarray, region_px: int, spare: int) -> np.ndarray:
    """The box (4) with `spare` patch pixels more on each side."""
    more = (box[2] - box[0]) * spare / region_px
    return box + np.array([-more, -more, more, more])


def blurred(patch: np.ndarray, sigma_px: float) -> np.ndarray:
    """A patch (p p 3) blurred by a Gaussian; itself for less than a tenth of a pixel."""
    return patch if sigma_px < 0.1 else cv2.GaussianBlur(patch, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)


def _wide(
    generated: Foregrounds,
    block: list[np.ndarray],
    i: int,
    t: int,
    name: str,
    box: np.ndarray,
    enhanced: Residuals,
    region_px: int,
    spare: int,
) -> tuple[np.ndarray, np.ndarray]:
    size = region_px + 2 * spare
    base, matte = generated_patch(generated, block[0][i], block[1][i], t, widened(box, region_px, spare), size)
    if name in enhanced.regions:
        inner = slice(spare, spare + region_px)
        base[inner, inner] = polished(base[inner, inner], enhanced.residual(name, t))
    return base, matte
