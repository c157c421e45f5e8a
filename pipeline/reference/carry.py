"""One part of a frame, carried: where its pixels lie in a reference's picture, and what their detail adds to what was generated."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.foregrounds import FLOW_STEPS
from pipeline.body.skeleton import Skeleton
from pipeline.picture.geometry import compose_affine
from pipeline.reference.resampling import ROWS, Enlarged, strips

# As in networks/carrying.py, which takes a second to import: weight of what is transparent in a mean, slope of what is agreed on.
FAINT, AGREED = 0.02, 5.0
BYTE = np.float32(1 / 255)


@dataclass(frozen=True)
class Part:
    """A box (x y, width height) of a canvas of full px, the map (2 3) from its px to working px, and the px between the
    points at which the warp is worked out."""

    corner_xy: tuple[int, int]
    size_hw: tuple[int, int]
    to_working: np.ndarray
    cell: int = 1


@dataclass(frozen=True)
class Source:
    """A reference's picture (h' w' 4) uint8, M ⊙ F and M, and where each pixel of a part lies in it: x, y (h w) float32 px; sound (h w)
    in [0, 1]: how sound that is. corner_xy: where in the whole part it lies, if it covers less."""

    picture: np.ndarray
    x: np.ndarray
    y: np.ndarray
    sound: np.ndarray
    corner_xy: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Laid:
    """A source's picture (h w 4) as it lies under this pose; asked: working-size layers that say how far it is; low: below the band."""

    source: Source
    moved: np.ndarray
    asked: Enlarged
    low: Enlarged

    def into(
        self, rows: slice, columns: slice, planes: list[np.ndarray], matte: np.ndarray, agreed: np.ndarray, carried: np.ndarray
    ) -> None:
        """Add what lies in these rows and columns of the part to their colours, matte, and share of what is carried."""
        (x, y), (height, width) = self.source.corner_xy, self.source.sound.shape
        top, bottom = max(rows.start, y), min(rows.stop, y + height)
        left, right = max(columns.start, x), min(columns.stop, x + width)
        if top >= bottom or left >= right:
            return
        here = np.s_[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
        own = np.s_[top - y : bottom - y, left - x : right - x]
        detail, *shares = self.asked.part(*own)
        trust = np.minimum.reduce([self.source.sound[own], *shares]) * detail
        seen, opaque = _straight(self.moved[own])
        # Its fine detail is added; the low band is the generator's, which knows the light and the pose.
        *low, low_matte = self.low.part(*own)
        weight = trust * opaque
        for plane, colour, blurred in zip(planes, seen, low, strict=True):
            plane[here] += (colour - blurred) * (weight * np.float32(127.5))
        matte[here] += trust * agreed[here] * (opaque - low_matte)
        carried[here] += weight


def carried(
    layers: dict[str, np.ndarray],
    first: Source | None,
    to_working: np.ndarray,
    size_hw: tuple[int, int],
    band_px: float,
    second: Source | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One part of a frame at full px: straight colour (h w 3), matte (h w), uint8, and the share (h w) of the detail that was carried.

    layers: base_rgb, base_matte, detail, second_share of CarriedFields at working size; first, second: None without a reference;
    to_working (2 3): full px of the part → working px; band_px: working px.
    """
    base = Enlarged([*cv2.split(layers["base_rgb"]), layers["base_matte"] * BYTE], to_working, size_hw, True)
    rgb, opacity, trusted = np.zeros((*size_hw, 3), np.uint8), np.zeros(size_hw, np.uint8), np.zeros(size_hw, np.float32)
    laid = []
    for source, asked in ((first, ["detail"]), (second, ["detail", "second_share"])):
        if source is None:
            continue
        moved = cv2.remap(source.picture, source.x, source.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        shares = [layers[name] * BYTE for name in asked]
        enlarged = Enlarged(shares, part_from(to_working, source.corner_xy), source.sound.shape, False)
        laid.append(_Laid(source, moved, enlarged, _low_band(moved, to_working[0, 0], band_px)))
    # A few rows at once, which a core's cache holds, and of them what may show something.
    for rows, columns in strips(layers["base_matte"], to_working, size_hw):
        at = rows, columns
        *planes, matte = base.part(*at)
        agreed = np.clip(AGREED * matte, 0, 1)
        for picture in laid:
            picture.into(rows, columns, planes, matte, agreed, trusted[at])
        # Back to bytes; what is transparent has no colour.
        opacity[at] = np.clip(matte, 0, 1) * 255 + 0.5
        there = (opacity[at] > 0).astype(np.uint8)
        rgb[at] = cv2.merge([(np.clip(plane, 0, 255) + 0.5).astype(np.uint8) * there for plane in planes])
    return rgb, opacity, trusted


def source_of(
    picture: np.ndarray, own: np.ndarray, points: np.ndarray, skeleton: Skeleton, flow: np.ndarray, part: Part
) -> Source:
    """Where the pixels of a part lie in a reference's picture (h' w' 4) with its own points (j 2), in its px, for points (j 2) in the
    part's px, corrected by a working-size flow (h w 2)."""
    import torch

    from pipeline.body.fields import part_field
    from pipeline.body.warping import cell_centres
    from pipeline.reference.field import full_field

    query, reference = (torch.from_numpy(np.asarray(pose, np.float32))[None] for pose in (points, own))
    with torch.inference_mode():
        coarse = part_field(query, reference, skeleton, *cell_centres(part.size_hw, part.cell, query.device))
    found = full_field(coarse, part.size_hw, part.cell)
    if flow.any():
        steps = np.float32(FLOW_STEPS * part.to_working[0, 0])
        moved = cv2.warpAffine(
            flow.astype(np.float32), part.to_working, part.size_hw[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        across, down = cv2.split(moved / steps)
        across += np.arange(part.size_hw[1], dtype=np.float32)
        down += np.arange(part.size_hw[0], dtype=np.float32)[:, None]
        found = cv2.remap(found, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y, sound = cv2.split(found)
    return Source(picture, x, y, sound, part.corner_xy)


def part_from(to_working: np.ndarray, corner_xy: tuple[int, int]) -> np.ndarray:
    """to_working (2 3) from px that are counted from a corner."""
    shift = np.array([[1.0, 0.0, corner_xy[0]], [0.0, 1.0, corner_xy[1]]])
    return compose_affine(to_working, shift)


def _straight(moved: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Straight colours in [-1, 1], plane by plane (numpy is slow where the last axis has three elements), and the matte (h w) in [0, 1]
    of M ⊙ F and M (h w 4) uint8."""
    *premultiplied, opaque = (plane * np.float32(1 / 255) for plane in cv2.split(moved))
    straight = 1 / np.maximum(opaque, FAINT)
    return [(2 * plane - opaque) * straight for plane in premultiplied], opaque


def _low_band(moved: np.ndarray, scale: float, band_px: float) -> Enlarged:
    """networks/carrying.low_band at full px, of M ⊙ F and M (h w 4): averaged to about the working size, blurred there, enlarged again."""
    height, width = moved.shape[:2]
    planes = np.empty((4, height, width), np.float32)
    for start in range(0, height, ROWS):
        rows = slice(start, start + ROWS)
        colours, planes[3, rows] = _straight(moved[rows])
        weight = planes[3, rows] + FAINT
        for plane, colour in zip(planes, colours, strict=False):
            np.multiply(colour, weight, out=plane[rows])
    small = (max(1, round(width * scale)), max(1, round(height * scale))) if scale < 1 else (width, height)
    reduced = cv2.merge([cv2.resize(plane, small, interpolation=cv2.INTER_AREA) for plane in planes])
    sigma = band_px * reduced.shape[1] / (width * scale)
    blurred = cv2.GaussianBlur(reduced, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred[..., :3] /= blurred[..., 3:] + FAINT
    across, down = small[0] / width, small[1] / height
    back = np.array([[across, 0.0, across / 2 - 0.5], [0.0, down, down / 2 - 0.5]])
    return Enlarged(list(cv2.split(blurred)), back, (height, width), False)
