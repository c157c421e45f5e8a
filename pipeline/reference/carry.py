"""One part of a frame, carried: where its pixels lie in a reference's picture, and what their detail adds to what was generated.

What cannot be seen is left out: a reference is moved where its detail is let through, and about there, where its low band is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.foregrounds import FLOW_STEPS
from pipeline.body.skeleton import Skeleton
from pipeline.picture.geometry import compose_affine
from pipeline.reference.resampling import REACH, Averaged, Enlarged, Strip, everywhere, moved_by, strips, widened

# As in networks/carrying.py, which takes a second to import: weight of what is transparent in a mean, slope of what is agreed on.
FAINT, AGREED = 0.02, 5.0
BYTE = np.float32(1 / 255)

# By a matte's byte K, what straight colours in [-1, 1] are made with of a byte P of M ⊙ F, (2 P - K) / K but where M is FAINT or less:
# weighted by M they are (2 P - K) / 255 SEEN, by M + FAINT they are P WEIGHED[0] - WEIGHED[1].
OPAQUE = np.arange(256, dtype=np.float32) * BYTE
SEEN = (OPAQUE / np.maximum(OPAQUE, FAINT)).astype(np.float32)
WEIGHED = [((OPAQUE + FAINT) / np.maximum(OPAQUE, FAINT) * share).astype(np.float32) for share in (2 * BYTE, OPAQUE)]


@dataclass(frozen=True)
class Asked:
    """What CarriedFields have of a reference: layers that say how far its detail is carried, all of them, and its flow."""

    shares: tuple[str, ...]
    flow: str


FIRST, SECOND = Asked(("detail", "first_share"), "flow"), Asked(("detail", "second_share"), "second_flow")


@dataclass(frozen=True)
class Part:
    """A box (x y, width height) of a canvas of full px, the map (2 3) from its px to working px, and the px between the
    points at which the warp is worked out."""

    corner_xy: tuple[int, int]
    size_hw: tuple[int, int]
    to_working: np.ndarray
    cell: int = 1


@dataclass(frozen=True)
class Places:
    """Rows and columns, ROWS at once, in which a source may be shown, as the whole part has them, and in which it is looked at, as
    they are counted from its own corner: there and about, as far as its low band reaches."""

    shown: list[Strip]
    looked_at: list[Strip]

    @staticmethod
    def of(layers: dict[str, np.ndarray], asked: Asked, whole: Part, own: Part, band_px: float) -> Places:
        """Where the matte and all shares (h w) that are asked have something, at working size, in the part that is the source's own;
        own.corner_xy lies in the whole part."""
        near = [cv2.dilate(layers["base_matte"], np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))]
        near += [cv2.dilate(layers[name], np.ones((3, 3), np.uint8)) for name in asked.shares]
        shown = list(strips(np.minimum.reduce(near), whole.to_working, whole.size_hw, 1))
        small_hw, _, reach = _blur(own.size_hw, own.to_working[0, 0], band_px)
        # From a pixel to the border of the farthest one that is averaged for it.
        far = [int((reach + 1.5) * side / small) + 1 for side, small in zip(own.size_hw, small_hw, strict=True)]
        return Places(shown, widened(moved_by(shown, own.corner_xy, own.size_hw), (far[0], far[1]), own.size_hw))


@dataclass(frozen=True)
class Source:
    """A reference's picture (h' w' 4) uint8, M ⊙ F and M, and where each pixel of a part lies in it: x, y (h w) float32 px; sound (h w)
    in [0, 1]: how sound that is. corner_xy: where in the whole part it lies, if it covers less; all where places says, None: everywhere."""

    picture: np.ndarray
    x: np.ndarray
    y: np.ndarray
    sound: np.ndarray
    corner_xy: tuple[int, int] = (0, 0)
    places: Places | None = None


@dataclass(frozen=True)
class _Laid:
    """A source's picture (h w 4) as it lies under this pose; asked: working-size layers that say how far it is; low: below the band;
    shown: columns by the first of the whole part's rows that are gone through with them."""

    source: Source
    moved: np.ndarray
    asked: Enlarged
    low: Enlarged
    shown: dict[int, slice]

    def into(
        self, rows: slice, columns: slice, planes: list[np.ndarray], matte: np.ndarray, agreed: np.ndarray, carried: np.ndarray
    ) -> None:
        """Add what lies in these rows and columns of the part to their colours, matte, and share of what is carried."""
        shown = self.shown.get(rows.start)
        if shown is None:
            return
        (x, y), (height, width) = self.source.corner_xy, self.source.sound.shape
        top, bottom = max(rows.start, y), min(rows.stop, y + height)
        left, right = max(columns.start, shown.start, x), min(columns.stop, shown.stop, x + width)
        if top >= bottom or left >= right:
            return
        here = np.s_[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
        own = np.s_[top - y : bottom - y, left - x : right - x]
        detail, *shares = self.asked.part(*own)
        trust = self.source.sound[own]
        for share in shares:
            trust = np.minimum(trust, share)
        trust = trust * detail
        *premultiplied, alpha = cv2.split(self.moved[own])
        opaque, half = cv2.LUT(alpha, OPAQUE), alpha * np.float32(0.5)
        # Its fine detail is added; the low band is the generator's, which knows the light and the pose.
        *low, low_matte = self.low.part(*own)
        weight, seen = trust * opaque, trust * cv2.LUT(alpha, SEEN)
        half *= seen
        scale = weight * np.float32(127.5)
        for plane, colour, blurred in zip(planes, premultiplied, low, strict=True):
            added = colour * seen
            added -= half
            blurred *= scale
            added -= blurred
            plane[here] += added
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

    layers: base_rgb, base_matte, detail, first_share, second_share of CarriedFields at working size; first, second: None without a
    reference; to_working (2 3): full px of the part → working px; band_px: working px.
    """
    base = Enlarged([*cv2.split(layers["base_rgb"]), layers["base_matte"] * BYTE], to_working, size_hw, True)
    rgb, opacity, trusted = np.zeros((*size_hw, 3), np.uint8), np.zeros(size_hw, np.uint8), np.zeros(size_hw, np.float32)
    laid = [
        _laid(source, [layers[name] for name in asked.shares], to_working, size_hw, band_px)
        for source, asked in ((first, FIRST), (second, SECOND))
        if source is not None
    ]
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
    picture: np.ndarray,
    own: np.ndarray,
    points: np.ndarray,
    skeleton: Skeleton,
    flow: np.ndarray,
    part: Part,
    places: Places | None = None,
) -> Source:
    """Where the pixels of a part lie in a reference's picture (h' w' 4) with its own points (j 2), in its px, for points (j 2) in the
    part's px, corrected by a working-size flow (h w 2); what is not looked at is 0, how sound it is holds where it is shown alone."""
    import torch

    from pipeline.body.fields import PartField
    from pipeline.body.warping import cell_centres
    from pipeline.reference.field import full_field
    from pipeline.reference.hands import refine_hands

    size_hw, cell = part.size_hw, part.cell
    looked_at = everywhere(size_hw) if places is None else places.looked_at
    steps = np.float32(FLOW_STEPS * part.to_working[0, 0])
    moves = bool(flow.any())
    reach = int(np.abs(flow).max() / steps) + 2 if moves else 0
    asked = widened(looked_at, (reach, reach), size_hw) if moves else looked_at
    sound = asked if places is None else widened(moved_by(places.shown, part.corner_xy, size_hw), (reach, reach), size_hw)
    # Of the cells those alone among which something is asked for, and one to each side.
    box = [(min(some[axis].start for some in asked) // cell, -(-max(some[axis].stop for some in asked) // cell) + 2) for axis in (0, 1)]
    x, y = cell_centres(size_hw, cell, torch.device("cpu"))
    query, reference = (torch.from_numpy(np.asarray(pose, np.float32))[None] for pose in (points, own))
    with torch.inference_mode():
        parts = PartField(query, reference, skeleton)
        coarse = parts.at(x[slice(*box[1])], y[slice(*box[0])])
        found = full_field(
            coarse, (box[0][0], box[1][0]), size_hw, cell, sound, lambda at: parts.at_points(torch.from_numpy(at))[0].numpy()
        )
        refine_hands(found, parts, cell)
    layers = [np.zeros(size_hw, np.float32) for _ in range(3)]
    moved = None
    if moves:
        moved = cv2.warpAffine(
            flow.astype(np.float32), part.to_working, size_hw[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    for rows, columns in looked_at:
        piece = found[rows, columns]
        if moved is not None:
            across, down = cv2.split(moved[rows, columns] / steps)
            across += np.arange(columns.start, columns.stop, dtype=np.float32)
            down += np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
            piece = cv2.remap(found, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for layer, values in zip(layers, cv2.split(piece), strict=True):
            layer[rows, columns] = values
    x_px, y_px, how_sound = layers
    return Source(picture, x_px, y_px, how_sound, part.corner_xy, places)


def part_from(to_working: np.ndarray, corner_xy: tuple[int, int]) -> np.ndarray:
    """to_working (2 3) from px that are counted from a corner."""
    shift = np.array([[1.0, 0.0, corner_xy[0]], [0.0, 1.0, corner_xy[1]]])
    return compose_affine(to_working, shift)


def _laid(source: Source, asked: list[np.ndarray], to_working: np.ndarray, size_hw: tuple[int, int], band_px: float) -> _Laid:
    """A source as it lies under the pose of a part of size_hw; asked: working-size layers (h w) uint8.

    Its low band is networks/carrying.low_band() at full px: averaged to about the working size, blurred there, enlarged again.
    """
    own_hw, scale = source.sound.shape, to_working[0, 0]
    height, width = own_hw
    places = source.places or Places(everywhere(size_hw), everywhere(own_hw))
    small_hw, sigma, reach = _blur(own_hw, scale, band_px)
    moved, averaged = np.zeros((*own_hw, 4), np.uint8), Averaged(4, own_hw, small_hw)
    for at in places.looked_at:
        moved[at] = cv2.remap(source.picture, source.x[at], source.y[at], cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        *premultiplied, alpha = cv2.split(moved[at])
        lit, dark = (cv2.LUT(alpha, table) for table in WEIGHED)
        averaged.add(at, [*(colour * lit - dark for colour in premultiplied), cv2.LUT(alpha, OPAQUE)])
    reduced = cv2.merge(averaged.small())
    blurred = cv2.GaussianBlur(reduced, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred[..., :3] /= blurred[..., 3:] + FAINT
    across, down = small_hw[1] / width, small_hw[0] / height
    back = np.array([[across, 0.0, across / 2 - 0.5], [0.0, down, down / 2 - 0.5]])
    low = Enlarged(list(cv2.split(blurred)), back, own_hw, False)
    shares = Enlarged([layer * BYTE for layer in asked], part_from(to_working, source.corner_xy), own_hw, False)
    return _Laid(source, moved, shares, low, {rows.start: columns for rows, columns in places.shown})


def _blur(size_hw: tuple[int, int], scale: float, band_px: float) -> tuple[tuple[int, int], float, int]:
    """How the low band of a picture of size_hw, of so many working px a px, is found: the size that it is averaged to, and there the
    sigma of the blur and how far its kernel reaches, as OpenCV has it for floats."""
    height, width = size_hw
    small_hw = (max(1, round(height * scale)), max(1, round(width * scale))) if scale < 1 else size_hw
    sigma = band_px * small_hw[1] / (width * scale)
    return small_hw, sigma, (round(8 * sigma + 1) | 1) // 2
