"""One part of a frame, carried: where its pixels lie in a reference's picture, and what their detail adds to what was generated."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.artifacts.foregrounds import FLOW_STEPS
from pipeline.body.skeleton import Skeleton
from pipeline.picture.geometry import compose_affine

# As in networks/carrying.py, which takes a second to import: weight of what is transparent in a mean, slope of what is agreed on.
FAINT, AGREED = 0.02, 5.0


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
    # Plane by plane: numpy is slow where the last axis has three elements.
    planes = [_enlarged(plane, to_working, size_hw, cv2.INTER_CUBIC) for plane in cv2.split(layers["base_rgb"])]
    matte = _enlarged(layers["base_matte"] * np.float32(1 / 255), to_working, size_hw, cv2.INTER_CUBIC)
    trusted = np.zeros(size_hw, np.float32)
    agreed = np.clip(AGREED * matte, 0, 1)
    for source in (first, second):
        if source is None:
            continue
        box, there = _box_of(source), part_from(to_working, source.corner_xy)
        share = source.sound
        if source is second:
            share = np.minimum(share, _enlarged(layers["second_share"] * np.float32(1 / 255), there, share.shape, cv2.INTER_LINEAR))
        # The reference as it lies under this pose, its matte taken out of its colours.
        trust = share * _enlarged(layers["detail"] * np.float32(1 / 255), there, share.shape, cv2.INTER_LINEAR)
        moved = cv2.remap(source.picture, source.x, source.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        *premultiplied, opaque = (plane * np.float32(1 / 255) for plane in cv2.split(moved))
        straight = 1 / np.maximum(opaque, FAINT)
        seen = [(2 * plane - opaque) * straight for plane in premultiplied]
        # Its fine detail is added; the low band is the generator's, which knows the light and the pose.
        *low, low_matte = _low_band(seen, opaque, to_working[0, 0], band_px)
        weight = trust * opaque
        for plane, colour, blurred in zip(planes, seen, low, strict=True):
            plane[box] += (colour - blurred) * (weight * np.float32(127.5))
        matte[box] += trust * agreed[box] * (opaque - low_matte)
        trusted[box] += weight
    # Back to bytes; what is transparent has no colour.
    opacity = (np.clip(matte, 0, 1) * 255 + 0.5).astype(np.uint8)
    rgb = cv2.merge([(np.clip(plane, 0, 255) + 0.5).astype(np.uint8) for plane in planes])
    rgb[opacity == 0] = 0
    return rgb, opacity, trusted


def source_of(
    picture: np.ndarray, own: np.ndarray, points: np.ndarray, skeleton: Skeleton, flow: np.ndarray, part: Part
) -> Source:
    """Where the pixels of a part lie in a reference's picture (h' w' 4) with its own points (j 2), in its px, for points (j 2) in the
    part's px, corrected by a working-size flow (h w 2)."""
    import torch

    from pipeline.body.warping import detail_field

    query, reference = (torch.from_numpy(np.asarray(pose, np.float32))[None] for pose in (points, own))
    with torch.inference_mode():
        field, sound = detail_field(query, reference, skeleton, part.size_hw, part.cell)
    found = np.dstack([field[0].numpy(), sound[0, 0].numpy()])
    if flow.any():
        steps = np.float32(FLOW_STEPS * part.to_working[0, 0])
        across, down = cv2.split(_enlarged(flow, part.to_working, part.size_hw, cv2.INTER_LINEAR) / steps)
        y, x = np.mgrid[: part.size_hw[0], : part.size_hw[1]].astype(np.float32)
        found = cv2.remap(found, x + across, y + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    from_x, from_y, sure = (np.ascontiguousarray(layer) for layer in cv2.split(found))
    return Source(picture, from_x, from_y, sure, part.corner_xy)


def _box_of(source: Source) -> tuple[slice, slice]:
    (x, y), (height, width) = source.corner_xy, source.sound.shape
    return slice(y, y + height), slice(x, x + width)


def part_from(to_working: np.ndarray, corner_xy: tuple[int, int]) -> np.ndarray:
    """to_working (2 3) from px that are counted from a corner."""
    shift = np.array([[1.0, 0.0, corner_xy[0]], [0.0, 1.0, corner_xy[1]]])
    return compose_affine(to_working, shift)


def _enlarged(image: np.ndarray, to_working: np.ndarray, size_hw: tuple[int, int], flags: int) -> np.ndarray:
    """A working-size layer at full px, float32."""
    height, width = size_hw
    return cv2.warpAffine(
        image.astype(np.float32), to_working, (width, height), flags=flags | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def _low_band(colours: list[np.ndarray], matte: np.ndarray, scale: float, band_px: float) -> list[np.ndarray]:
    """networks/carrying.low_band at full px, of planes (h w): averaged to about the working size, blurred there, enlarged again."""
    height, width = matte.shape
    small = max(1, round(width * scale)), max(1, round(height * scale))
    weight = matte + FAINT
    planes = [*(plane * weight for plane in colours), matte]
    reduced = cv2.merge([cv2.resize(plane, small, interpolation=cv2.INTER_AREA) for plane in planes] if scale < 1 else planes)
    sigma = band_px * reduced.shape[1] / (width * scale)
    blurred = cv2.GaussianBlur(reduced, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred[..., :3] /= blurred[..., 3:] + FAINT
    return [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in cv2.split(blurred)]
